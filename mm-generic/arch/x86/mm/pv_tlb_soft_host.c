// SPDX-License-Identifier: GPL-2.0
/*
 * A host for tests, as far as TLBs go: a part of this kernel.
 *
 * A backend makes its hypercall into it. It does what the call names, each page by
 * one INVLPG on each CPU that was named, by an interrupt of its own, and nothing
 * else: a CPU or a page that a backend has left out keeps its translation, and one
 * that it has named without need loses it. Hosts that run guests in earnest do more
 * than they are asked for, and are no judges of that.
 *
 * pv_tlb_soft_host=HOST[,ex][,fail=N] on the command line, after pvtlb= if that is
 * there, takes the place of a backend that the machine may have. HOST: hyperv, kvm or
 * openhcl, which differ in what they do with long lists and with nonsense, or xen-pv.
 * ex: processors have numbers that only the Ex calls can name. fail: one call in N
 * fails, at random.
 */
#define pr_fmt(fmt) "pv_tlb_soft_host: " fmt

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/prandom.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/smp.h>
#include <linux/string.h>

#include <asm/processor.h>
#include <asm/pv_tlb.h>
#include <asm/pv_tlb_soft_host.h>
#include <asm/tlbflush.h>

#include "mm_internal.h"
#include "pv_tlb_internal.h"

/* As many ranges as find room in the input of one hypercall. */
#define PV_TLB_SOFT_RANGES	512

enum pv_tlb_soft_kind pv_tlb_soft_kind __ro_after_init;

static u32 pv_tlb_soft_fail_every __ro_after_init;

/**
 * struct pv_tlb_soft_counters - what the host of a CPU did for it
 * @calls: hypercalls
 * @full: how often everything was flushed
 * @pages: how many pages were, one by one
 * @failed: calls that were made to fail
 */
struct pv_tlb_soft_counters {
	unsigned long	calls;
	unsigned long	full;
	unsigned long	pages;
	unsigned long	failed;
};

static DEFINE_PER_CPU(struct pv_tlb_soft_counters, pv_tlb_soft_counters);
static DEFINE_PER_CPU(struct rnd_state, pv_tlb_soft_rnd);
static atomic_long_t pv_tlb_soft_nr_refused;

/**
 * pv_tlb_soft_below - a random number, the same in each run
 * @end: one more than the largest; not 0
 *
 * Context: preemption disabled.
 */
u32 pv_tlb_soft_below(u32 end)
{
	return prandom_u32_state(this_cpu_ptr(&pv_tlb_soft_rnd)) % end;
}

/**
 * struct pv_tlb_soft_heard - what the calls of one task have named
 * @who: the task
 * @calls: number of calls
 * @failed: one of them was made to fail
 * @everything: one of them named everything
 * @cut_off: one of them named pages, and the host has flushed everything
 * @all_cpus: one of them named all CPUs
 * @global: one of them named everything, global translations as well
 * @refused: one of them is one that a host refuses
 * @too_many: there is no room in @ranges for all that was named
 * @cpus: the CPUs otherwise
 * @nr_ranges: number of @ranges
 * @ranges: the pages
 */
struct pv_tlb_soft_heard {
	struct task_struct	*who;
	unsigned int		calls;
	bool			failed;
	bool			everything;
	bool			cut_off;
	bool			all_cpus;
	bool			global;
	bool			refused;
	bool			too_many;
	struct cpumask		cpus;
	unsigned int		nr_ranges;
	struct pv_tlb_range	ranges[PV_TLB_SOFT_RANGES];
};

/* One task can have noted what it names. */
static struct pv_tlb_soft_heard *pv_tlb_soft_listener;

static struct pv_tlb_soft_heard *pv_tlb_soft_listening(void)
{
	struct pv_tlb_soft_heard *heard = READ_ONCE(pv_tlb_soft_listener);

	return heard && heard->who == current ? heard : NULL;
}

static void pv_tlb_soft_note(const struct pv_tlb_soft_op *op)
{
	struct pv_tlb_soft_heard *heard = pv_tlb_soft_listening();
	unsigned int i;

	if (!heard)
		return;

	if (!op->nr_ranges) {
		heard->everything = true;
		heard->global |= op->global && !op->cut_off;
	}
	if (op->cut_off)
		heard->cut_off = true;
	if (op->cpus)
		cpumask_or(&heard->cpus, &heard->cpus, op->cpus);
	else
		heard->all_cpus = true;
	for (i = 0; i < op->nr_ranges; i++) {
		if (heard->nr_ranges == PV_TLB_SOFT_RANGES) {
			heard->too_many = true;
			break;
		}
		heard->ranges[heard->nr_ranges++] = op->ranges[i];
	}
}

/**
 * pv_tlb_soft_call - a guest makes a call
 *
 * Context: preemption disabled.
 * Return: true if the call is to fail.
 */
bool pv_tlb_soft_call(void)
{
	struct pv_tlb_soft_heard *heard = pv_tlb_soft_listening();
	unsigned int i;
	bool fail;

	fail = pv_tlb_soft_fail_every &&
	       !pv_tlb_soft_below(pv_tlb_soft_fail_every);

	this_cpu_inc(pv_tlb_soft_counters.calls);
	if (fail)
		this_cpu_inc(pv_tlb_soft_counters.failed);
	if (heard) {
		heard->calls++;
		heard->failed |= fail;
	}

	/* Not at once: others may flush in between, before this one is done by IPI. */
	for (i = 0; fail && i < 100; i++)
		cpu_relax();

	return fail;
}

/**
 * pv_tlb_soft_refused - complain of a call that a host would refuse
 * @why: what is wrong with it
 *
 * Context: any.
 */
void pv_tlb_soft_refused(const char *why)
{
	struct pv_tlb_soft_heard *heard = pv_tlb_soft_listening();

	if (heard)
		heard->refused = true;
	atomic_long_inc(&pv_tlb_soft_nr_refused);
	WARN_ONCE(1, "pv_tlb_soft_host: %s\n", why);
}

static void pv_tlb_soft_flush_page(unsigned long addr)
{
	if (addr < TASK_SIZE_MAX)
		flush_tlb_one_user(addr);
	else
		flush_tlb_one_kernel(addr);
}

/* On a CPU that was named; interrupts are off. */
static void pv_tlb_soft_flush_cpu(void *data)
{
	const struct pv_tlb_soft_op *op = data;
	unsigned long page;
	unsigned int i;

	if (op->space && op->space != read_cr3_pa())
		return;

	if (!op->nr_ranges) {
		if (op->global)
			__flush_tlb_all();
		else
			flush_tlb_local();
	}
	for (i = 0; i < op->nr_ranges; i++)
		for (page = 0; page < op->ranges[i].nr_pages; page++)
			pv_tlb_soft_flush_page(op->ranges[i].start +
					       (page << PAGE_SHIFT));
}

/**
 * pv_tlb_soft_flush - carry out what a guest has named
 * @op: that
 *
 * Context: preemption disabled, interrupts enabled.
 */
void pv_tlb_soft_flush(const struct pv_tlb_soft_op *op)
{
	const struct cpumask *cpus = op->cpus ?: cpu_online_mask;
	unsigned long flags;
	unsigned int i;

	pv_tlb_soft_note(op);
	if (!op->nr_ranges)
		this_cpu_inc(pv_tlb_soft_counters.full);
	for (i = 0; i < op->nr_ranges; i++)
		this_cpu_add(pv_tlb_soft_counters.pages,
			     op->ranges[i].nr_pages);

	smp_call_function_many(cpus, pv_tlb_soft_flush_cpu, (void *)op, true);
	if (cpumask_test_cpu(smp_processor_id(), cpus)) {
		local_irq_save(flags);
		pv_tlb_soft_flush_cpu((void *)op);
		local_irq_restore(flags);
	}
}

static int pv_tlb_soft_counters_show(struct seq_file *m, void *unused)
{
	struct pv_tlb_soft_counters sum = {};
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct pv_tlb_soft_counters *c =
			per_cpu_ptr(&pv_tlb_soft_counters, cpu);

		sum.calls += READ_ONCE(c->calls);
		sum.full += READ_ONCE(c->full);
		sum.pages += READ_ONCE(c->pages);
		sum.failed += READ_ONCE(c->failed);
	}
	seq_printf(m, "calls %lu\nfull %lu\npages %lu\nfailed %lu\nrefused %lu\n",
		   sum.calls, sum.full, sum.pages, sum.failed,
		   atomic_long_read(&pv_tlb_soft_nr_refused));

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pv_tlb_soft_counters);

static int __init pv_tlb_soft_debugfs(void)
{
	if (pv_tlb_soft_kind != PV_TLB_SOFT_NONE)
		debugfs_create_file("pv_tlb_soft_host", 0400, NULL, NULL,
				    &pv_tlb_soft_counters_fops);

	return 0;
}
late_initcall(pv_tlb_soft_debugfs);

/* Random numbers that are the same in each run, but for when CPUs come and go. */
static int __init pv_tlb_soft_seed(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		prandom_seed_state(per_cpu_ptr(&pv_tlb_soft_rnd, cpu), cpu + 1);

	return 0;
}
early_initcall(pv_tlb_soft_seed);

static int __init pv_tlb_soft_setup(const char *who, bool ex)
{
	if (IS_ENABLED(CONFIG_XEN_PV) && !strcmp(who, "xen-pv")) {
		pv_tlb_soft_kind = PV_TLB_SOFT_XEN_PV;
		return xen_soft_host_setup();
	}

	if (IS_ENABLED(CONFIG_HYPERV)) {
		pv_tlb_soft_kind = PV_TLB_SOFT_HYPERV;
		return hv_soft_host_setup(who, ex);
	}

	return -ENOENT;
}

static int __init pv_tlb_soft_parse(char *arg)
{
	char *who = strsep(&arg, ",");
	bool ex = false;
	char *option;
	int err;

	while ((option = strsep(&arg, ","))) {
		if (!strcmp(option, "ex"))
			ex = true;
		else if (strncmp(option, "fail=", 5) ||
			 kstrtou32(option + 5, 10, &pv_tlb_soft_fail_every))
			pr_warn("'%s' is no option\n", option);
	}

	/* That of a Xen PV guest, which is never without. */
	if (pv_tlb_backend) {
		pr_warn("not used: there is a backend already\n");
		return 0;
	}

	err = who ? pv_tlb_soft_setup(who, ex) : -EINVAL;
	if (err)
		pr_warn("no host '%s' (%d)\n", who, err);
	/* pvtlb=off, for one, is stronger. */
	if (!pv_tlb_backend)
		pv_tlb_soft_kind = PV_TLB_SOFT_NONE;

	return 0;
}
early_param("pv_tlb_soft_host", pv_tlb_soft_parse);

#include "pv_tlb_soft_test.c"
