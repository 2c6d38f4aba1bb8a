/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counts an event of the kernel, by keys, in a trace instance of this program's own:
 * what others trace is none of its business.
 */
#ifndef _PVTLB_HIST_H
#define _PVTLB_HIST_H

#include <stdbool.h>
#include <stdio.h>

#define TRACEFS		"/sys/kernel/tracing"

/*
 * Begins to count @event, such as "csd/csd_queue_cpu", by @keys, which is what follows
 * "hist:" in a trigger: "keys=a,b" and options. The caller sees to it that hist_end()
 * runs, with at_end().
 */
void hist_begin(const char *event, const char *keys);

/* Stops to count, and leaves nothing behind; safe in a signal handler. */
void hist_end(void);

/* From zero again. */
void hist_clear(void);

/* The counts as text, to be closed by the caller. */
FILE *hist_open(void);

/* Is @line, of that text, about events that were lost? If there are, ends. */
bool hist_is_dropped(const char *line);

#endif /* _PVTLB_HIST_H */
