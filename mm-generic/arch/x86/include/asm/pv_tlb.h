/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_X86_PV_TLB_H
#define _ASM_X86_PV_TLB_H

#include <linux/errno.h>
#include <linux/init.h>
#include <linux/types.h>

struct cpumask;
struct flush_tlb_info;

/**
 * enum pv_tlb_kind - whose translations a request is about
 * @PV_TLB_MM: user translations of one address space, that of info->mm
 * @PV_TLB_BATCH: user translations of all address spaces; reclaim unmapped
 *                pages of several of them, info->mm is not to be looked at
 */
enum pv_tlb_kind {
	PV_TLB_MM,
	PV_TLB_BATCH,
};

/**
 * struct pv_tlb_request - one remote flush, as a backend sees it
 * @info: what the caller of flush_tlb_multi() asked for
 * @targets: CPUs to flush; never empty, only online CPUs, never the caller
 * @page: this CPU's page for the hypercall's input: PAGE_SIZE bytes, page
 *        aligned, physically contiguous, contents undefined
 * @start: first address to flush, page aligned; undefined if @full
 * @nr_pages: number of 4K pages from @start, at least 1 and at most the
 *            backend's max_pages; undefined if @full
 * @kind: whose translations
 * @full: flush all user translations and not a range
 */
struct pv_tlb_request {
	const struct flush_tlb_info	*info;
	const struct cpumask		*targets;
	void				*page;
	unsigned long			start;
	unsigned long			nr_pages;
	enum pv_tlb_kind		kind;
	bool				full;
};

/**
 * struct pv_tlb_backend - how one hypervisor flushes remote TLBs
 * @name: for messages
 * @max_pages: a longer range, in 4K pages, becomes a full flush
 * @flush: flush the targets of a request by one hypercall
 *
 * @flush is called with preemption disabled, and with interrupts as the caller
 * of flush_tlb_multi() has them: enabled, so far. It does not sleep, does not
 * allocate and does not fall back to anything else.
 *
 * It returns 0 only if no target can use a stale translation any more and
 * every access made through one is globally visible. Any other return value
 * is a negative errno out of the list below; the core then flushes all
 * targets by IPI, so a backend need not say how far it came.
 *
 * -ENODEV: the hypercall interface is not there at the moment
 * -ERANGE: a target has no virtual processor number that can be expressed
 * -EOPNOTSUPP: the host does not offer the call that would be needed
 * -EIO: the host refused, or completed less than what was asked for
 */
struct pv_tlb_backend {
	const char	*name;
	unsigned long	max_pages;
	int		(*flush)(const struct pv_tlb_request *req);
};

#ifdef CONFIG_PV_TLB
int __init pv_tlb_register(const struct pv_tlb_backend *backend);
#else
static inline int pv_tlb_register(const struct pv_tlb_backend *backend)
{
	return -EOPNOTSUPP;
}
#endif

#endif /* _ASM_X86_PV_TLB_H */
