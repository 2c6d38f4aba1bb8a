// SPDX-License-Identifier: GPL-2.0
/* RCU first: backend-without-rcu is silent. */

void paravirt_free_tables_by_rcu(void)
{
	pv_ops.mmu.tlb_remove_table = tlb_remove_table;
}

static void always(void)
{
	if (!some_hint())
		return;
	paravirt_free_tables_by_rcu();
	pv_ops.mmu.flush_tlb_multi = some_flush_multi;
}

static const typeof(pv_ops) some_ops = {
	.mmu = {
		.flush_tlb_kernel = some_flush_kernel,
		.flush_tlb_multi = native_flush_tlb_multi,
	},
};
