/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __X86_MM_PV_TLB_INTERNAL_H
#define __X86_MM_PV_TLB_INTERNAL_H

#include <linux/jump_label.h>
#include <linux/percpu.h>

struct pv_tlb_backend;

/**
 * struct pv_tlb_counters - what a CPU did, while counting is on
 * @hypercalls: flushes by hypercall
 * @entries: list entries sent with them
 * @full: those that flushed everything instead
 * @targets: CPUs that they named
 * @lazy: CPUs left out because they are lazy
 * @not_loaded: CPUs left out because they have another mm loaded
 * @self_only: flushes in which nobody else was left and the caller, if it had to
 *             be flushed, did it by instruction
 */
struct pv_tlb_counters {
	unsigned long	hypercalls;
	unsigned long	entries;
	unsigned long	full;
	unsigned long	targets;
	unsigned long	lazy;
	unsigned long	not_loaded;
	unsigned long	self_only;
};

DECLARE_PER_CPU(struct pv_tlb_counters, pv_tlb_counters);
DECLARE_STATIC_KEY_FALSE(pv_tlb_counting);

/* Flush by hypercall, or natively. Page tables are freed by RCU either way. */
DECLARE_STATIC_KEY_TRUE(pv_tlb_enabled);

extern const struct pv_tlb_backend *pv_tlb_backend;

/**
 * pv_tlb_count_fallback - count a flush that was done by IPI after all
 * @err: why, a negative errno as a backend's flush() returns it, -ENOMEM if
 *       there is no page, or -EPERM in an NMI or after a panic
 *
 * Context: any.
 */
void pv_tlb_count_fallback(int err);

#endif /* __X86_MM_PV_TLB_INTERNAL_H */
