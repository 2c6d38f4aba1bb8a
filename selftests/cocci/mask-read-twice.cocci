// SPDX-License-Identifier: GPL-2.0
/// A mask that other CPUs change is read more than once in one function.
//
// CPUs come into an mm's mask, and leave it, at any time. What was true when the
// mask was first looked at need not be true of the second look: it may be empty by
// then, or have a CPU that was not counted. A function reads such a mask once, into
// one of its own, and goes by that. The masks are
//  - mm_cpumask() of an mm;
//  - the mask that a function is given together with a struct flush_tlb_info;
//  - the one of a reclaim batch;
// and each mention of one is a look, but for those that write to it. Two on paths
// that exclude each other are not counted.
//
// Fixed upstream, of this kind: commit ad0a6bad4475, and the last CPU of a mask that had
// become empty as an index, commit 51500b71d500.
//
// Tokens: mm_cpumask\(|struct flush_tlb_info|arch_tlbflush_unmap_batch
// Mutants: mask-read-twice

@initialize:python@
@@
def report(p, what):
    print("%s:%s:%s: %s" % (p[0].file, p[0].line, p[0].current_element, what))

def differ(p, q):
    return (p[0].line, p[0].column) != (q[0].line, q[0].column)

@writes@
expression m;
identifier f =~ "^(__)?cpumask_(set_cpu|clear_cpu|clear|setall|or)$";
position w;
@@
f(..., \(mm_cpumask@w(m)\|&m->cpumask@w\|m@w\))

// What a function is given, before or after the rest.
@given_first@
identifier f, mask, info;
@@
f(..., const struct cpumask *mask, ..., const struct flush_tlb_info *info, ...)
{ ... }

@given_first_twice exists@
identifier given_first.f, given_first.mask;
position p, q;
@@
f(...)
{
	... when any
	mask@p
	... when any
	mask@q
	... when any
}

@given_last@
identifier f, mask, info;
@@
f(..., const struct flush_tlb_info *info, ..., const struct cpumask *mask, ...)
{ ... }

@given_last_twice exists@
identifier given_last.f, given_last.mask;
position p, q;
@@
f(...)
{
	... when any
	mask@p
	... when any
	mask@q
	... when any
}

@of_mm exists@
expression mm;
position p != writes.w;
position q != writes.w;
@@
mm_cpumask@p(mm)
... when any
mm_cpumask@q(mm)

@of_mm_at_once@
expression mm;
position p, q;
@@
(
 (<+... mm_cpumask@p(mm) ...+>) || (<+... mm_cpumask@q(mm) ...+>)
|
 (<+... mm_cpumask@p(mm) ...+>) && (<+... mm_cpumask@q(mm) ...+>)
)

@of_batch exists@
struct arch_tlbflush_unmap_batch *batch;
position p != writes.w;
position q != writes.w;
@@
batch->cpumask@p
... when any
batch->cpumask@q

// By another name.
@alias exists@
struct arch_tlbflush_unmap_batch *batch;
expression mm;
idexpression mask;
position p, q;
@@
mask = \(mm_cpumask(mm)\|&batch->cpumask\)
... when any
mask@p
... when any
mask@q

@script:python@
p << given_first_twice.p;
q << given_first_twice.q;
@@
if differ(p, q):
    report(q, "reads for the second time the mask that it is given")

@script:python@
p << given_last_twice.p;
q << given_last_twice.q;
@@
if differ(p, q):
    report(q, "reads for the second time the mask that it is given")

@script:python@
p << of_mm.p;
q << of_mm.q;
@@
if differ(p, q):
    report(q, "reads for the second time the mask of an mm")

@script:python@
p << of_mm_at_once.p;
q << of_mm_at_once.q;
@@
report(q, "reads for the second time the mask of an mm")

@script:python@
p << of_batch.p;
q << of_batch.q;
@@
if differ(p, q):
    report(q, "reads for the second time the mask of a batch")

@script:python@
p << alias.p;
q << alias.q;
@@
if differ(p, q):
    report(q, "reads for the second time a mask under another name")
