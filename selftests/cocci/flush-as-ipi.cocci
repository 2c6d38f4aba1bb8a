// SPDX-License-Identifier: GPL-2.0
/// A TLB flush is used as if it had interrupted the CPUs that walk tables.
//
// A flush by hypercall returns while a walker that has interrupts disabled walks
// on. So nothing may hang on the interrupt of a flush, and an interrupt to all CPUs
// is no barrier that a virtual machine can afford. Here are found
//  - a table, by its type, that is freed at once after a flush in the same function,
//    unless this function allocated it;
//  - tlb_remove_table_sync_one() where it is not left out on architectures that
//    link a table once;
//  - an interrupt to other CPUs, after a flush, on the same path;
//  - an interrupt to other CPUs whose handler does nothing;
//  - a look at what pv_ops.mmu has for the flush or for tables, in order to know
//    whether flushes are interrupts.
//
// Fixed upstream, of this kind: commits 2ba99c5e0881, 1013af4f585f and 8ce720d5bd91.
// The guess from a pointer in pv_ops was proposed there and rejected as fragile.
//
// Tokens: on_each_cpu|smp_call_function|kick_all_cpus_sync|tlb_remove_table_sync_one|pv_ops\.mmu\.|p(te|md|ud|4d)_t \*|pgtable_t
// Tokens: on_each_cpu|smp_call_function|kick_all_cpus_sync|tlb_remove_table_sync_one|pv_ops\.mmu\.|flush_tlb_|tlb_flush_|_flush\(|tlb_range\(
// Tokens: on_each_cpu|smp_call_function|kick_all_cpus_sync|tlb_remove_table_sync_one|pv_ops\.mmu\.|free_pages?\(|pagetable_free|free_pagetable|(pte|pmd|pud|p4d|pgd)_free|tlb_remove_table|free_page_and_swap_cache
// Mutants: unshared-broadcast old-table-freed-at-once

@initialize:python@
@@
def report(p, what):
    print("%s:%s:%s: %s" % (p[0].file, p[0].line, p[0].current_element, what))

@allocated exists@
type t;
idexpression table;
position p;
identifier alloc =~ "alloc|__get_free_page|get_zeroed_page";
identifier free =~ "^(__)?free_pages?$|^pagetable_free$|^(pte|pmd|pud|p4d|pgd)_free$|^pte_free_kernel$|^__tlb_remove_table$|^free_pagetable$|^free_page_and_swap_cache$";
@@
table = (t)alloc(...)
... when any
free@p(..., <+... table ...+>, ...)

@freed exists@
typedef pte_t, pmd_t, pud_t, p4d_t, pgtable_t;
pte_t *pte;
pmd_t *pmd;
pud_t *pud;
p4d_t *p4d;
pgtable_t table;
position p != allocated.p;
identifier flush =~ "^flush_(pmd_|pud_|hugetlb_)?tlb_|^tlb_flush_|^(pmdp|pudp|ptep)_(collapse|clear|huge_clear)_flush$";
identifier free =~ "^(__)?free_pages?$|^pagetable_free$|^(pte|pmd|pud|p4d|pgd)_free$|^pte_free_kernel$|^__tlb_remove_table$|^free_pagetable$|^free_page_and_swap_cache$";
@@
flush(...)
... when any
free@p(..., <+... \(pte\|pmd\|pud\|p4d\|table\) ...+>, ...)

@left_out@
position p;
@@
if (!IS_ENABLED(CONFIG_ARCH_WANT_PGTABLE_LINK_ONCE))
	tlb_remove_table_sync_one@p();

@sync@
position p != left_out.p;
@@
tlb_remove_table_sync_one@p()

@interrupt exists@
position p;
identifier flush =~ "^flush_(pmd_|pud_|hugetlb_)?tlb_|^tlb_flush_|^(pmdp|pudp|ptep)_(collapse|clear|huge_clear)_flush$";
identifier call =~ "^on_each_cpu|^smp_call_function|^kick_all_cpus_sync$";
@@
flush(...)
... when any
call@p(...)

@empty@
identifier handler, arg;
@@
handler(void *arg)
{
}

@barrier@
identifier empty.handler;
identifier call =~ "^on_each_cpu|^smp_call_function";
position p;
@@
call@p(..., handler, ...)

@guess@
symbol pv_ops;
expression e;
position p;
@@
(
pv_ops.mmu.flush_tlb_multi@p == e
|
pv_ops.mmu.flush_tlb_multi@p != e
|
pv_ops.mmu.tlb_remove_table@p == e
|
pv_ops.mmu.tlb_remove_table@p != e
)

@script:python@
p << freed.p;
@@
report(p, "frees a table after a flush, which need not have waited for walkers")

@script:python@
p << sync.p;
@@
report(p, "interrupts all CPUs where it is not needed")

@script:python@
p << interrupt.p;
@@
report(p, "interrupts other CPUs after a flush")

@script:python@
p << barrier.p;
@@
report(p, "interrupts other CPUs for nothing but the interrupt")

@script:python@
p << guess.p;
@@
report(p, "guesses from a pointer what a flush is")
