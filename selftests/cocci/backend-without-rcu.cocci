// SPDX-License-Identifier: GPL-2.0
/// Remote TLBs are flushed without an interrupt before tables are freed by RCU.
//
// Whoever puts a function of its own into pv_ops.mmu.flush_tlb_multi has to call
// paravirt_free_tables_by_rcu() first, on every path. That function decides it
// for ever, so nobody else writes pv_ops.mmu.tlb_remove_table.
//
// The bug of 2017: remote TLBs flushed by hypercall, and tables freed right after.
//
// Tokens: flush_tlb_multi *=|tlb_remove_table *=|paravirt_free_tables_by_rcu
// Mutants: tables-freed-at-once

@initialize:python@
@@
def report(p, what):
    print("%s:%s:%s: %s" % (p[0].file, p[0].line, p[0].current_element, what))

@unprepared exists@
identifier f;
symbol pv_ops, tlb_remove_table;
identifier flush != native_flush_tlb_multi;
position p;
@@
f(...)
{
	... when any
	    when != paravirt_free_tables_by_rcu()
	pv_ops.mmu.flush_tlb_multi@p = flush
	... when any
}

// A table of operations says nothing of an order: only the native flush.
@initialized@
identifier ops;
type t;
symbol pv_ops, tlb_remove_table;
identifier flush != native_flush_tlb_multi;
position p;
@@
t ops = {
	...,
	.mmu = {
		...,
		.flush_tlb_multi@p = flush,
		...,
	},
	...,
};

@decided_elsewhere@
symbol pv_ops;
identifier f != paravirt_free_tables_by_rcu;
expression e;
position p;
@@
f(...)
{
	<+...
	pv_ops.mmu.tlb_remove_table@p = e
	...+>
}

@decided@
symbol pv_ops, tlb_remove_table;
position p;
@@
paravirt_free_tables_by_rcu@p(void)
{
	...
	pv_ops.mmu.tlb_remove_table = tlb_remove_table;
	...
}

@undecided@
position p != decided.p;
@@
paravirt_free_tables_by_rcu@p(void)
{
	...
}

@script:python@
p << unprepared.p;
@@
report(p, "flushes without interrupts while tables may be freed at once")

@script:python@
p << initialized.p;
@@
report(p, "flushes without interrupts while tables may be freed at once")

@script:python@
p << decided_elsewhere.p;
@@
report(p, "decides in a second place how tables are freed")

@script:python@
p << undecided.p;
@@
report(p, "does not have tables freed by RCU")
