// SPDX-License-Identifier: GPL-2.0
/*
 * Remote TLB flush by hypercall: the files in debugfs, pvtlb/, that show what
 * pv_tlb.c does, switch it off and on, and make it go wrong.
 */
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/fault-inject.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/stddef.h>

#include <asm/pv_tlb.h>

#include "pv_tlb_internal.h"

/* The last one is for all that has no line of its own. */
static const struct {
	int		err;
	const char	*why;
} pv_tlb_reasons[] = {
	{ -EPERM,	"context" },
	{ -ENOMEM,	"no_page" },
	{ -ENODEV,	"no_hypercall" },
	{ -ERANGE,	"vp_number" },
	{ -EOPNOTSUPP,	"not_offered" },
	{ -EIO,		"host_error" },
	{ 0,		"other" },
};

static DEFINE_PER_CPU(unsigned long [ARRAY_SIZE(pv_tlb_reasons)],
		      pv_tlb_fallbacks);

void pv_tlb_count_fallback(int err)
{
	int i = 0;

	while (pv_tlb_reasons[i].err && pv_tlb_reasons[i].err != err)
		i++;
	this_cpu_inc(pv_tlb_fallbacks[i]);
}

static unsigned long pv_tlb_fallbacks_of(int cpu, int reason)
{
	return READ_ONCE(per_cpu(pv_tlb_fallbacks, cpu)[reason]);
}

static int pv_tlb_fallbacks_show(struct seq_file *m, void *unused)
{
	int cpu, i;

	for (i = 0; i < ARRAY_SIZE(pv_tlb_reasons); i++) {
		unsigned long sum = 0;

		for_each_possible_cpu(cpu)
			sum += pv_tlb_fallbacks_of(cpu, i);
		seq_printf(m, "%s %lu\n", pv_tlb_reasons[i].why, sum);
	}

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pv_tlb_fallbacks);

static const struct {
	const char	*name;
	size_t		offset;
} pv_tlb_columns[] = {
	{ "hypercalls",	offsetof(struct pv_tlb_counters, hypercalls) },
	{ "entries",	offsetof(struct pv_tlb_counters, entries) },
	{ "full",	offsetof(struct pv_tlb_counters, full) },
	{ "targets",	offsetof(struct pv_tlb_counters, targets) },
	{ "lazy",	offsetof(struct pv_tlb_counters, lazy) },
	{ "not_loaded",	offsetof(struct pv_tlb_counters, not_loaded) },
	{ "self_only",	offsetof(struct pv_tlb_counters, self_only) },
};

static int pv_tlb_counters_show(struct seq_file *m, void *unused)
{
	int cpu, i;

	seq_puts(m, "cpu");
	for (i = 0; i < ARRAY_SIZE(pv_tlb_columns); i++)
		seq_printf(m, " %s", pv_tlb_columns[i].name);
	for (i = 0; i < ARRAY_SIZE(pv_tlb_reasons); i++)
		seq_printf(m, " fallback_%s", pv_tlb_reasons[i].why);
	seq_putc(m, '\n');

	for_each_possible_cpu(cpu) {
		void *counters = per_cpu_ptr(&pv_tlb_counters, cpu);

		seq_printf(m, "%d", cpu);
		for (i = 0; i < ARRAY_SIZE(pv_tlb_columns); i++) {
			unsigned long *n = counters + pv_tlb_columns[i].offset;

			seq_printf(m, " %lu", READ_ONCE(*n));
		}
		for (i = 0; i < ARRAY_SIZE(pv_tlb_reasons); i++)
			seq_printf(m, " %lu", pv_tlb_fallbacks_of(cpu, i));
		seq_putc(m, '\n');
	}

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pv_tlb_counters);

static int pv_tlb_key_get(void *key, u64 *val)
{
	*val = static_key_enabled((struct static_key *)key);
	return 0;
}

static int pv_tlb_key_set(void *key, u64 val)
{
	if (val > 1)
		return -EINVAL;
	if (val)
		static_key_enable(key);
	else
		static_key_disable(key);

	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(pv_tlb_key_fops, pv_tlb_key_get, pv_tlb_key_set,
			 "%llu\n");

#ifdef CONFIG_FAULT_INJECTION_DEBUG_FS

bool pv_tlb_inject;

static struct {
	const char		*name;
	struct fault_attr	attr;
} pv_tlb_faults[PV_TLB_NR_FAULTS] = {
	[PV_TLB_FAULT_PAGE]	 = { "fail_page", FAULT_ATTR_INITIALIZER },
	[PV_TLB_FAULT_VP]	 = { "fail_vp", FAULT_ATTR_INITIALIZER },
	[PV_TLB_FAULT_HYPERCALL] = { "fail_hypercall", FAULT_ATTR_INITIALIZER },
};

static u64 pv_tlb_result;

bool __pv_tlb_fault(enum pv_tlb_fault fault)
{
	return should_fail(&pv_tlb_faults[fault].attr, 1);
}

/**
 * pv_tlb_fault_result - what a hypercall that is not made returns
 *
 * Context: any.
 * Return: the number in fail_hypercall/result, in the host's format.
 */
u64 pv_tlb_fault_result(void)
{
	return READ_ONCE(pv_tlb_result);
}

static void __init pv_tlb_debugfs_faults(struct dentry *dir)
{
	struct dentry *sub;
	int i;

	debugfs_create_bool("inject", 0600, dir, &pv_tlb_inject);
	for (i = 0; i < PV_TLB_NR_FAULTS; i++) {
		sub = fault_create_debugfs_attr(pv_tlb_faults[i].name, dir,
						&pv_tlb_faults[i].attr);
		if (i == PV_TLB_FAULT_HYPERCALL && !IS_ERR(sub))
			debugfs_create_x64("result", 0600, sub, &pv_tlb_result);
	}
}

#else

static void __init pv_tlb_debugfs_faults(struct dentry *dir)
{
}

#endif /* CONFIG_FAULT_INJECTION_DEBUG_FS */

static int __init pv_tlb_debugfs(void)
{
	struct dentry *dir;

	if (!pv_tlb_backend)
		return 0;

	dir = debugfs_create_dir("pvtlb", NULL);
	debugfs_create_file("enabled", 0600, dir, &pv_tlb_enabled.key,
			    &pv_tlb_key_fops);
	debugfs_create_file("counting", 0600, dir, &pv_tlb_counting.key,
			    &pv_tlb_key_fops);
	debugfs_create_file("counters", 0400, dir, NULL,
			    &pv_tlb_counters_fops);
	debugfs_create_file("fallbacks", 0400, dir, NULL,
			    &pv_tlb_fallbacks_fops);
	pv_tlb_debugfs_faults(dir);

	return 0;
}
late_initcall(pv_tlb_debugfs);
