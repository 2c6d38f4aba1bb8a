/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __MM_GUP_FAST_STALL_H
#define __MM_GUP_FAST_STALL_H

/**
 * enum gup_fast_step - where a GUP-fast can be made to stall: behind these loads
 * @GUP_FAST_PUD: the pud, for the first time
 * @GUP_FAST_PMD: the pmd, for the first time, a huge page's too
 * @GUP_FAST_PTE: the pte, for the first time
 * @GUP_FAST_REF: none, the reference to the page was taken
 * @GUP_FAST_PMD_AGAIN: the pmd of a table, before the pte is compared
 * @GUP_FAST_LEAF_AGAIN: the pte, or the pmd of a huge page, for comparison
 * @GUP_FAST_PMD_LAST: the pmd of a table, after all its ptes
 * @GUP_FAST_PUD_AGAIN: the pud, for comparison
 */
enum gup_fast_step {
	GUP_FAST_PUD = 1,
	GUP_FAST_PMD,
	GUP_FAST_PTE,
	GUP_FAST_REF,
	GUP_FAST_PMD_AGAIN,
	GUP_FAST_LEAF_AGAIN,
	GUP_FAST_PMD_LAST,
	GUP_FAST_PUD_AGAIN,
};

#ifdef CONFIG_DEBUG_GUP_FAST_STALL
void gup_fast_stall(enum gup_fast_step step);
void gup_fast_check_table(const void *entry);
#else
static inline void gup_fast_stall(enum gup_fast_step step)
{
}

static inline void gup_fast_check_table(const void *entry)
{
}
#endif

#endif /* __MM_GUP_FAST_STALL_H */
