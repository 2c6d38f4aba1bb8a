// SPDX-License-Identifier: GPL-2.0
/* Masks that may have changed in between: what mask-read-twice finds. */

static void last_of_nobody(const struct cpumask *cpus,
			   const struct flush_tlb_info *info)
{
	if (cpumask_empty(cpus))
		return;
	send(info, cpumask_last(cpus)); /* finding */
}

static void count_and_fill(const struct flush_tlb_info *info,
			   const struct cpumask *cpus)
{
	unsigned int cpu, nr = cpumask_weight(cpus);

	reserve(info, nr);
	for_each_cpu(cpu, cpus) /* finding */
		put(info, cpu);
}

static void of_an_mm(struct mm_struct *mm, struct cpumask *mine)
{
	if (!cpumask_test_cpu(0, mm_cpumask(mm)))
		return;
	cpumask_copy(mine, mm_cpumask(mm)); /* finding */
}

static bool in_one_condition(struct mm_struct *mm)
{
	return cpumask_empty(mm_cpumask(mm)) || cpumask_first(mm_cpumask(mm)) == 0; /* finding */
}

static void of_a_batch(struct arch_tlbflush_unmap_batch *batch, struct cpumask *mine)
{
	if (cpumask_empty(&batch->cpumask))
		return;
	cpumask_copy(mine, &batch->cpumask); /* finding */
}

static void by_another_name(struct mm_struct *mm, struct cpumask *mine)
{
	const struct cpumask *cpus = mm_cpumask(mm);

	if (cpumask_empty(cpus))
		return;
	cpumask_copy(mine, cpus); /* finding */
}
