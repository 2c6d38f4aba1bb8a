// SPDX-License-Identifier: GPL-2.0
/*
 * A host for tests that flushes TLBs as Xen does for PV guests: one operation after
 * another, each as it is named, and no more.
 *
 * Written from Xen's public/xen.h, with numbers. What Xen would refuse, or pass over
 * without a word, is complained of, and counts as done.
 */
#include <linux/bitmap.h>
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/percpu.h>

#include <xen/interface/xen.h>

#include <asm/page.h>
#include <asm/pv_tlb_soft_host.h>

#include "xen-ops.h"

/* The operations that flush. */
#define XEN_SOFT_FLUSH_LOCAL	6
#define XEN_SOFT_INVLPG_LOCAL	7
#define XEN_SOFT_FLUSH_MULTI	8
#define XEN_SOFT_INVLPG_MULTI	9

static DEFINE_PER_CPU(struct cpumask, xen_soft_cpus);

/* Xen ignores virtual CPUs that are not there, and an empty mask is no error. */
static const char *xen_soft_multi_cpus(struct cpumask *cpus, const void *vcpus)
{
	bitmap_copy(cpumask_bits(cpus), vcpus, nr_cpu_ids);
	if (cpumask_empty(cpus))
		return "no virtual CPU is named";
	if (!cpumask_subset(cpus, cpu_online_mask))
		return "a virtual CPU is named that is not there";

	return NULL;
}

/* Returns what is wrong with the operation, or NULL. */
static const char *xen_soft_op(const struct mmuext_op *op)
{
	struct cpumask *cpus = this_cpu_ptr(&xen_soft_cpus);
	struct pv_tlb_soft_op soft = { .cpus = cpus };
	struct pv_tlb_range range = { .nr_pages = 1 };
	const char *wrong = NULL;

	switch (op->cmd) {
	case XEN_SOFT_FLUSH_LOCAL:
	case XEN_SOFT_INVLPG_LOCAL:
		cpumask_copy(cpus, cpumask_of(smp_processor_id()));
		break;
	case XEN_SOFT_FLUSH_MULTI:
	case XEN_SOFT_INVLPG_MULTI:
		wrong = xen_soft_multi_cpus(cpus, op->arg2.vcpumask);
		break;
	default:
		return "not an operation that flushes";
	}

	if (op->cmd == XEN_SOFT_INVLPG_LOCAL ||
	    op->cmd == XEN_SOFT_INVLPG_MULTI) {
		range.start = op->arg1.linear_addr;
		soft.ranges = &range;
		soft.nr_ranges = 1;
		if (!__is_canonical_address(range.start,
					    __VIRTUAL_MASK_SHIFT + 1))
			wrong = wrong ?: "an address that is not canonical";
	}
	/* A PV guest's kernel has no global translations of its own. */
	soft.global = true;

	if (!wrong)
		pv_tlb_soft_flush(&soft);

	return wrong;
}

/**
 * xen_soft_mmuext_op - what Xen does with operations that flush
 * @ops: the operations
 * @nr: number of @ops
 * @done: how many of them were carried out
 *
 * Context: preemption disabled, interrupts enabled.
 * Return: 0, or a negative errno.
 */
int xen_soft_mmuext_op(const struct mmuext_op *ops, unsigned int nr, int *done)
{
	unsigned int i, end = nr;
	const char *wrong;

	if (pv_tlb_soft_call())
		end = pv_tlb_soft_below(nr);

	for (i = 0; i < end; i++) {
		wrong = xen_soft_op(&ops[i]);
		if (wrong)
			pv_tlb_soft_refused(wrong);
	}
	*done = i;

	/* Short with an error, and short without. */
	return i == nr || i & 1 ? 0 : -EINVAL;
}

/**
 * xen_soft_host_setup - play Xen, and have the backend of PV guests use it
 *
 * Context: early boot.
 * Return: 0.
 */
int __init xen_soft_host_setup(void)
{
	xen_pv_tlb_setup();

	return 0;
}
