// SPDX-License-Identifier: GPL-2.0
/* The same by RCU, and tables that nobody has seen: table-freed-at-once is silent. */

static void zap_by_rcu(struct mm_struct *mm, pmd_t *pmd, unsigned long addr)
{
	pgtable_t table = pmd_pgtable(*pmd);

	pmd_clear(pmd);
	flush_tlb_mm_range(mm, addr, addr + PMD_SIZE, PAGE_SHIFT, true);
	pte_free_defer(mm, table);
}

static void zap_in_a_batch(struct mmu_gather *tlb, pmd_t *pmd, unsigned long addr)
{
	pgtable_t table = pmd_pgtable(*pmd);

	pmd_clear(pmd);
	pte_free_tlb(tlb, table, addr);
}

static int never_linked(struct mm_struct *mm, pmd_t *pmd)
{
	pgtable_t fresh = pte_alloc_one(mm);

	if (!pmd_none(*pmd)) {
		pte_free(mm, fresh);
		return -EAGAIN;
	}
	pmd_populate(mm, pmd, fresh);
	return 0;
}

static void another_in_its_place(struct mm_struct *mm, pmd_t *pmd)
{
	pgtable_t table = pmd_pgtable(*pmd);

	pte_free_defer(mm, table);
	table = pte_alloc_one(mm);
	if (table)
		pte_free(mm, table);
}

static void moved(struct mm_struct *mm, pmd_t *from, pmd_t *to)
{
	pgtable_t table = pgtable_trans_huge_withdraw(mm, from);

	pgtable_trans_huge_deposit(mm, to, table);
}

static void copied(pud_t *pud)
{
	pmd_t *pmd = pud_pgtable(*pud);
	pmd_t *copy = (pmd_t *)__get_free_page(GFP_KERNEL);

	copy[0] = pmd[0];
	free_page((unsigned long)copy);
	free_kernel_table(pmd);
}

static void free_one_rcu(struct rcu_head *head)
{
	__tlb_remove_table(container_of(head, struct page, rcu_head));
}

static void free_one(struct page *page)
{
	call_rcu(&page->rcu_head, free_one_rcu);
}
