// SPDX-License-Identifier: GPL-2.0
/* Masks that are read once: mask-read-twice is silent. */

static void copy_first(const struct cpumask *cpus, const struct flush_tlb_info *info,
		       struct cpumask *mine)
{
	cpumask_copy(mine, cpus);
	if (cpumask_empty(mine))
		return;
	send(info, cpumask_last(mine));
}

static void either_of_both(const struct cpumask *cpus,
			   const struct flush_tlb_info *info)
{
	if (info->freed_tables)
		on_each_cpu_mask(cpus, flush, (void *)info, true);
	else
		on_each_cpu_cond_mask(should_flush, flush, (void *)info, 1, cpus);
}

static void word_by_word(const struct cpumask *cpus, const struct flush_tlb_info *info,
			 struct cpumask *mine)
{
	unsigned int i;

	for (i = 0; i < BITS_TO_LONGS(nr_cpu_ids); i++)
		cpumask_bits(mine)[i] = READ_ONCE(cpumask_bits(cpus)[i]);
}

/* Nobody else changes this one. */
static void targets(struct cpumask *targets, const struct flush_tlb_info *info)
{
	if (!cpumask_empty(targets))
		send(info, cpumask_last(targets));
}

static void two_mms(struct mm_struct *prev, struct mm_struct *next, int cpu)
{
	cpumask_clear_cpu(cpu, mm_cpumask(prev));
	cpumask_set_cpu(cpu, mm_cpumask(next));
}

static void written_and_read(struct mm_struct *mm, struct cpumask *mine, int cpu)
{
	cpumask_set_cpu(cpu, mm_cpumask(mm));
	cpumask_copy(mine, mm_cpumask(mm));
}
