// SPDX-License-Identifier: GPL-2.0
/*
 * Remote TLB flush by hypercall on Hyper-V, and on hosts that speak its
 * interface: the backend of arch/x86/mm/pv_tlb.c.
 *
 * References are to the Hyper-V Top Level Functional Specification (TLFS),
 * the pages of the four calls HvCallFlushVirtualAddress{Space,List}{,Ex} and
 * chapter 3, "Hypercall Interface". On the guarantee that pv_tlb_backend.flush
 * has to give, the page of HvCallFlushVirtualAddressSpace says that when the
 * call returns, the effects of the flush on all named processors have occurred.
 */
#define pr_fmt(fmt) "Hyper-V: " fmt

#include <linux/bitops.h>
#include <linux/cpufeature.h>
#include <linux/cpumask.h>
#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/mm_types.h>
#include <linux/types.h>

#include <kunit/static_stub.h>

#include <asm/hyperv-tlfs.h>
#include <asm/mshyperv.h>
#include <asm/page.h>
#include <asm/pv_tlb.h>
#include <asm/pv_tlb_soft_host.h>
#include <asm/tlbflush.h>

#define CREATE_TRACE_POINTS
#include <asm/trace/hyperv.h>

/*
 * A GVA range is the first page's address with, in the low 12 bits, the number
 * of further 4K pages (TLFS, "GVA range").
 */
#define HV_GVA_RANGE_SHIFT	12
#define HV_GVA_RANGE_PAGES	BIT(HV_GVA_RANGE_SHIFT)

/*
 * More ranges than this are a full flush. KVM queues 16 entries for a virtual
 * CPU and needs one of them; past that it flushes everything by itself, after
 * having been sent the list. Other hosts give up at 16 or later.
 */
#define HV_GVA_DFL_RANGES	15

/*
 * As many ranges as find room in one page, where the whole input has to be
 * (TLFS, "Hypercall Inputs"). With a set of processors it is less, and
 * hv_encode_ranges() then says so.
 */
#define HV_GVA_MAX_RANGES						\
	((HV_HYP_PAGE_SIZE - sizeof(struct hv_tlb_flush)) / sizeof(u64))

/* Virtual processor numbers that a sparse set of 64 banks can hold. */
#define HV_VPSET_SIZE	(HV_MAX_SPARSE_VCPU_BANKS * HV_VCPUS_PER_SPARSE_BANK)

/*
 * Write @nr_ranges ranges of pages, of two to the power of @shift bytes each,
 * as GVA ranges. A page that is larger than 4K is one: "A GVA that falls within
 * a large page mapping (2MB or 4MB) will cause the entire large page to be
 * flushed" (TLFS, HvCallFlushVirtualAddressList). Counts pages and compares no
 * addresses, so there is no end of the address space to stumble over. Returns
 * the number of GVA ranges, or 0 if there is no room for @room of them.
 */
static unsigned int hv_encode_ranges(u64 *gva, unsigned int room,
				     const struct pv_tlb_range *ranges,
				     unsigned int nr_ranges, unsigned int shift)
{
	unsigned long run = shift == HV_HYP_PAGE_SHIFT ? HV_GVA_RANGE_PAGES : 1;
	unsigned int i, nr = 0;

	for (i = 0; i < nr_ranges; i++) {
		unsigned long start = ranges[i].start;
		unsigned long nr_pages = ranges[i].nr_pages;

		while (nr_pages) {
			unsigned long n = min(nr_pages, run);

			if (nr == room)
				return 0;
			gva[nr++] = start | (n - 1);
			start += n << shift;
			nr_pages -= n;
		}
	}

	return nr;
}

/*
 * Look up the virtual processors of @cpus in @vp_index: *@banks gets a bit for
 * each bank that is needed, *@bank0 the contents of the first. Returns 0, or
 * -ERANGE if a number fits no set; VP_INVAL, a CPU whose number is not known,
 * does not.
 */
static __always_inline int
hv_scan_vps(const struct cpumask *cpus, const u32 *vp_index, u64 *banks,
	    u64 *bank0)
{
	unsigned long bits;
	unsigned int i;

	*banks = 0;
	*bank0 = 0;
	/* By words: for_each_cpu() calls a function for each CPU. */
	for (i = 0; i < BITS_TO_LONGS(nr_cpu_ids); i++) {
		for (bits = cpumask_bits(cpus)[i]; bits; bits &= bits - 1) {
			u32 vp = vp_index[i * BITS_PER_LONG + __ffs(bits)];

			if (pv_tlb_fault(PV_TLB_FAULT_VP))
				vp = VP_INVAL;
			if (unlikely(vp >= HV_VPSET_SIZE))
				return -ERANGE;

			*banks |= BIT_ULL(vp / HV_VCPUS_PER_SPARSE_BANK);
			if (vp < HV_VCPUS_PER_SPARSE_BANK)
				*bank0 |= BIT_ULL(vp);
		}
	}

	return 0;
}

/*
 * Write the contents of the banks that hv_scan_vps() found, one after another
 * with no gap for those that are not there. Returns their number.
 */
static unsigned int hv_encode_banks(u64 *contents, u64 banks,
				    const struct cpumask *cpus,
				    const u32 *vp_index)
{
	unsigned int nr = hweight64(banks);
	int cpu;

	/* What an earlier flush left on the page would be further targets. */
	memset(contents, 0, nr * sizeof(*contents));

	for_each_cpu(cpu, cpus) {
		u32 vp = vp_index[cpu];
		u64 lower = BIT_ULL(vp / HV_VCPUS_PER_SPARSE_BANK) - 1;

		contents[hweight64(banks & lower)] |=
			BIT_ULL(vp % HV_VCPUS_PER_SPARSE_BANK);
	}

	return nr;
}

/*
 * One call names one address space or all. With page table isolation an mm has
 * two roots, and what user mode put into the TLB belongs to the one that
 * mm->pgd does not point to: all, then.
 */
static bool hv_all_spaces(const struct pv_tlb_request *req)
{
	return req->kind != PV_TLB_MM || cpu_feature_enabled(X86_FEATURE_PTI);
}

/*
 * The root's address alone: the PCID, LAM and encryption bits that CR3 may
 * have are no part of it, and a host may refuse them.
 */
static u64 hv_address_space(const struct pv_tlb_request *req)
{
	return hv_all_spaces(req) ? 0 : __pa(req->mm->pgd);
}

/* @nr is the number of GVA ranges, 0 for a flush of everything. */
static u64 hv_flags(const struct pv_tlb_request *req, unsigned int nr)
{
	u64 flags = 0;

	if (hv_all_spaces(req))
		flags |= HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES;
	if (req->kind == PV_TLB_KERNEL)
		flags |= HV_FLUSH_ALL_PROCESSORS;
	/* User translations are not global. Not valid with a list. */
	else if (!nr)
		flags |= HV_FLUSH_NON_GLOBAL_MAPPINGS_ONLY;

	return flags;
}

/* The request's ranges, at @gva on its page; see hv_encode_ranges(). */
static unsigned int hv_encode_list(const struct pv_tlb_request *req, u64 *gva)
{
	unsigned int room = (u64 *)(req->page + HV_HYP_PAGE_SIZE) - gva;

	return hv_encode_ranges(gva, room, req->ranges, req->nr_ranges,
				req->stride_shift);
}

/*
 * A result that says that all was done, although nothing was, is none that a
 * guest could find out about: the call is made then.
 */
static u64 hv_tlb_hypercall(u64 control, void *page, unsigned int nr)
{
	KUNIT_STATIC_STUB_REDIRECT(hv_tlb_hypercall, control, page, nr);

	if (pv_tlb_fault(PV_TLB_FAULT_HYPERCALL)) {
		u64 status = pv_tlb_fault_result();

		if (!hv_result_success(status) ||
		    (nr && hv_repcomp(status) != nr))
			return status;
	}

	if (pv_tlb_soft_host(PV_TLB_SOFT_HYPERV))
		return hv_soft_hypercall(control, page);

	return hv_do_hypercall(control, page, NULL);
}

/* Ask for @nr GVA ranges or, if it is 0, for everything. Returns @nr or -EIO. */
static int hv_flush_call(const struct pv_tlb_request *req, unsigned int nr,
			 u64 full_call, u64 list_call)
{
	u64 control = full_call;
	u64 status;

	if (nr)
		control = list_call | (u64)nr << HV_HYPERCALL_REP_COMP_OFFSET;

	status = hv_tlb_hypercall(control, req->page, nr);

	if (unlikely(!hv_result_success(status)))
		return -EIO;
	/*
	 * A host completes less than everything only with an error, and not
	 * every host can be asked to go on from there: do not try.
	 */
	if (unlikely(nr && hv_repcomp(status) != nr))
		return -EIO;

	return nr;
}

static int hv_flush_mask(const struct pv_tlb_request *req, u64 vp_mask)
{
	struct hv_tlb_flush *in = req->page;
	unsigned int nr = hv_encode_list(req, in->gva_list);

	in->address_space = hv_address_space(req);
	in->flags = hv_flags(req, nr);
	in->processor_mask = vp_mask;

	return hv_flush_call(req, nr, HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE,
			     HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST);
}

static int hv_flush_set(const struct pv_tlb_request *req, const u32 *vp_index,
			u64 banks)
{
	struct hv_tlb_flush_ex *in = req->page;
	u64 *contents = in->hv_vp_set.bank_contents;
	unsigned int nr_banks, nr;
	u64 varhead;

	nr_banks = hv_encode_banks(contents, banks, req->targets, vp_index);
	nr = hv_encode_list(req, contents + nr_banks);
	varhead = (u64)nr_banks << HV_HYPERCALL_VARHEAD_OFFSET;

	in->address_space = hv_address_space(req);
	in->flags = hv_flags(req, nr);
	in->hv_vp_set.format = HV_GENERIC_SET_SPARSE_4K;
	in->hv_vp_set.valid_bank_mask = banks;

	return hv_flush_call(req, nr,
			     HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE_EX | varhead,
			     HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST_EX | varhead);
}

/* @ex: does the host offer the calls that take a set of processors? */
static int hv_flush_vps(const struct pv_tlb_request *req, const u32 *vp_index,
			bool ex)
{
	u64 banks, bank0;
	int err;

	/*
	 * Everybody, and then the mask is ignored: also who came online just now
	 * and whose number is not known yet. The caller is one of them.
	 */
	if (req->kind == PV_TLB_KERNEL)
		return hv_flush_mask(req, 0);

	err = hv_scan_vps(req->targets, vp_index, &banks, &bank0);
	if (unlikely(err))
		return err;

	/* The targets are not empty, so neither is the mask, nor the set. */
	if (banks == BIT_ULL(0))
		return hv_flush_mask(req, bank0);

	if (unlikely(!ex))
		return -EOPNOTSUPP;

	return hv_flush_set(req, vp_index, banks);
}

static int hv_flush_targets(const struct pv_tlb_request *req)
{
	if (pv_tlb_soft_host(PV_TLB_SOFT_HYPERV))
		return hv_flush_vps(req, hv_soft_vp_index(), hv_soft_has_ex());

	/*
	 * Missing if hyperv_init() failed, and then hv_vp_index is as well;
	 * gone from suspend until resume, and for good before a kexec.
	 */
	if (unlikely(!hv_hypercall_pg))
		return -ENODEV;

	return hv_flush_vps(req, hv_vp_index, ms_hyperv.hints &
			    HV_X64_EX_PROCESSOR_MASKS_RECOMMENDED);
}

static int hv_pv_tlb_flush(const struct pv_tlb_request *req)
{
	int ret = hv_flush_targets(req);

	trace_hyperv_mmu_flush_tlb_multi(req->targets, req->info, ret);

	return ret;
}

static const struct pv_tlb_backend hv_pv_tlb_backend = {
	.name		= "hyperv",
	.max_entries	= HV_GVA_MAX_RANGES,
	.dfl_entries	= HV_GVA_DFL_RANGES,
	.entry_shift	= HV_GVA_RANGE_SHIFT,
	.flush		= hv_pv_tlb_flush,
};

/**
 * hv_pv_tlb_setup - flush remote TLBs by hypercall if the host wants it
 *
 * The host's hint is CPUID 0x40000004, EAX bit 2 (TLFS, "Implementation
 * Recommendations"). Without it, IPIs are what the host is better at.
 *
 * An SEV-SNP guest without a paravisor would have to share the input page with
 * the host first. It uses IPIs. (In a TDX guest without one, the hint is
 * cleared before this.)
 *
 * Context: early boot, before pv_ops calls are patched; ms_hyperv is valid.
 */
void __init hv_pv_tlb_setup(void)
{
	if (!(ms_hyperv.hints & HV_X64_REMOTE_TLB_FLUSH_RECOMMENDED) &&
	    !pv_tlb_soft_host(PV_TLB_SOFT_HYPERV))
		return;

	if (hv_isolation_type_snp() && !ms_hyperv.paravisor_present)
		return;

	pv_tlb_register(&hv_pv_tlb_backend);
}

#if IS_ENABLED(CONFIG_PV_TLB_KUNIT_TEST)
#include "pv_tlb_test.c"
#endif
