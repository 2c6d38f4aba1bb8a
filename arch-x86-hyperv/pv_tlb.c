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
#include <linux/build_bug.h>
#include <linux/cpufeature.h>
#include <linux/cpumask.h>
#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/mm_types.h>
#include <linux/types.h>

#include <asm/hyperv-tlfs.h>
#include <asm/mshyperv.h>
#include <asm/page.h>
#include <asm/pv_tlb.h>
#include <asm/tlbflush.h>

#define CREATE_TRACE_POINTS
#include <asm/trace/hyperv.h>

/*
 * A GVA range is the first page's address with, in the low 12 bits, the number
 * of further 4K pages (TLFS, "GVA range").
 */
#define HV_GVA_RANGE_PAGES	BIT(12)

/*
 * More ranges than this are a full flush. KVM queues 16 entries for a virtual
 * CPU and needs one of them; past that it flushes everything by itself, after
 * having been sent the list.
 */
#define HV_GVA_MAX_RANGES	15

/* The input lies within one page (TLFS, "Hypercall Inputs"). */
static_assert(sizeof(struct hv_tlb_flush) +
	      HV_GVA_MAX_RANGES * sizeof(u64) <= HV_HYP_PAGE_SIZE);
static_assert(sizeof(struct hv_tlb_flush_ex) +
	      (HV_MAX_SPARSE_VCPU_BANKS + HV_GVA_MAX_RANGES) * sizeof(u64) <=
	      HV_HYP_PAGE_SIZE);

/* Virtual processor numbers that a sparse set of 64 banks can hold. */
#define HV_VPSET_SIZE	(HV_MAX_SPARSE_VCPU_BANKS * HV_VCPUS_PER_SPARSE_BANK)

/*
 * Write @nr_pages from @start as GVA ranges. Counts pages and compares no
 * addresses, so there is no end of the address space to stumble over. Returns
 * the number of ranges.
 */
static unsigned int hv_encode_ranges(u64 *ranges, unsigned long start,
				     unsigned long nr_pages)
{
	unsigned int nr = 0;

	while (nr_pages) {
		unsigned long n = min(nr_pages, HV_GVA_RANGE_PAGES);

		ranges[nr++] = start | (n - 1);
		start += n << HV_HYP_PAGE_SHIFT;
		nr_pages -= n;
	}

	return nr;
}

/*
 * Look up the virtual processors of @cpus: *@banks gets a bit for each bank
 * that is needed, *@bank0 the contents of the first. Returns 0, or -ERANGE if
 * a number fits no set; VP_INVAL, a CPU whose number is not known, does not.
 */
static int hv_scan_vps(const struct cpumask *cpus, u64 *banks, u64 *bank0)
{
	int cpu;

	*banks = 0;
	*bank0 = 0;
	for_each_cpu(cpu, cpus) {
		u32 vp = hv_vp_index[cpu];

		if (unlikely(vp >= HV_VPSET_SIZE))
			return -ERANGE;

		*banks |= BIT_ULL(vp / HV_VCPUS_PER_SPARSE_BANK);
		if (vp < HV_VCPUS_PER_SPARSE_BANK)
			*bank0 |= BIT_ULL(vp);
	}

	return 0;
}

/*
 * Write the contents of the banks that hv_scan_vps() found, one after another
 * with no gap for those that are not there. Returns their number.
 */
static unsigned int hv_encode_banks(u64 *contents, u64 banks,
				    const struct cpumask *cpus)
{
	unsigned int nr = hweight64(banks);
	int cpu;

	/* What an earlier flush left on the page would be further targets. */
	memset(contents, 0, nr * sizeof(*contents));

	for_each_cpu(cpu, cpus) {
		u32 vp = hv_vp_index[cpu];
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
	return hv_all_spaces(req) ? 0 : __pa(req->info->mm->pgd);
}

static u64 hv_flags(const struct pv_tlb_request *req)
{
	u64 flags = 0;

	if (hv_all_spaces(req))
		flags |= HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES;
	/* User translations are not global. Not valid with a list. */
	if (req->full)
		flags |= HV_FLUSH_NON_GLOBAL_MAPPINGS_ONLY;

	return flags;
}

/*
 * The end of both kinds of call: ask for everything, or write the ranges to
 * where the header of the input ends and ask for those.
 */
static int hv_flush_call(const struct pv_tlb_request *req, u64 full_call,
			 u64 list_call, u64 *ranges)
{
	u64 control = full_call;
	unsigned int nr = 0;
	u64 status;

	if (!req->full) {
		nr = hv_encode_ranges(ranges, req->start, req->nr_pages);
		control = list_call | (u64)nr << HV_HYPERCALL_REP_COMP_OFFSET;
	}

	status = hv_do_hypercall(control, req->page, NULL);

	if (unlikely(!hv_result_success(status)))
		return -EIO;
	/*
	 * A host completes less than everything only with an error, and not
	 * every host can be asked to go on from there: do not try.
	 */
	if (unlikely(!req->full && hv_repcomp(status) != nr))
		return -EIO;

	return 0;
}

static int hv_flush_mask(const struct pv_tlb_request *req, u64 vp_mask)
{
	struct hv_tlb_flush *in = req->page;

	in->address_space = hv_address_space(req);
	in->flags = hv_flags(req);
	in->processor_mask = vp_mask;

	return hv_flush_call(req, HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE,
			     HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST, in->gva_list);
}

static int hv_flush_set(const struct pv_tlb_request *req, u64 banks)
{
	struct hv_tlb_flush_ex *in = req->page;
	u64 *contents = in->hv_vp_set.bank_contents;
	unsigned int nr;
	u64 varhead;

	in->address_space = hv_address_space(req);
	in->flags = hv_flags(req);
	in->hv_vp_set.format = HV_GENERIC_SET_SPARSE_4K;
	in->hv_vp_set.valid_bank_mask = banks;
	nr = hv_encode_banks(contents, banks, req->targets);
	varhead = (u64)nr << HV_HYPERCALL_VARHEAD_OFFSET;

	return hv_flush_call(req,
			     HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE_EX | varhead,
			     HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST_EX | varhead,
			     contents + nr);
}

static int hv_pv_tlb_flush(const struct pv_tlb_request *req)
{
	u64 banks, bank0;
	int err;

	trace_hyperv_mmu_flush_tlb_multi(req->targets, req->info);

	/*
	 * Missing if hyperv_init() failed, and then hv_vp_index is as well;
	 * gone from suspend until resume, and for good before a kexec.
	 */
	if (unlikely(!hv_hypercall_pg))
		return -ENODEV;

	err = hv_scan_vps(req->targets, &banks, &bank0);
	if (unlikely(err))
		return err;

	/* The targets are not empty, so neither is the mask, nor the set. */
	if (banks == BIT_ULL(0))
		return hv_flush_mask(req, bank0);

	if (unlikely(!(ms_hyperv.hints & HV_X64_EX_PROCESSOR_MASKS_RECOMMENDED)))
		return -EOPNOTSUPP;

	return hv_flush_set(req, banks);
}

static const struct pv_tlb_backend hv_pv_tlb_backend = {
	.name		= "Hyper-V",
	.max_pages	= HV_GVA_MAX_RANGES * HV_GVA_RANGE_PAGES,
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
	if (!(ms_hyperv.hints & HV_X64_REMOTE_TLB_FLUSH_RECOMMENDED))
		return;

	if (hv_isolation_type_snp() && !ms_hyperv.paravisor_present)
		return;

	pv_tlb_register(&hv_pv_tlb_backend);
}
