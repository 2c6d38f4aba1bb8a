// SPDX-License-Identifier: GPL-2.0
/// What a flush by hypercall returns is not looked at.
//
// A host may refuse the call, do a part of the list, or have gone for a moment. A
// flush that was not done and is taken for done is memory corruption. Here are
// found, for backends, for the functions by which they flush, and for hypercalls that
// flush,
//  - a result that nobody takes, or that is stored and never looked at;
//  - a branch for an error of the backend that leaves without pv_tlb_fall_back(), or
//    pv_tlb_note_failure() where the caller interrupts;
//  - a list whose count of completed entries is not compared.
//
// What it is about: nothing in mainline's backends counts errors or tells of them, and
// a list of which the host did a part is not a list that is done.
//
// Tokens: pv_tlb_(backend_flush|flush_targets|flush_kernel_targets|flush_kernel)|->flush\(|hv_flush_|hyperv_flush_|xen_flush_|hv_tlb_hypercall|HVCALL_FLUSH_|HYPERVISOR_mmuext_op|HVMOP_flush_tlbs
// Mutants: errors-dropped short-count-is-done

@initialize:python@
@@
def report(p, what):
    print("%s:%s:%s: %s" % (p[0].file, p[0].line, p[0].current_element, what))

// Those of the file itself that return something.
@returns@
type t != void;
identifier f =~ "^(hv|hyperv|xen|xen_hvm|xen_pv|pv_tlb)_(tlb_)?flush(_|$)";
@@
t f(...) { ... }

@dropped_own@
identifier returns.f;
position p;
@@
(
f@p(...);
|
 (void)f@p(...);
)

@dropped_known@
identifier f =~ "^hyperv_flush_guest_mapping(_range)?$|^HYPERVISOR_mmuext_op$|^hv_tlb_hypercall$";
position p;
@@
(
f@p(...);
|
 (void)f@p(...);
)

@dropped_coded@
identifier f =~ "^_?hv_do_|^HYPERVISOR_hvm_op$";
identifier code =~ "^HVCALL_FLUSH_|^HVMOP_flush_tlbs$";
position p;
@@
(
f@p(<+... code ...+>, ...);
|
 (void)f@p(<+... code ...+>, ...);
)

@dropped_backend@
symbol pv_tlb_backend_flush;
identifier b =~ "backend";
position p;
@@
(
b->flush@p(...);
|
 (void)b->flush@p(...);
|
static_call@p(pv_tlb_backend_flush)(...);
|
 (void)static_call@p(pv_tlb_backend_flush)(...);
)

// Some path leaves without a look at the result.
@stored exists@
symbol pv_tlb_backend_flush;
idexpression ret;
identifier f =~ "^(hv|hyperv|xen|xen_hvm|xen_pv|pv_tlb)_(tlb_)?flush(_|$)|^HYPERVISOR_mmuext_op$|^hv_tlb_hypercall$";
identifier b =~ "backend";
identifier in;
position p;
@@
in(...)
{
	... when any
(
	ret = f@p(...);
|
	ret = b->flush@p(...);
|
	ret = static_call@p(pv_tlb_backend_flush)(...);
)
	... when != ret
}

@branch exists@
symbol pv_tlb_backend_flush;
idexpression ret;
identifier f =~ "^pv_tlb_flush_kernel_targets$";
position p;
@@
(
ret = f(...)
|
ret = static_call(pv_tlb_backend_flush)(...)
)
... when any
if (\(unlikely(ret < 0)\|ret < 0\)) {
	... when != pv_tlb_fall_back(...)
	    when != pv_tlb_note_failure(...)
	return@p ...;
}

@negative@
constant c;
position n;
@@
return@n -c;

@part exists@
idexpression status;
expression e;
position p != negative.n;
@@
status = hv_tlb_hypercall(...)
... when any
    when != hv_repcomp(status)
return@p e;

@script:python@
p << dropped_own.p;
@@
report(p, "drops the result of a flush")

@script:python@
p << dropped_known.p;
@@
report(p, "drops the result of a flush")

@script:python@
p << dropped_coded.p;
@@
report(p, "drops the result of a flush")

@script:python@
p << dropped_backend.p;
@@
report(p, "drops the result of a flush")

@script:python@
p << stored.p;
@@
report(p, "stores the result of a flush and does not look at it")

@script:python@
p << branch.p;
@@
report(p, "leaves with an error that nobody made up for")

@script:python@
p << part.p;
@@
report(p, "does not compare how much the host has done")
