// SPDX-License-Identifier: GPL-2.0
/* Hypercalls first, RCU later or never: what backend-without-rcu finds. */

void paravirt_free_tables_by_rcu(void) /* finding */
{
	pr_info("page tables are freed by RCU\n");
}

static void never(void)
{
	pv_ops.mmu.flush_tlb_multi = some_flush_multi; /* finding */
}

static void too_late(void)
{
	pv_ops.mmu.flush_tlb_multi = some_flush_multi; /* finding */
	paravirt_free_tables_by_rcu();
}

static void on_one_path(bool sure)
{
	if (sure)
		paravirt_free_tables_by_rcu();
	pv_ops.mmu.flush_tlb_multi = some_flush_multi; /* finding */
}

static void and_back(void)
{
	pv_ops.mmu.tlb_remove_table = some_remove_table; /* finding */
}

static const typeof(pv_ops) some_ops = {
	.mmu = {
		.flush_tlb_kernel = some_flush_kernel,
		.flush_tlb_multi = some_flush_multi, /* finding */
	},
};
