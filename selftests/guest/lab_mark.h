/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Marks: how a program of the guest divides its run into intervals for which
 * the lab records counters. The channel is the character device named in the
 * environment variable LAB_CTL; without it a mark does nothing, so that the
 * same program runs on any machine. With LAB_CTL_MUTE set the lab answers no
 * mark: it has no counters to take beside those that the mark brings. With
 * LAB_TSC set a mark says when it was, and executes CPUID with LAB_CPUID.
 */
#ifndef _PVTLB_LAB_MARK_H
#define _PVTLB_LAB_MARK_H

#include <stdbool.h>
#include <stdint.h>

/* The leaf by which a mark can be found among the CPUIDs of a guest. */
#define LAB_CPUID	0x4c414220

/*
 * Ends the interval that is open and opens @name. When it returns, the lab has
 * taken its snapshot: what comes next is counted under @name. A lab that answers
 * something else than "ok" ends the program with one line.
 */
void lab_mark(const char *name);

/* The sum over CPUs of a row of /proc/interrupts; false: no such row. */
bool lab_irq_sum(const char *row, uint64_t *sum);

#endif /* _PVTLB_LAB_MARK_H */
