// SPDX-License-Identifier: GPL-2.0
/* Flushes that walkers are thought to wait for: what flush-as-ipi finds. */

static void free_after_the_flush(struct vm_area_struct *vma, pte_t *table,
				 unsigned long addr)
{
	/* Whoever walks the table has interrupts disabled and is waited for. */
	flush_tlb_range(vma, addr, addr + PMD_SIZE);
	free_page((unsigned long)table); /* finding */
}

static void free_behind_disabled_interrupts(struct mm_struct *mm, pgtable_t table)
{
	flush_tlb_mm(mm);
	local_irq_disable();
	pte_free(mm, table); /* finding */
	local_irq_enable();
}

static void free_after_the_batch(struct mmu_gather *tlb, pmd_t *table)
{
	tlb_flush_mmu_tlbonly(tlb);
	if (table)
		pmd_free(tlb->mm, table); /* finding */
}

static void do_nothing(void *arg)
{
	/* To be interrupted is all. */
}

static void wait_for_walkers(struct mm_struct *mm)
{
	on_each_cpu_mask(mm_cpumask(mm), do_nothing, NULL, 1); /* finding */
}

static void wait_once_more(struct mm_struct *mm)
{
	flush_tlb_mm(mm);
	smp_call_function(drain, mm, 1); /* finding */
}

static void unshare(struct mm_struct *mm)
{
	tlb_remove_table_sync_one(); /* finding */
}

static void unshare_on_other_architectures(void)
{
	if (IS_ENABLED(CONFIG_ARCH_WANT_PGTABLE_LINK_ONCE))
		tlb_remove_table_sync_one(); /* finding */
}

static bool flush_interrupts(void)
{
	return pv_ops.mmu.flush_tlb_multi == native_flush_tlb_multi; /* finding */
}

static bool tables_wait(void)
{
	if (pv_ops.mmu.tlb_remove_table != tlb_remove_table) /* finding */
		return false;
	return true;
}
