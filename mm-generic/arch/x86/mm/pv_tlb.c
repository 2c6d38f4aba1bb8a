// SPDX-License-Identifier: GPL-2.0
/*
 * Remote TLB flush by hypercall: the part that all hypervisors share.
 *
 * An IPI reaches a virtual CPU only when the host runs it, so a flush by IPI
 * waits for every target that the host has descheduled. A hypercall does not:
 * the host invalidates what is needed before a target runs guest code again.
 *
 * The core decides who has to be flushed and what; a backend puts that into
 * the words of one hypervisor and makes the call. Whatever goes wrong there
 * ends in the native flush, at one place, pv_tlb_fall_back().
 *
 * What a hypercall does not do is interrupt anybody: a target that walks page
 * tables with interrupts disabled is flushed and walks on. So page tables must
 * be freed by RCU wherever a backend is registered; see pv_tlb_register().
 *
 * Documentation/arch/x86/pv_tlb.rst has the rules and where they come from.
 */
#define pr_fmt(fmt) "pv_tlb: " fmt

#include <linux/atomic.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/seq_file.h>
#include <linux/smp.h>
#include <linux/static_call.h>
#include <linux/topology.h>

#include <asm/paravirt.h>
#include <asm/pv_tlb.h>
#include <asm/tlb.h>
#include <asm/tlbflush.h>

#include "mm_internal.h"

/*
 * What a flush needs, allocated before the CPU comes online and kept when it
 * goes, so that the flush path allocates nothing. The owner uses it with
 * preemption disabled. Interrupts may be on: a flush is never started by an
 * interrupt handler, a rule that flush_tlb_info in tlb.c depends on as well
 * and that CONFIG_DEBUG_VM checks there.
 */
struct pv_tlb_cpu {
	cpumask_var_t	targets;
	void		*page;
};

static DEFINE_PER_CPU(struct pv_tlb_cpu, pv_tlb_cpu);

static const struct pv_tlb_backend *pv_tlb_backend __ro_after_init;

/* pv_tlb_backend->flush, without the indirect call. */
DEFINE_STATIC_CALL_NULL(pv_tlb_backend_flush,
			int (const struct pv_tlb_request *));

/* Flushes that were done by IPI after all, by the reason for it. */
static struct {
	int		err;
	const char	*why;
	atomic_long_t	count;
} pv_tlb_fallbacks[] = {
	{ -ENOMEM,	"no_page" },
	{ -ENODEV,	"no_hypercall" },
	{ -ERANGE,	"vp_number" },
	{ -EOPNOTSUPP,	"not_offered" },
	{ -EIO,		"host_error" },
	{ 0,		"other" },
};

static void pv_tlb_fall_back(const struct cpumask *cpus,
			     const struct flush_tlb_info *info, int err)
{
	int i = 0;

	while (pv_tlb_fallbacks[i].err && pv_tlb_fallbacks[i].err != err)
		i++;
	atomic_long_inc(&pv_tlb_fallbacks[i].count);
	pr_warn_once("%s: flush by hypercall not possible (%d), using IPIs\n",
		     pv_tlb_backend->name, err);

	native_flush_tlb_multi(cpus, info);
}

/*
 * Must @cpu be told? If tables were freed or unshared, always: even a lazy CPU
 * may walk them speculatively. Otherwise only if it can use the mm's user
 * translations before its next look at the mm's generation: when it is not
 * lazy, and has the mm loaded or is about to.
 *
 * The generation was incremented before this, by flush_tlb_mm_range() or page
 * by page as a batch was filled, which is a full barrier. It pairs with the one
 * in switch_mm_irqs_off(), between setting the CPU's bit in the mask or clearing
 * is_lazy and reading the generation: a CPU that is skipped here, and then loads
 * the mm or is no longer lazy, sees the new generation and flushes by itself.
 */
static bool pv_tlb_is_target(int cpu, const struct flush_tlb_info *info,
			     enum pv_tlb_kind kind)
{
	struct mm_struct *loaded_mm;

	if (info->freed_tables)
		return true;

	loaded_mm = READ_ONCE(per_cpu(cpu_tlbstate.loaded_mm, cpu));

	/*
	 * Read in the order opposite to that of switch_mm_irqs_off(), which
	 * writes is_lazy first: what is seen of is_lazy belongs to loaded_mm or
	 * to what came after it, as in the native flush, and the answer does not
	 * hang on which barriers the switch has in between.
	 */
	smp_rmb();
	if (READ_ONCE(per_cpu(cpu_tlbstate_shared.is_lazy, cpu)))
		return false;

	return kind == PV_TLB_BATCH || loaded_mm == info->mm ||
	       loaded_mm == LOADED_MM_SWITCHING;
}

/*
 * Put the remote CPUs to flush into @targets; *@self says whether the caller
 * is one more. @cpus changes all the time, so it is looked at only here, and
 * all that follows goes by @targets. Returns whether @targets has any CPU.
 */
static bool pv_tlb_select(struct cpumask *targets, bool *self,
			  const struct cpumask *cpus,
			  const struct flush_tlb_info *info,
			  enum pv_tlb_kind kind)
{
	int cpu, this_cpu = smp_processor_id();
	bool any = false;

	*self = false;
	cpumask_clear(targets);

	/* A batch collects its mask over time: CPUs may have gone since. */
	for_each_cpu_and(cpu, cpus, cpu_online_mask) {
		if (!pv_tlb_is_target(cpu, info, kind))
			continue;
		if (cpu == this_cpu) {
			*self = true;
		} else {
			__cpumask_set_cpu(cpu, targets);
			any = true;
		}
	}

	return any;
}

/*
 * Range or everything? Anything but 4K pages is everything: naming a huge page
 * 4K by 4K costs the host more than a full flush, and one entry for all of it
 * is not known to be enough on every host. So is a range that is empty once
 * its end was rounded up: that wrapped, or the caller did not know either.
 */
static void pv_tlb_set_range(struct pv_tlb_request *req,
			     const struct flush_tlb_info *info)
{
	unsigned long end;

	req->full = true;
	if (info->end == TLB_FLUSH_ALL || info->stride_shift != PAGE_SHIFT)
		return;

	req->start = info->start & PAGE_MASK;
	end = PAGE_ALIGN(info->end);
	if (unlikely(end <= req->start))
		return;

	req->nr_pages = (end - req->start) >> PAGE_SHIFT;
	req->full = req->nr_pages > pv_tlb_backend->max_pages;
}

/*
 * Would flush_tlb_func() flush everything where a range was asked for? It does
 * when flushes of other CPUs came in between. But these named this CPU if it
 * had to be named, and a hypercall leaves the generation behind: the range is
 * all that is missing. Interrupts are off.
 */
static bool pv_tlb_range_is_enough(const struct flush_tlb_info *info)
{
	u16 asid = this_cpu_read(cpu_tlbstate.loaded_mm_asid);
	u64 gen = this_cpu_read(cpu_tlbstate.ctxs[asid].tlb_gen);

	if (info->end == TLB_FLUSH_ALL || info->new_tlb_gen <= gen ||
	    info->mm != this_cpu_read(cpu_tlbstate.loaded_mm) ||
	    this_cpu_read(cpu_tlbstate_shared.is_lazy))
		return false;

	return info->new_tlb_gen != gen + 1 ||
	       info->new_tlb_gen != atomic64_read(&info->mm->context.tlb_gen);
}

/*
 * The caller's own TLB, by instruction. The generation advances, unless that
 * would take a full flush; to leave it behind is safe, and costs a flush when
 * the mm is next switched to, as it does on a CPU that is flushed by hypercall.
 */
static void pv_tlb_flush_self(const struct flush_tlb_info *info)
{
	unsigned long addr, flags;

	/* Never enables what the caller has disabled. */
	local_irq_save(flags);
	if (pv_tlb_range_is_enough(info)) {
		for (addr = info->start; addr < info->end;
		     addr += 1UL << info->stride_shift)
			flush_tlb_one_user(addr);
	} else {
		flush_tlb_func((void *)info);
	}
	local_irq_restore(flags);
}

/*
 * Out of line: a compiler that zeroes the stack would otherwise zero the
 * request in each flush that turns out to be the caller's own business.
 */
static noinline void pv_tlb_flush_targets(struct pv_tlb_cpu *this,
					  const struct flush_tlb_info *info,
					  enum pv_tlb_kind kind)
{
	struct pv_tlb_request req;
	int err;

	req.info = info;
	req.targets = this->targets;
	req.page = this->page;
	req.kind = kind;
	pv_tlb_set_range(&req, info);

	err = static_call(pv_tlb_backend_flush)(&req);
	if (unlikely(err))
		pv_tlb_fall_back(this->targets, info, err);
}

/* pv_ops.mmu.flush_tlb_multi; preemption is disabled. */
static void pv_tlb_flush_multi(const struct cpumask *cpus,
			       const struct flush_tlb_info *info)
{
	struct pv_tlb_cpu *this = this_cpu_ptr(&pv_tlb_cpu);
	enum pv_tlb_kind kind;
	bool remote, self;

	if (unlikely(!this->page)) {
		pv_tlb_fall_back(cpus, info, -ENOMEM);
		return;
	}

	/* Today only arch_tlbbatch_flush() names no mm. */
	kind = info->mm ? PV_TLB_MM : PV_TLB_BATCH;

	remote = pv_tlb_select(this->targets, &self, cpus, info, kind);
	if (self)
		pv_tlb_flush_self(info);
	if (remote)
		pv_tlb_flush_targets(this, info, kind);
}

/**
 * pv_tlb_register - flush remote TLBs through a backend from now on
 * @backend: the backend; must stay as it is for ever
 *
 * From here on page tables are freed by RCU, and this is never undone: a flush
 * by hypercall does not wait for lockless page table walkers, which only keep
 * interrupts disabled. That comes first, so that there is no flush without it.
 *
 * Context: early boot, one CPU online, before pv_ops calls are patched.
 * Return: 0, or -EBUSY if there is a backend already.
 */
int __init pv_tlb_register(const struct pv_tlb_backend *backend)
{
	if (pv_tlb_backend)
		return -EBUSY;

	pv_tlb_backend = backend;
	static_call_update(pv_tlb_backend_flush, backend->flush);
	pv_ops.mmu.tlb_remove_table = tlb_remove_table;
	pv_ops.mmu.flush_tlb_multi = pv_tlb_flush_multi;
	pr_info("%s backend, page tables freed by RCU\n", backend->name);

	return 0;
}

/*
 * Runs before @cpu comes online. Never fails: a CPU that gets no page can do
 * without, its flushes are counted under "no_page".
 */
static int pv_tlb_prepare_cpu(unsigned int cpu)
{
	struct pv_tlb_cpu *pcpu = per_cpu_ptr(&pv_tlb_cpu, cpu);
	struct page *page;

	if (pcpu->page)
		return 0;

	if (!zalloc_cpumask_var_node(&pcpu->targets, GFP_KERNEL,
				     cpu_to_node(cpu)))
		return 0;

	page = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
	if (page)
		pcpu->page = page_address(page);
	else
		free_cpumask_var(pcpu->targets);

	return 0;
}

static int pv_tlb_fallbacks_show(struct seq_file *m, void *unused)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(pv_tlb_fallbacks); i++)
		seq_printf(m, "%s %ld\n", pv_tlb_fallbacks[i].why,
			   atomic_long_read(&pv_tlb_fallbacks[i].count));

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pv_tlb_fallbacks);

/* Secondary CPUs are started after the early initcalls. */
static int __init pv_tlb_prepare(void)
{
	int ret;

	if (!pv_tlb_backend)
		return 0;

	ret = cpuhp_setup_state(CPUHP_BP_PREPARE_DYN, "x86/pv_tlb:prepare",
				pv_tlb_prepare_cpu, NULL);

	return ret < 0 ? ret : 0;
}
early_initcall(pv_tlb_prepare);

static int __init pv_tlb_debugfs(void)
{
	struct dentry *dir;

	if (!pv_tlb_backend)
		return 0;

	dir = debugfs_create_dir("pvtlb", NULL);
	debugfs_create_file("fallbacks", 0400, dir, NULL,
			    &pv_tlb_fallbacks_fops);

	return 0;
}
late_initcall(pv_tlb_debugfs);
