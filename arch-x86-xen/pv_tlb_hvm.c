// SPDX-License-Identifier: GPL-2.0
/*
 * Remote TLB flush of Xen HVM and PVH guests by hypercall: a backend of
 * arch/x86/mm/pv_tlb.c.
 *
 * HVMOP_flush_tlbs flushes all translations of all virtual CPUs of the domain,
 * the caller's included; it takes neither CPUs nor addresses. Xen makes each of
 * them flush before it next enters the guest, and interrupts the physical CPUs on
 * which they run and waits until they have left guest mode
 * (xen/arch/x86/mm/hap/hap.c, flush_tlb()). So when the call returns, no virtual
 * CPU can use an old translation, and no access is under way that does.
 *
 * It is one hypercall whatever the number of targets, where an IPI is one
 * hypercall, an event channel and an interrupt for each of them. A virtual CPU
 * that is not running costs nothing.
 */
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/types.h>

#include <xen/interface/hvm/hvm_op.h>
#include <xen/interface/version.h>

#include <asm/pv_tlb.h>
#include <asm/tlbflush.h>
#include <asm/xen/hypercall.h>

#include <trace/events/xen.h>

#include "xen-ops.h"

/*
 * Until 4.14 Xen stopped all virtual CPUs for the call, as it still does for those
 * with shadow page tables.
 */
#define XEN_HVM_MIN_VERSION	(4 << 16 | 14)

static int xen_hvm_flush_all(void)
{
	if (pv_tlb_fault(PV_TLB_FAULT_HYPERCALL))
		return -EIO;

	return HYPERVISOR_hvm_op(HVMOP_flush_tlbs, NULL) ? -EIO : 0;
}

static int xen_hvm_tlb_flush(const struct pv_tlb_request *req)
{
	int ret = xen_hvm_flush_all();

	trace_xen_mmu_flush_tlb_multi(req->targets, req->info->mm,
				      req->info->start, req->info->end, ret);

	return ret;
}

static const struct pv_tlb_backend xen_hvm_tlb_backend = {
	.name	= "xen-hvm",
	.caller	= PV_TLB_CALLER_IMPLIED,
	.flush	= xen_hvm_tlb_flush,
};

/**
 * xen_hvm_tlb_setup - flush remote TLBs of an HVM or PVH guest by hypercall
 * @shadow: the domain has shadow page tables
 *
 * Xen stops all virtual CPUs for the call if the domain has shadow page tables:
 * IPIs are better then. The hypercall is tried once. Where it is not known, as in
 * QEMU's emulation of Xen, the guest uses IPIs and nothing else changes. An answer
 * that is a lie cannot be told from a flush: there is pvtlb=off for that.
 *
 * Context: early boot, one CPU online, after early parameters were parsed and
 * before pv_ops calls are patched; hypercalls work.
 */
void __init xen_hvm_tlb_setup(bool shadow)
{
	if (shadow ||
	    HYPERVISOR_xen_version(XENVER_version, NULL) < XEN_HVM_MIN_VERSION ||
	    HYPERVISOR_hvm_op(HVMOP_flush_tlbs, NULL))
		return;

	pv_tlb_register(&xen_hvm_tlb_backend);
}
