/* SPDX-License-Identifier: GPL-2.0 */
/* Swap space in a RAM disk, where the machine has none. */
#ifndef _PVTLB_SWAP_H
#define _PVTLB_SWAP_H

/*
 * Returns NULL when there is swap, or why there is none. If there was none,
 * /dev/ram0 becomes it, if nothing is in its first page.
 */
const char *swap_on(void);

/* Undoes that; safe in a signal handler. */
void swap_off(void);

#endif /* _PVTLB_SWAP_H */
