// SPDX-License-Identifier: GPL-2.0
/* Pages of a CPU that is held: preemption-on is silent. */

static int preemption_off(void)
{
	struct pv_tlb_cpu *this;
	int ret;

	preempt_disable();
	this = this_cpu_ptr(&pv_tlb_cpu);
	ret = use(this->page);
	preempt_enable();

	return ret;
}

static u64 interrupts_off(u64 control)
{
	unsigned long flags;
	void *page;
	u64 status;

	local_irq_save(flags);
	page = *this_cpu_ptr(hyperv_pcpu_input_arg);
	status = hv_do_hypercall(control, page, NULL);
	local_irq_restore(flags);

	return status;
}

static void held(void)
{
	int cpu = get_cpu();

	use(this_cpu_ptr(&pv_tlb_cpu), cpu);
	put_cpu();
}

/* pv_ops.mmu.flush_tlb_multi; preemption is disabled. */
static void pv_tlb_flush_multi(const struct cpumask *cpus,
			       const struct flush_tlb_info *info)
{
	use(this_cpu_ptr(&pv_tlb_cpu), cpus, info);
}

/* Is handed what belongs to the CPU. */
static void targets(struct pv_tlb_cpu *this, const struct flush_tlb_info *info)
{
	pv_tlb_fall_back(this->targets, info, -EIO);
}

static void flush_mm(struct mm_struct *mm, const struct flush_tlb_info *info)
{
	preempt_disable();
	if (info)
		flush_tlb_multi(mm_cpumask(mm), info);
	preempt_enable();
}

static void of_another_cpu(int cpu)
{
	use(per_cpu_ptr(&pv_tlb_cpu, cpu));
}
