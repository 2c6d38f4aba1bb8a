// SPDX-License-Identifier: GPL-2.0
/*
 * Remote TLB flush of Xen PV guests by hypercall: a backend of
 * arch/x86/mm/pv_tlb.c.
 *
 * HYPERVISOR_mmuext_op takes an array of operations. Of those that flush, the
 * ones named _MULTI take a bitmap of virtual CPUs (Xen's public/xen.h), and the
 * caller may be one of them. Xen runs one operation after another. For each it
 * looks up on which physical CPUs state of these virtual CPUs is loaded, makes
 * these CPUs flush, by an interrupt of its own, and waits for all of them
 * (xen/arch/x86/mm.c, do_mmuext_op(); xen/arch/x86/smp.c, flush_area_mask()). A
 * virtual CPU that is loaded nowhere has no translations: Xen flushes when it
 * loads the next one. So when the call returns, no target has an old translation
 * left, and none is in the middle of an access that uses one.
 *
 * Page table updates are hypercalls too, and Linux queues them. A flush that
 * overtakes a queued update flushes too early: the queue goes first.
 *
 * Since XSA-286 Xen itself flushes the CPUs of the domain when an entry of an
 * upper page table level is changed, for its own safety, and not all versions
 * do. That is neither relied on nor can be avoided here; see
 * Documentation/arch/x86/pv_tlb.rst.
 */
#include <linux/bitmap.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/smp.h>
#include <linux/types.h>

#include <kunit/static_stub.h>

#include <xen/interface/xen.h>

#include <asm/page.h>
#include <asm/pv_tlb.h>
#include <asm/pv_tlb_soft_host.h>
#include <asm/tlbflush.h>
#include <asm/xen/hypercall.h>

#include <trace/events/xen.h>

#include "xen-ops.h"

/*
 * Virtual CPUs that Xen can give a PV guest (MAX_VIRT_CPUS). Xen reads the
 * bitmap in words up to the last virtual CPU that the domain could have, which
 * may be more than this kernel knows.
 */
#define XEN_PV_MAX_VCPUS	8192

/* Operations that find room beside the bitmap. */
#define XEN_PV_MAX_OPS		120

/*
 * More pages than this are a full flush, if other CPUs are targets: each page is
 * one operation, and each operation one round of interrupts in Xen.
 */
#define XEN_PV_DFL_OPS		1

/*
 * The same if the caller is the only target, and there are no interrupts. Measured
 * in instructions of Xen and Linux: 4 operations are cheaper than a full flush, 16
 * are dearer, and the lines cross at about 7.
 */
#define XEN_PV_DFL_CALLER_OPS	6

/**
 * struct xen_pv_flush - what a CPU's page for the hypercall holds
 * @vcpus: the targets; what is beyond this kernel's CPUs was zero at first and
 *         stays so
 * @ops: the operations
 * @done: how many of them Xen has done
 */
struct xen_pv_flush {
	DECLARE_BITMAP(vcpus, XEN_PV_MAX_VCPUS);
	struct mmuext_op	ops[XEN_PV_MAX_OPS];
	int			done;
};

static_assert(sizeof(struct xen_pv_flush) <= PAGE_SIZE);
static_assert(sizeof(cpumask_t) <= sizeof_field(struct xen_pv_flush, vcpus));

/*
 * Write the operations for @ranges: @one_page for each page, or @everything if
 * there are no ranges, or no room for @room of them. Returns their number; only
 * those for pages have a linear address. Any that Xen has reserved it would skip
 * without an error: none of user space, which the core sees to, nor of what the
 * kernel maps.
 */
static unsigned int xen_encode_ops(struct mmuext_op *ops, unsigned int room,
				   const struct pv_tlb_range *ranges,
				   unsigned int nr_ranges, unsigned int one_page,
				   unsigned int everything, void *vcpus)
{
	unsigned int i, nr = 0;
	unsigned long page;

	for (i = 0; i < nr_ranges; i++) {
		if (ranges[i].nr_pages > room - nr) {
			nr = 0;
			break;
		}
		for (page = 0; page < ranges[i].nr_pages; page++) {
			ops[nr].cmd = one_page;
			ops[nr].arg1.linear_addr = ranges[i].start +
						   (page << PAGE_SHIFT);
			ops[nr].arg2.vcpumask = vcpus;
			nr++;
		}
	}

	if (!nr) {
		ops[0].cmd = everything;
		ops[0].arg2.vcpumask = vcpus;
		nr = 1;
	}

	return nr;
}

/*
 * Make the call, after all updates that are queued: together with them if there
 * are any, and in lazy MMU mode too, where the queue would otherwise wait. The
 * queue belongs to interrupt handlers as well, so interrupts stay off from the
 * look at it to the call. Returns a negative errno, or 0.
 */
static int xen_flush_hypercall(struct xen_pv_flush *flush, unsigned int nr)
{
	struct multicall_space mcs;
	unsigned long flags;
	int ret;

	KUNIT_STATIC_STUB_REDIRECT(xen_flush_hypercall, flush, nr);

	if (pv_tlb_soft_host(PV_TLB_SOFT_XEN_PV))
		return xen_soft_mmuext_op(flush->ops, nr, &flush->done);

	local_irq_save(flags);
	if (xen_mc_pending()) {
		mcs = __xen_mc_entry(0);
		MULTI_mmuext_op(mcs.mc, flush->ops, nr, &flush->done,
				DOMID_SELF);
		xen_mc_flush();
		ret = mcs.mc->result;
	} else {
		ret = HYPERVISOR_mmuext_op(flush->ops, nr, &flush->done,
					   DOMID_SELF);
	}
	local_irq_restore(flags);

	return ret;
}

/* An injected result is in the format of Hyper-V: here, any is an error. */
static int xen_flush_call(struct xen_pv_flush *flush, unsigned int nr)
{
	flush->done = 0;
	if (pv_tlb_fault(PV_TLB_FAULT_HYPERCALL))
		return -EIO;
	if (unlikely(xen_flush_hypercall(flush, nr) < 0))
		return -EIO;
	/* What Xen did not get to was not flushed. */
	if (unlikely(flush->done != nr))
		return -EIO;

	return 0;
}

/*
 * The number of a PV guest's virtual CPU is its CPU number, so the mask needs no
 * translation. With no target but the caller there is none, nor an interrupt.
 */
static int xen_flush_targets(const struct pv_tlb_request *req)
{
	struct xen_pv_flush *flush = req->page;
	unsigned int nr_ranges = req->nr_ranges;
	unsigned int nr, one_page, everything;
	int err;

	one_page = MMUEXT_INVLPG_LOCAL;
	everything = MMUEXT_TLB_FLUSH_LOCAL;
	if (req->remote) {
		one_page = MMUEXT_INVLPG_MULTI;
		everything = MMUEXT_TLB_FLUSH_MULTI;
		bitmap_copy(flush->vcpus, cpumask_bits(req->targets),
			    nr_cpu_ids);
	}
	/* A PV guest has no larger pages. */
	if (req->stride_shift != PAGE_SHIFT)
		nr_ranges = 0;

	nr = xen_encode_ops(flush->ops, XEN_PV_MAX_OPS, req->ranges, nr_ranges,
			    one_page, everything, flush->vcpus);
	err = xen_flush_call(flush, nr);
	if (unlikely(err))
		return err;

	return flush->ops[0].cmd == everything ? 0 : nr;
}

static int xen_pv_tlb_flush(const struct pv_tlb_request *req)
{
	int ret = xen_flush_targets(req);

	trace_xen_mmu_flush_tlb_multi(req->targets, req->info->mm,
				      req->info->start, req->info->end, ret);

	return ret;
}

static const struct pv_tlb_backend xen_pv_tlb_backend = {
	.name			= "xen-pv",
	.max_entries		= XEN_PV_MAX_OPS,
	.dfl_entries		= XEN_PV_DFL_OPS,
	.dfl_caller_entries	= XEN_PV_DFL_CALLER_OPS,
	.caller			= PV_TLB_CALLER_TARGET,
	.flush			= xen_pv_tlb_flush,
};

/**
 * xen_pv_tlb_setup - flush remote TLBs of a PV guest by hypercall
 *
 * Every Xen has these operations, and each is better than the event channel
 * notification that an IPI is here.
 *
 * Context: early boot, one CPU online, after early parameters were parsed and
 * before pv_ops calls are patched.
 */
void __init xen_pv_tlb_setup(void)
{
	pv_tlb_register(&xen_pv_tlb_backend);
}

#if IS_ENABLED(CONFIG_PV_TLB_KUNIT_TEST)
#include "pv_tlb_test.c"
#endif
