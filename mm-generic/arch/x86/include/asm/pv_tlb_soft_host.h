/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_X86_PV_TLB_SOFT_HOST_H
#define _ASM_X86_PV_TLB_SOFT_HOST_H

#include <linux/cpumask.h>
#include <linux/init.h>
#include <linux/types.h>

#include <asm/tlbbatch.h>

/**
 * struct pv_tlb_soft_op - what a guest has asked its host to flush
 * @cpus: whose TLBs; NULL: of all CPUs, the caller's as well
 * @ranges: 4K pages, each to be flushed by one INVLPG
 * @nr_ranges: number of @ranges; 0 flushes everything
 * @global: global translations as well, if everything is flushed
 * @cut_off: everything is flushed because the host thinks that cheaper
 * @space: physical address of the root that the translations belong to; 0: any
 */
struct pv_tlb_soft_op {
	const struct cpumask		*cpus;
	const struct pv_tlb_range	*ranges;
	unsigned int			nr_ranges;
	bool				global;
	bool				cut_off;
	u64				space;
};

/**
 * enum pv_tlb_soft_kind - whose interface the software host speaks
 * @PV_TLB_SOFT_NONE: there is none
 * @PV_TLB_SOFT_HYPERV: Hyper-V's
 * @PV_TLB_SOFT_XEN_PV: Xen's for PV guests, as far as it flushes
 */
enum pv_tlb_soft_kind {
	PV_TLB_SOFT_NONE,
	PV_TLB_SOFT_HYPERV,
	PV_TLB_SOFT_XEN_PV,
};

#ifdef CONFIG_PV_TLB_SOFT_HOST

extern enum pv_tlb_soft_kind pv_tlb_soft_kind;

/**
 * pv_tlb_soft_host - is the host, as far as TLBs go, a part of this kernel?
 * @kind: whose interface it would have to speak
 *
 * Context: any. Constant once early parameters were parsed.
 */
static inline bool pv_tlb_soft_host(enum pv_tlb_soft_kind kind)
{
	return unlikely(READ_ONCE(pv_tlb_soft_kind) == kind);
}

void pv_tlb_soft_flush(const struct pv_tlb_soft_op *op);
bool pv_tlb_soft_call(void);
u32 pv_tlb_soft_below(u32 end);
void pv_tlb_soft_refused(const char *why);

#else

static inline bool pv_tlb_soft_host(enum pv_tlb_soft_kind kind)
{
	return false;
}

#endif /* CONFIG_PV_TLB_SOFT_HOST */

/* What is called only where pv_tlb_soft_host() says so. */
u64 hv_soft_hypercall(u64 control, const void *page);
const u32 *hv_soft_vp_index(void);
bool hv_soft_has_ex(void);
int __init hv_soft_host_setup(const char *who, bool ex);

struct mmuext_op;
int xen_soft_mmuext_op(const struct mmuext_op *ops, unsigned int nr, int *done);
int __init xen_soft_host_setup(void);

#endif /* _ASM_X86_PV_TLB_SOFT_HOST_H */
