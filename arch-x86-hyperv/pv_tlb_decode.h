/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __X86_HYPERV_PV_TLB_DECODE_H
#define __X86_HYPERV_PV_TLB_DECODE_H

#include <linux/types.h>

#define HV_TLB_WORDS	512	/* of a page */
#define HV_TLB_BANKS	64

/* 4K pages by number, both included: no end that could wrap. */
struct hv_tlb_run {
	u64	first;
	u64	last;
};

/**
 * struct hv_tlb_heard - what a host understands of a hypercall that flushes
 * @calls: for the user of this; not touched by hv_tlb_decode()
 * @wrong: what a strict host refuses it for, or NULL
 * @status: with which status, if @wrong
 * @ex: the call takes a set of processors
 * @all_processors: all processors, whatever @vps says
 * @all_spaces: all address spaces, whatever @space says
 * @spare_global: not the global translations
 * @nobody: no processor is named
 * @space: the address space
 * @vps: the processors, a bit for each number
 * @words: 64-bit words of the page that are input
 * @reps: number of @runs; 0 flushes everything
 * @runs: the pages
 */
struct hv_tlb_heard {
	unsigned int		calls;
	const char		*wrong;
	u16			status;
	bool			ex;
	bool			all_processors;
	bool			all_spaces;
	bool			spare_global;
	bool			nobody;
	u64			space;
	u64			vps[HV_TLB_BANKS];
	unsigned int		words;
	unsigned int		reps;
	struct hv_tlb_run	runs[HV_TLB_WORDS];
};

void hv_tlb_decode(struct hv_tlb_heard *heard, u64 control, const u64 *in);

#endif /* __X86_HYPERV_PV_TLB_DECODE_H */
