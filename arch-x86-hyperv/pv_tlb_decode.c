// SPDX-License-Identifier: GPL-2.0
/*
 * What a host understands of the hypercalls that flush TLBs: for tests.
 *
 * Written from the Hyper-V Top Level Functional Specification (TLFS), with numbers
 * where pv_tlb.c has names and by words where that has structures, so that a wrong
 * constant shows as well. As strict as the TLFS is: also what some hosts let pass is
 * wrong here.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "pv_tlb_decode.h"

/* TLFS, "Hypercall Status Codes" */
#define HV_TLB_INVALID_CODE		2
#define HV_TLB_INVALID_INPUT		3
#define HV_TLB_INVALID_PARAMETER	5

/* The first thing that is wrong is what a host refuses a call for. */
static void hv_tlb_wrong(struct hv_tlb_heard *heard, u16 status, const char *why)
{
	if (heard->wrong)
		return;

	heard->wrong = why;
	heard->status = status;
}

/* Sets heard->vps; returns the number of words of a set of processors. */
static unsigned int hv_tlb_decode_vps(struct hv_tlb_heard *heard,
				      unsigned int varhead, const u64 *in)
{
	unsigned int bank, n = 0;

	if (!heard->ex) {
		memset(heard->vps, 0, sizeof(heard->vps));
		heard->vps[0] = in[0];
		if (varhead)
			hv_tlb_wrong(heard, HV_TLB_INVALID_INPUT,
				     "a variable header in a base call");
		return 1;
	}

	if (in[0])
		hv_tlb_wrong(heard, HV_TLB_INVALID_PARAMETER,
			     "the set is not sparse");
	if (hweight64(in[1]) != varhead)
		hv_tlb_wrong(heard, HV_TLB_INVALID_INPUT,
			     "the variable header is not the banks");
	for (bank = 0; bank < HV_TLB_BANKS; bank++)
		heard->vps[bank] = (in[1] >> bank) & 1 ? in[2 + n++] : 0;

	return 2 + n;
}

/* Words and reps are known to be within the page. */
static void hv_tlb_decode_list(struct hv_tlb_heard *heard, const u64 *gva)
{
	struct hv_tlb_run *run;
	unsigned int i;

	for (i = 0; i < heard->reps; i++) {
		run = &heard->runs[i];
		run->first = gva[i] >> 12;
		run->last = run->first + (gva[i] & 0xfff);
		if (run->last >> 52)
			hv_tlb_wrong(heard, HV_TLB_INVALID_PARAMETER,
				     "a GVA range wraps");
	}
}

/**
 * hv_tlb_decode - take a hypercall's input apart
 * @heard: what it means
 * @control: the call's input value
 * @in: the page with its input
 *
 * Control word: 15:0 code, 16 fast, 26:17 size of the variable header in words,
 * 43:32 rep count, 59:48 rep start. Input: address space, flags, processors,
 * GVA ranges. Flags: 0 all processors, which the caller would be one of, 1 all
 * address spaces, 2 not the global mappings, not with a list, 3 extended ranges.
 *
 * Context: any.
 */
void hv_tlb_decode(struct hv_tlb_heard *heard, u64 control, const u64 *in)
{
	unsigned int code = control & 0xffff;
	bool list = code == 0x0003 || code == 0x0014;
	unsigned int bank;

	heard->wrong = NULL;
	heard->ex = code == 0x0013 || code == 0x0014;
	heard->reps = (control >> 32) & 0xfff;
	heard->space = in[0];
	heard->all_processors = in[1] & 1;
	heard->all_spaces = in[1] & 2;
	heard->spare_global = in[1] & 4;

	if (!heard->ex && code != 0x0002 && code != 0x0003)
		hv_tlb_wrong(heard, HV_TLB_INVALID_CODE,
			     "not a call that flushes");
	if (control & ~0x00000fff07feffffULL)
		hv_tlb_wrong(heard, HV_TLB_INVALID_INPUT,
			     "fast, a rep start, or reserved bits");
	if (list != !!heard->reps)
		hv_tlb_wrong(heard, HV_TLB_INVALID_INPUT,
			     "a rep count that does not fit the call");
	if (in[1] & ~(list ? 3ULL : 7ULL))
		hv_tlb_wrong(heard, HV_TLB_INVALID_PARAMETER,
			     "flags that do not fit the call");
	/* Of CR3 the address, without what else it holds (TLFS, HV_ADDRESS_SPACE_ID) */
	if (!heard->all_spaces &&
	    (!heard->space || heard->space & 0xfff || heard->space >> 52))
		hv_tlb_wrong(heard, HV_TLB_INVALID_PARAMETER,
			     "an address space that is not one");

	heard->words = 2 + hv_tlb_decode_vps(heard, (control >> 17) & 0x3ff,
					     in + 2);
	if (heard->ex && heard->all_processors)
		hv_tlb_wrong(heard, HV_TLB_INVALID_PARAMETER,
			     "all processors, where not every host looks at it");
	heard->nobody = heard->ex || !heard->all_processors;
	for (bank = 0; bank < HV_TLB_BANKS; bank++)
		heard->nobody = heard->nobody && !heard->vps[bank];
	if (heard->nobody)
		hv_tlb_wrong(heard, HV_TLB_INVALID_PARAMETER,
			     "no processor is named");

	if (heard->words + heard->reps > HV_TLB_WORDS) {
		hv_tlb_wrong(heard, HV_TLB_INVALID_INPUT,
			     "the input is longer than a page");
		heard->reps = 0;
		return;
	}
	hv_tlb_decode_list(heard, in + heard->words);
	heard->words += heard->reps;
}
