/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Marks: how a program of the guest divides its run into intervals for which
 * the lab records counters. The channel is the character device named in the
 * environment variable LAB_CTL; without it a mark does nothing, so that the
 * same program runs on any machine.
 */
#ifndef _PVTLB_LAB_MARK_H
#define _PVTLB_LAB_MARK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Ends the interval that is open and opens @name. When it returns, the lab has
 * taken its snapshot: what comes next is counted under @name. A lab that does
 * not answer "ok" ends the program with one line.
 */
void lab_mark(const char *name);

/* The sum over CPUs of a row of /proc/interrupts; false: no such row. */
bool lab_irq_sum(const char *row, uint64_t *sum);

#endif /* _PVTLB_LAB_MARK_H */
