// SPDX-License-Identifier: GPL-2.0
/*
 * A host for tests that speaks Hyper-V's interface as far as it flushes TLBs: takes
 * the input apart, strictly, and does what it names and no more.
 *
 * What is wrong it refuses as the host would that it plays, and complains, since a
 * guest that is refused flushes by IPI and nobody notices.
 */
#include <linux/align.h>
#include <linux/cpumask.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/percpu.h>
#include <linux/string.h>

#include <asm/mshyperv.h>
#include <asm/page.h>
#include <asm/pv_tlb_soft_host.h>

#include "pv_tlb_decode.h"

/* TLFS, "Hypercall Status Codes" */
#define HV_SOFT_INVALID_ALIGNMENT	4
#define HV_SOFT_INVALID_PARAMETER	5

#define HV_SOFT_VPS			(64 * HV_TLB_BANKS)

/**
 * struct hv_soft_who - how hosts differ
 * @name: what it is called on the command line
 * @max_ranges: a longer list is a flush of everything
 * @max_more: and so is a list with a range of more further pages than this
 * @by_space: flushes only processors that have the address space loaded. For the
 *            others, without PCID, loading it flushes it
 * @base_nobody: of a base call with no processors makes one for all of them
 * @ex_nobody: of an Ex call with no processors makes nothing, without an error
 */
struct hv_soft_who {
	const char	*name;
	unsigned int	max_ranges;
	unsigned int	max_more;
	bool		by_space;
	bool		base_nobody;
	bool		ex_nobody;
};

static const struct hv_soft_who hv_soft_hosts[] = {
	{ "hyperv",	HV_TLB_WORDS,	4095,	true,	false,	false },
	{ "kvm",	15,		4095,	false,	true,	true },
	{ "openhcl",	16,		16,	false,	false,	false },
};

static const struct hv_soft_who *hv_soft __ro_after_init;
static bool hv_soft_ex __ro_after_init;
static u32 hv_soft_vps[NR_CPUS] __ro_after_init;

/* What a call works with; the caller has preemption disabled. */
struct hv_soft_call {
	struct hv_tlb_heard	heard;
	struct pv_tlb_range	ranges[HV_TLB_WORDS];
	struct cpumask		cpus;
};

static DEFINE_PER_CPU(struct hv_soft_call, hv_soft_call);

/**
 * hv_soft_vp_index - the virtual processor numbers of the CPUs
 *
 * Context: any; the software host is one of Hyper-V.
 * Return: an array of them.
 */
const u32 *hv_soft_vp_index(void)
{
	return hv_soft_vps;
}

/**
 * hv_soft_has_ex - does the host offer the calls that take a set of processors?
 *
 * Context: any.
 */
bool hv_soft_has_ex(void)
{
	return hv_soft_ex;
}

/* Returns false if a processor is named that is not there. */
static bool hv_soft_cpus(struct hv_soft_call *call)
{
	unsigned int bank, cpu, named = 0;

	cpumask_clear(&call->cpus);
	for_each_online_cpu(cpu) {
		u32 vp = hv_soft_vps[cpu];

		if (vp < HV_SOFT_VPS &&
		    call->heard.vps[vp / 64] & BIT_ULL(vp % 64))
			__cpumask_set_cpu(cpu, &call->cpus);
	}
	for (bank = 0; bank < HV_TLB_BANKS; bank++)
		named += hweight64(call->heard.vps[bank]);

	return named == cpumask_weight(&call->cpus);
}

/* What is not canonical, Hyper-V ignores, and Linux as a host complains of. */
static bool hv_soft_canonical(const struct hv_tlb_heard *heard)
{
	unsigned int i, bits = __VIRTUAL_MASK_SHIFT + 1;

	for (i = 0; i < heard->reps; i++)
		if (!__is_canonical_address(heard->runs[i].first << 12, bits) ||
		    !__is_canonical_address(heard->runs[i].last << 12, bits))
			return false;

	return true;
}

/* Is the list one that the host carries out entry by entry? */
static bool hv_soft_takes_list(const struct hv_tlb_heard *heard)
{
	unsigned int i;

	if (!heard->reps || heard->reps > hv_soft->max_ranges)
		return false;

	for (i = 0; i < heard->reps; i++)
		if (heard->runs[i].last - heard->runs[i].first >
		    hv_soft->max_more)
			return false;

	return true;
}

/* Carry out the first @reps ranges, or everything. */
static void hv_soft_flush(struct hv_soft_call *call, unsigned int reps)
{
	const struct hv_tlb_heard *heard = &call->heard;
	struct pv_tlb_soft_op op = {
		.cpus	= heard->all_processors ? NULL : &call->cpus,
		.ranges	= call->ranges,
		.global	= !heard->spare_global,
	};
	unsigned int i;

	if (hv_soft_takes_list(heard))
		op.nr_ranges = reps;
	else
		op.cut_off = reps;
	if (hv_soft->by_space && !heard->all_spaces)
		op.space = heard->space;

	for (i = 0; i < op.nr_ranges; i++) {
		call->ranges[i].start = heard->runs[i].first << 12;
		call->ranges[i].nr_pages = heard->runs[i].last -
					   heard->runs[i].first + 1;
	}

	pv_tlb_soft_flush(&op);
}

/* Statuses that the TLFS lists for these calls, and some that it does not. */
static const u16 hv_soft_errors[] = { 2, 3, 4, 5, 6, 11, 14, 0x0d, 0x33, 0x78 };

/* A call that fails: a list after some of it, as a host may that ran out of time. */
static u64 hv_soft_failure(struct hv_soft_call *call)
{
	u32 n = pv_tlb_soft_below(ARRAY_SIZE(hv_soft_errors));
	u64 reps = 0;

	if (call->heard.reps) {
		reps = pv_tlb_soft_below(call->heard.reps);
		if (reps)
			hv_soft_flush(call, reps);
	}

	return hv_soft_errors[n] | reps << 32;
}

static u64 hv_soft_refuse(const char *why, u16 status)
{
	pv_tlb_soft_refused(why);

	return status;
}

/**
 * hv_soft_hypercall - what the host does with a call
 * @control: input value
 * @page: input
 *
 * Context: preemption disabled, interrupts enabled.
 * Return: the result value.
 */
u64 hv_soft_hypercall(u64 control, const void *page)
{
	struct hv_soft_call *call = this_cpu_ptr(&hv_soft_call);
	struct hv_tlb_heard *heard = &call->heard;

	if (!IS_ALIGNED((unsigned long)page, 8))
		return hv_soft_refuse("the input is not aligned",
				      HV_SOFT_INVALID_ALIGNMENT);

	hv_tlb_decode(heard, control, page);
	if (heard->nobody && (heard->ex ? hv_soft->ex_nobody :
					  hv_soft->base_nobody)) {
		pv_tlb_soft_refused("no processor is named");
		heard->all_processors = !heard->ex;
	} else if (heard->wrong) {
		return hv_soft_refuse(heard->wrong, heard->status);
	}

	if (!heard->all_processors && !hv_soft_cpus(call))
		return hv_soft_refuse("a processor is named that is not there",
				      HV_SOFT_INVALID_PARAMETER);

	if (!hv_soft_canonical(heard))
		pv_tlb_soft_refused("an address that is not canonical");

	if (pv_tlb_soft_call())
		return hv_soft_failure(call);

	hv_soft_flush(call, heard->reps);

	return (u64)heard->reps << 32;
}

/* @ex: two processors in each bank, and none in the first before all others have two. */
static u32 __init hv_soft_new_vp(unsigned int cpu, bool ex)
{
	unsigned int pair = cpu / 2;

	if (cpu >= HV_SOFT_VPS)
		return VP_INVAL;
	if (!ex)
		return cpu;

	return 64 * (HV_TLB_BANKS - 1 - pair % HV_TLB_BANKS) +
	       2 * (pair / HV_TLB_BANKS) + cpu % 2;
}

/**
 * hv_soft_host_setup - play a host, and have the backend use it
 * @who: which
 * @ex: give the first CPUs numbers that only a set of processors can name
 *
 * Context: early boot.
 * Return: 0, or -ENOENT if @who is not known.
 */
int __init hv_soft_host_setup(const char *who, bool ex)
{
	unsigned int cpu, i;

	for (i = 0; i < ARRAY_SIZE(hv_soft_hosts); i++)
		if (!strcmp(hv_soft_hosts[i].name, who))
			hv_soft = &hv_soft_hosts[i];
	if (!hv_soft)
		return -ENOENT;

	hv_soft_ex = ex;
	for (cpu = 0; cpu < ARRAY_SIZE(hv_soft_vps); cpu++)
		hv_soft_vps[cpu] = hv_soft_new_vp(cpu, ex);

	hv_pv_tlb_setup();

	return 0;
}
