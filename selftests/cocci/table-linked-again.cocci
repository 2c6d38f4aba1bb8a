// SPDX-License-Identifier: GPL-2.0
/// A page table that was linked is linked or deposited again.
//
// GUP-fast compares a pmd with what it has read before. If the table went
// somewhere else meanwhile and came back with other entries, or came to another
// mm, the comparison proves nothing: no interrupt waits for the walk. So a table
// that was once visible is given to RCU and a fresh one is deposited in its place.
// The exceptions are those of Documentation/mm/page_table_lifetime.rst.
//
// What was withdrawn may be deposited again: by this rule it was never linked.
//
// Fixed upstream, of this kind: GUP-fast against collapse and against the unsharing of
// hugetlb tables, commits 2ba99c5e0881, 1013af4f585f and 8ce720d5bd91, by interrupts.
//
// Tokens: (pmd|pud|p4d)_(pgtable|page_vaddr)
// Mutants: old-table-deposited

@initialize:python@
@@
def report(p, what):
    print("%s:%s:%s: %s" % (p[0].file, p[0].line, p[0].current_element, what))

@direct@
position p;
identifier link =~ "^(pmd|pud|p4d|pgd)_populate(_kernel|_safe)?$|^pgtable_trans_huge_deposit$";
identifier entry =~ "^(pmd|pud|p4d)_(pgtable|page_vaddr)$";
@@
link@p(..., <+... entry(...) ...+>)

@variable exists@
type t;
idexpression table;
expression other;
position p;
identifier link =~ "^(pmd|pud|p4d|pgd)_populate(_kernel|_safe)?$|^pgtable_trans_huge_deposit$";
identifier entry =~ "^(pmd|pud|p4d)_(pgtable|page_vaddr)$";
@@
table = (t)entry(...)
... when any
    when != table = other
link@p(..., table)

@script:python@
p << direct.p;
@@
report(p, "links a table that was linked before")

@script:python@
p << variable.p;
@@
report(p, "links a table that was linked before")
