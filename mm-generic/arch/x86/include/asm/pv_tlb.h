/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_X86_PV_TLB_H
#define _ASM_X86_PV_TLB_H

#include <linux/errno.h>
#include <linux/init.h>
#include <linux/types.h>

#include <asm/tlbbatch.h>

struct cpumask;
struct flush_tlb_info;
struct mm_struct;

/**
 * enum pv_tlb_kind - whose translations a request is about
 * @PV_TLB_MM: user translations of one address space, that of req->mm
 * @PV_TLB_BATCH: user translations of pages that reclaim unmapped. req->mm is
 *                an identity to compare with: the mm may be gone, and is never
 *                looked into. NULL if there were several
 * @PV_TLB_KERNEL: translations of the kernel's half, global ones as well. req->mm
 *                 is NULL
 */
enum pv_tlb_kind {
	PV_TLB_MM,
	PV_TLB_BATCH,
	PV_TLB_KERNEL,
};

/**
 * enum pv_tlb_caller - who flushes the calling CPU, if it has to be flushed
 * @PV_TLB_CALLER_NATIVE: the core, by instruction
 * @PV_TLB_CALLER_IMPLIED: each hypercall flushes all of the caller as well, asked
 *                         to or not; without a hypercall the core does it, by
 *                         instruction
 * @PV_TLB_CALLER_TARGET: the backend, as one of the targets and maybe the only
 *                        one, since here the instruction is a hypercall as well
 */
enum pv_tlb_caller {
	PV_TLB_CALLER_NATIVE,
	PV_TLB_CALLER_IMPLIED,
	PV_TLB_CALLER_TARGET,
};

/**
 * struct pv_tlb_request - one remote flush, as a backend sees it
 * @info: what the caller of flush_tlb_multi() asked for
 * @targets: CPUs to flush; never empty, only online CPUs. The caller is one of
 *           them only if the backend says PV_TLB_CALLER_TARGET
 * @page: this CPU's page for the hypercall's input: PAGE_SIZE bytes, page
 *        aligned, physically contiguous; zeroes at first, then what the backend
 *        left there
 * @mm: whose translations; see enum pv_tlb_kind
 * @ranges: pages to flush, all in user space or all in the kernel's half
 * @nr_ranges: number of @ranges; 0 flushes all user translations or, if it is about
 *             the kernel's half, all there are
 * @stride_shift: size of the pages in @ranges, as a power of two
 * @kind: whose translations
 * @remote: there is a target other than the caller
 */
struct pv_tlb_request {
	const struct flush_tlb_info	*info;
	const struct cpumask		*targets;
	void				*page;
	const struct mm_struct		*mm;
	const struct pv_tlb_range	*ranges;
	unsigned int			nr_ranges;
	unsigned int			stride_shift;
	enum pv_tlb_kind		kind;
	bool				remote;
};

/**
 * struct pv_tlb_backend - how one hypervisor flushes remote TLBs
 * @name: what pvtlb= on the kernel command line calls it
 * @max_entries: entries of a list that the input has room for at best
 * @dfl_entries: more than this is a full flush of other CPUs, unless the user says
 *               otherwise; at most @max_entries
 * @dfl_caller_entries: the same for a list that only the caller is a target of,
 *                      with PV_TLB_CALLER_TARGET
 * @dfl_min_targets: for fewer targets than this, the caller not counted, IPIs are
 *                   cheaper, unless the user says otherwise; 0: they never are
 * @entry_shift: one entry can name two to the power of this 4K pages in a row;
 *               it names one page of another size
 * @caller: who flushes the calling CPU
 * @flush: flush the targets of a request by one hypercall
 *
 * @flush is called with preemption disabled, and with interrupts as the caller
 * of flush_tlb_multi() has them: enabled, so far. A call never starts in NMI
 * context or after a panic began. It does not sleep, does not allocate and
 * does not fall back to anything else, but it may flush more than it was asked
 * for. It returns the number of list entries that it sent, 0 for a full flush,
 * and only if no target can use a stale translation any more and every access
 * made through one is globally visible.
 *
 * Any other return value is a negative errno out of the list below; the core
 * then flushes all targets by IPI, so a backend need not say how far it came.
 *
 * -ENODEV: the hypercall interface is not there at the moment
 * -ERANGE: a target has no virtual processor number that can be expressed
 * -EOPNOTSUPP: the host does not offer the call that would be needed
 * -EIO: the host refused, or completed less than what was asked for
 */
struct pv_tlb_backend {
	const char	*name;
	unsigned int	max_entries;
	unsigned int	dfl_entries;
	unsigned int	dfl_caller_entries;
	unsigned int	dfl_min_targets;
	unsigned int	entry_shift;
	enum pv_tlb_caller caller;
	int		(*flush)(const struct pv_tlb_request *req);
};

#ifdef CONFIG_PV_TLB

int __init pv_tlb_register(const struct pv_tlb_backend *backend);
bool pv_tlb_flush_kernel(const struct flush_tlb_info *info,
			 void (*local)(void *));

#else

static inline int pv_tlb_register(const struct pv_tlb_backend *backend)
{
	return -EOPNOTSUPP;
}

static inline bool pv_tlb_flush_kernel(const struct flush_tlb_info *info,
				       void (*local)(void *))
{
	return false;
}

#endif /* CONFIG_PV_TLB */

/**
 * enum pv_tlb_fault - what fault injection can make go wrong
 * @PV_TLB_FAULT_PAGE: the CPU has no page for the input
 * @PV_TLB_FAULT_VP: the number of a target's virtual processor is not known
 * @PV_TLB_FAULT_HYPERCALL: the hypercall is not made; its result is what
 *                          pv_tlb_fault_result() says
 * @PV_TLB_NR_FAULTS: how many there are
 */
enum pv_tlb_fault {
	PV_TLB_FAULT_PAGE,
	PV_TLB_FAULT_VP,
	PV_TLB_FAULT_HYPERCALL,
	PV_TLB_NR_FAULTS,
};

#if defined(CONFIG_PV_TLB) && defined(CONFIG_FAULT_INJECTION_DEBUG_FS)

extern bool pv_tlb_inject;

bool __pv_tlb_fault(enum pv_tlb_fault fault);
u64 pv_tlb_fault_result(void);

/**
 * pv_tlb_fault - is this to go wrong now?
 * @fault: what could
 *
 * Context: any.
 * Return: true if the caller has to behave as if it had gone wrong.
 */
static inline bool pv_tlb_fault(enum pv_tlb_fault fault)
{
	return unlikely(READ_ONCE(pv_tlb_inject)) && __pv_tlb_fault(fault);
}

#else

static inline bool pv_tlb_fault(enum pv_tlb_fault fault)
{
	return false;
}

static inline u64 pv_tlb_fault_result(void)
{
	return 0;
}

#endif

#endif /* _ASM_X86_PV_TLB_H */
