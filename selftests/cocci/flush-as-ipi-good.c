// SPDX-License-Identifier: GPL-2.0
/* Flushes that only flush: flush-as-ipi is silent. */

static void free_by_rcu(struct vm_area_struct *vma, pgtable_t table, unsigned long addr)
{
	flush_tlb_range(vma, addr, addr + PMD_SIZE);
	pte_free_defer(vma->vm_mm, table);
}

static int give_a_fresh_one_back(struct vm_area_struct *vma, unsigned long addr)
{
	pgtable_t fresh = pte_alloc_one(vma->vm_mm);

	flush_tlb_range(vma, addr, addr + PMD_SIZE);
	pte_free(vma->vm_mm, fresh);
	return 0;
}

static void free_before_any_flush(struct mm_struct *mm, pgtable_t table)
{
	pte_free(mm, table);
	flush_tlb_mm(mm);
}

static void unshare(void)
{
	if (!IS_ENABLED(CONFIG_ARCH_WANT_PGTABLE_LINK_ONCE))
		tlb_remove_table_sync_one();
}

static void either_of_both(bool all, void *info)
{
	if (all)
		flush_tlb_all();
	else
		on_each_cpu(flush_some, info, 1);
}

static void register_backend(void)
{
	pv_ops.mmu.flush_tlb_multi = some_flush_multi;
}
