// SPDX-License-Identifier: GPL-2.0
/// A page table that was linked is freed without a grace period.
//
// A flush by hypercall says nothing about who walks the table with interrupts
// disabled. So what hung in an entry is given to RCU: pte_free_defer(),
// tlb_remove_table() and what ends there, free_kernel_table(), call_rcu(). Here
// are found
//  - a table that was read from an entry, or withdrawn, and is freed at once, also
//    by a function of the same file that frees its argument;
//  - an RCU callback that frees tables and is called without RCU.
// Not found is a table that comes from elsewhere, for instance one that this function
// allocated and nobody has seen; nor what a function of another file does.
//
// Fixed upstream, of this kind: GUP-fast against collapse and freeing, commit
// 2ba99c5e0881 and others.
//
// Tokens: (pmd|pud|p4d)_(pgtable|page|page_vaddr)\(|huge_withdraw|(pte_offset_kernel|pmd_offset|pud_offset|p4d_offset)\(|rcu_head
// Tokens: free_pages?\(|pagetable_free|free_pagetable|(pte|pmd|pud|p4d|pgd)_free|tlb_remove_table|free_page_and_swap_cache
// Mutants: kernel-tables-freed-at-once old-table-freed-at-once single-table-freed-at-once

@initialize:python@
@@
def report(p, what):
    print("%s:%s:%s: %s" % (p[0].file, p[0].line, p[0].current_element, what))

// A function that frees its argument.
@helper@
type t;
identifier f, x;
identifier free =~ "^(__)?free_pages?$|^pagetable_free$|^(pte|pmd|pud|p4d|pgd)_free$|^pte_free_kernel$|^__tlb_remove_table$|^free_pagetable$|^free_page_and_swap_cache$";
@@
f(..., t x, ...)
{
	<+...
	free(..., <+... x ...+>, ...)
	...+>
}

@direct@
expression e;
position p;
identifier free =~ "^(__)?free_pages?$|^pagetable_free$|^(pte|pmd|pud|p4d|pgd)_free$|^pte_free_kernel$|^__tlb_remove_table$|^free_pagetable$|^free_page_and_swap_cache$";
identifier entry =~ "^(pmd|pud|p4d)_(pgtable|page|page_vaddr)$|^pgtable_trans_huge_withdraw$";
identifier first =~ "^(pte_offset_kernel|pmd_offset|pud_offset|p4d_offset)$";
@@
free@p(..., <+... \(entry(...)\|first(e, 0)\) ...+>, ...)

@direct_helper@
expression e;
position p;
identifier helper.f;
identifier entry =~ "^(pmd|pud|p4d)_(pgtable|page_vaddr)$|^pgtable_trans_huge_withdraw$";
identifier first =~ "^(pte_offset_kernel|pmd_offset|pud_offset|p4d_offset)$";
@@
f@p(..., <+... \(entry(...)\|first(e, 0)\) ...+>, ...)

@variable exists@
type t;
idexpression table;
expression e, other;
position p;
identifier free =~ "^(__)?free_pages?$|^pagetable_free$|^(pte|pmd|pud|p4d|pgd)_free$|^pte_free_kernel$|^__tlb_remove_table$|^free_pagetable$|^free_page_and_swap_cache$";
identifier entry =~ "^(pmd|pud|p4d)_(pgtable|page|page_vaddr)$|^pgtable_trans_huge_withdraw$";
identifier first =~ "^(pte_offset_kernel|pmd_offset|pud_offset|p4d_offset)$";
@@
table = (t)\(entry(...)\|first(e, 0)\)
... when any
    when != table = other
free@p(..., <+... table ...+>, ...)

@variable_helper exists@
type t;
idexpression table;
expression e, other;
position p;
identifier helper.f;
identifier entry =~ "^(pmd|pud|p4d)_(pgtable|page_vaddr)$|^pgtable_trans_huge_withdraw$";
identifier first =~ "^(pte_offset_kernel|pmd_offset|pud_offset|p4d_offset)$";
@@
table = (t)\(entry(...)\|first(e, 0)\)
... when any
    when != table = other
f@p(..., table, ...)

@callback@
symbol rcu_head, pt_rcu_head;
identifier f, head;
identifier free =~ "^(pte|pmd|pud|p4d)_free$|^__tlb_remove_table(_free)?$";
@@
f(struct rcu_head *head)
{
	<+...
(
	free(...)
|
	container_of(head, struct page, rcu_head)
|
	container_of(head, struct ptdesc, pt_rcu_head)
)
	...+>
}

@called@
identifier callback.f;
expression e;
position p;
@@
f@p(e)

@script:python@
p << direct.p;
@@
report(p, "frees the table of an entry without a grace period")

@script:python@
p << direct_helper.p;
@@
report(p, "frees the table of an entry without a grace period")

@script:python@
p << variable.p;
@@
report(p, "frees a table that was linked without a grace period")

@script:python@
p << variable_helper.p;
@@
report(p, "frees a table that was linked without a grace period")

@script:python@
p << called.p;
@@
report(p, "calls an RCU callback that frees, without RCU")
