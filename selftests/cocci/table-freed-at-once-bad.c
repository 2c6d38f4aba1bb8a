// SPDX-License-Identifier: GPL-2.0
/* Tables that were linked and are freed at once: what table-freed-at-once finds. */

static void zap_after_the_flush(struct mm_struct *mm, pmd_t *pmd, unsigned long addr)
{
	pgtable_t table = pmd_pgtable(*pmd);

	pmd_clear(pmd);
	flush_tlb_mm_range(mm, addr, addr + PMD_SIZE, PAGE_SHIFT, true);
	pte_free(mm, table); /* finding */
}

static int collapse_on_one_path(struct mm_struct *mm, struct vm_area_struct *vma,
				unsigned long addr, pmd_t *pmd, bool keep)
{
	pgtable_t old;
	pmd_t val;

	val = pmdp_collapse_flush(vma, addr, pmd);
	old = pmd_pgtable(val);
	if (keep)
		goto out;
	if (!vma)
		pte_free(mm, old); /* finding */
	else
		pte_free_defer(mm, old);
out:
	return 0;
}

static void kernel_table(pud_t *pud, unsigned long addr)
{
	pmd_t *pmd = (pmd_t *)pud_pgtable(*pud);

	pud_clear(pud);
	flush_tlb_kernel_range(addr, addr + PUD_SIZE);
	free_page((unsigned long)pmd); /* finding */
}

static void in_one_expression(pmd_t *pmd)
{
	free_page((unsigned long)pmd_page_vaddr(*pmd)); /* finding */
	__free_page(pmd_page(*pmd)); /* finding */
}

static bool free_if_empty(pte_t *table)
{
	if (!pte_none(table[0]))
		return false;

	free_page((unsigned long)table);
	return true;
}

static void by_a_helper(pmd_t *pmd)
{
	if (free_if_empty((pte_t *)pmd_page_vaddr(*pmd))) /* finding */
		pmd_clear(pmd);
}

static void by_a_helper_later(pmd_t *pmd)
{
	pte_t *table = pte_offset_kernel(pmd, 0);

	pmd_clear(pmd);
	free_if_empty(table); /* finding */
}

static void withdrawn(struct mm_struct *mm, pmd_t *pmd)
{
	pgtable_t table;

	table = pgtable_trans_huge_withdraw(mm, pmd);
	pte_free(mm, table); /* finding */
}

static void free_one_rcu(struct rcu_head *head)
{
	__tlb_remove_table(container_of(head, struct page, rcu_head));
}

static void free_one(struct page *page)
{
	free_one_rcu(&page->rcu_head); /* finding */
}
