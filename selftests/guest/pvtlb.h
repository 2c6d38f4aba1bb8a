/* SPDX-License-Identifier: GPL-2.0 */
/* What the series shows in /sys/kernel/debug/pvtlb, and small files like it. */
#ifndef _PVTLB_PVTLB_H
#define _PVTLB_PVTLB_H

#include <stdbool.h>
#include <stdint.h>

#define PVTLB_DIR	"/sys/kernel/debug/pvtlb/"

struct pvtlb_counters {
	uint64_t hypercalls, entries, full, targets;
	uint64_t lazy, not_loaded, self_only;
};

/* The whole of a file; false: not there, or not to be had. */
bool write_file(const char *path, const char *text);
bool write_number(const char *path, uint64_t value);

/*
 * The counters of all CPUs, counted from the first call on; false: this kernel
 * has none.
 */
bool pvtlb_counters(struct pvtlb_counters *sum);

/* @now is what was counted since @before. */
void pvtlb_since(struct pvtlb_counters *now, const struct pvtlb_counters *before);

/* How many flushes were done by IPI for @reason; false: no such reason. */
bool pvtlb_fallbacks(const char *reason, uint64_t *count);

/* The same from the counters of each CPU, added up. */
bool pvtlb_fallbacks_of_cpus(const char *reason, uint64_t *sum);

#endif /* _PVTLB_PVTLB_H */
