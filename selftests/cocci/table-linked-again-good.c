// SPDX-License-Identifier: GPL-2.0
/* Fresh tables: table-linked-again is silent. */

static void deposit_a_fresh_one(struct mm_struct *mm, struct vm_area_struct *vma,
				unsigned long addr, pmd_t *pmd, pgtable_t fresh)
{
	pmd_t val = pmdp_collapse_flush(vma, addr, pmd);
	pgtable_t old = pmd_pgtable(val);

	pgtable_trans_huge_deposit(mm, pmd, fresh ?: old);
	pte_free_defer(mm, old);
}

static void split(struct mm_struct *mm, pmd_t *pmd)
{
	pgtable_t table = pgtable_trans_huge_withdraw(mm, pmd);

	pmd_populate(mm, pmd, table);
}

static int another_in_its_place(struct mm_struct *mm, pmd_t *pmd, pmd_t *to)
{
	pgtable_t table = pmd_pgtable(*pmd);

	pte_free_defer(mm, table);
	table = pte_alloc_one(mm);
	if (!table)
		return -ENOMEM;
	pmd_populate(mm, to, table);
	return 0;
}
