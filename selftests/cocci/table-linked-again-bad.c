// SPDX-License-Identifier: GPL-2.0
/* Tables that come back: what table-linked-again finds. */

static void deposit_the_old_one(struct mm_struct *mm, struct vm_area_struct *vma,
				unsigned long addr, pmd_t *pmd, pmd_t huge)
{
	pmd_t val = pmdp_collapse_flush(vma, addr, pmd);
	pgtable_t table;

	table = pmd_pgtable(val);
	spin_lock(&mm->page_table_lock);
	pgtable_trans_huge_deposit(mm, pmd, table); /* finding */
	set_pmd_at(mm, addr, pmd, huge);
	spin_unlock(&mm->page_table_lock);
}

static void move(struct mm_struct *mm, pmd_t *from, pmd_t *to)
{
	pmd_t val = *from;

	pmd_clear(from);
	pmd_populate(mm, to, pmd_pgtable(val)); /* finding */
}

static void move_the_level_above(struct mm_struct *mm, pud_t *from, pud_t *to)
{
	pmd_t *table = pud_pgtable(*from);

	pud_clear(from);
	pud_populate(mm, to, table); /* finding */
}
