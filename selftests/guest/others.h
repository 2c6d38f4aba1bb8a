/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the other CPUs do while the first one flushes: a letter per CPU, from
 * the second one on, repeated as often as needed.
 *
 *   r  running: a thread of this process reads a page of it
 *   l  lazy: a thread of this process ran and sleeps; the idle CPU keeps the mm
 *   o  other: the same, but then another process runs, and goes on
 *   i  idle: the same, but then another process ran and sleeps
 *
 * Only a CPU that runs must be told of a flush that frees no page tables.
 */
#ifndef _PVTLB_OTHERS_H
#define _PVTLB_OTHERS_H

#include <stdint.h>

#define OTHERS_HELP \
"              a letter for each CPU from the second on, repeated: r running a\n" \
"              thread of this process, l lazy (a thread ran and sleeps), o as l,\n" \
"              but then another process runs, i the same, but it sleeps\n"

/* Refuses what is not a word of these letters with usage_error(). */
void others_check(const char *letters);

/*
 * Binds the caller to the first CPU and starts processes and threads on the
 * others, which read @page. To be called once, with one thread.
 */
void others_start(const char *letters, const void *page);

/* Brings all CPUs into their states, and waits until they are. */
void others_settle(void);

/* How many CPUs are in state @letter. */
unsigned int others_count(char letter);

/*
 * Prints, for selftests/hostmask, that in the interval @name the host sees
 * @min to @max flushes, each for exactly the CPUs that run.
 */
void others_expect(const char *name, uint64_t min, uint64_t max);

#endif /* _PVTLB_OTHERS_H */
