// SPDX-License-Identifier: GPL-2.0
/* Pages of a CPU that the task may have left: what preemption-on finds. */

static int no_protection(void)
{
	struct pv_tlb_cpu *this = this_cpu_ptr(&pv_tlb_cpu); /* finding */

	return use(this->page);
}

static u64 too_early(u64 control)
{
	unsigned long flags;
	void *page;
	u64 status;

	page = *this_cpu_ptr(hyperv_pcpu_input_arg); /* finding */
	local_irq_save(flags);
	status = hv_do_hypercall(control, page, NULL);
	local_irq_restore(flags);

	return status;
}

static void on_one_path(bool atomic)
{
	void *page;

	if (!atomic)
		preempt_disable();
	page = __this_cpu_read(pv_tlb_cpu.page); /* finding */
	use(page);
	if (!atomic)
		preempt_enable();
}

static void once_more(void)
{
	int cpu = get_cpu();

	use(this_cpu_ptr(&pv_tlb_cpu), cpu);
	put_cpu();
	use(this_cpu_ptr(&pv_tlb_cpu), cpu); /* finding */
}

static void flush(struct arch_tlbflush_unmap_batch *batch,
		  const struct flush_tlb_info *info)
{
	pv_tlb_batch_flush(batch, info); /* finding */
}

static void flush_mm(struct mm_struct *mm, const struct flush_tlb_info *info)
{
	flush_tlb_multi(mm_cpumask(mm), info); /* finding */
}
