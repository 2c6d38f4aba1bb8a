// SPDX-License-Identifier: GPL-2.0
/// A CPU's page for hypercalls is touched while the task may be moved off that CPU.
//
// The page is one CPU's, and two tasks that fill it at once send a mixture of both.
// So preemption or interrupts are disabled, on every path, before a function asks
// which page it is. Functions that are documented to be called so may touch it as
// they are, and so may those that are handed the page or a request by one of them:
// for these it is the call that is checked.
//
// Fixed upstream, of this kind: what a flush went by was read before interrupts were
// off, commit ad0a6bad4475.
//
// Tokens: pv_tlb_cpu\b|hyperv_pcpu_(in|out)put_arg|flush_tlb_multi\(|pv_tlb_(batch_flush|flush_kernel|fall_back)\(|hv_pci_(read|write)_mmio\(
// Mutants: batch-preemptible

@initialize:python@
@@
def report(p, what):
    print("%s:%s:%s: %s" % (p[0].file, p[0].line, p[0].current_element, what))

@touched@
position p;
identifier get =~ "^(raw_|__)?this_cpu_|^get_cpu_";
identifier page =~ "^(pv_tlb_cpu|hyperv_pcpu_(in|out)put_arg)$";
identifier flush =~ "^pv_tlb_(flush_multi|batch_flush|flush_kernel|fall_back)$|^(__|native_|kvm_|hyperv_|xen_)?flush_tlb_multi$|^hv_pci_(read|write)_mmio$";
@@
(
get@p(<+... page ...+>, ...)
|
flush@p(...)
)

// In a function that is handed what belongs to the CPU.
@handed@
identifier f, this, use;
position touched.p;
position q;
@@
f(..., struct pv_tlb_cpu *this, ...)
{
	<+...
	use@p@q(...)
	...+>
}

// In a function that is documented to be called with preemption disabled.
@documented@
identifier f =~ "^pv_tlb_(flush_multi|batch_flush|flush_kernel|fall_back)$|^(__|native_|kvm_|hyperv_|xen_)?flush_tlb_multi$|^hv_pci_(read|write)_mmio$";
identifier use;
position touched.p;
position d;
@@
f(...)
{
	<+...
	use@p@d(...)
	...+>
}

// From the beginning of the function.
@unheld exists@
position touched.p;
position q != {handed.q, documented.d};
identifier f;
identifier use;
@@
f(...)
{
	... when any
	    when != preempt_disable(...)
	    when != get_cpu()
	    when != local_irq_disable()
	    when != local_irq_save(...)
	    when != raw_local_irq_save(...)
	    when != spin_lock(...)
	    when != spin_lock_irqsave(...)
	    when != raw_spin_lock_irqsave(...)
	use@p@q(...)
	... when any
}

// After it was allowed again.
@again exists@
position touched.p;
position q != {handed.q, documented.d};
identifier use;
@@
(
preempt_enable(...);
|
put_cpu();
|
local_irq_enable();
|
local_irq_restore(...);
|
raw_local_irq_restore(...);
|
spin_unlock_irqrestore(...);
|
raw_spin_unlock_irqrestore(...);
)
... when any
    when != preempt_disable(...)
    when != get_cpu()
    when != local_irq_disable()
    when != local_irq_save(...)
    when != raw_local_irq_save(...)
    when != spin_lock(...)
    when != spin_lock_irqsave(...)
    when != raw_spin_lock_irqsave(...)
use@p@q(...)

@script:python@
p << touched.p;
f << unheld.f;
@@
report(p, "is reached with preemption on")

@script:python@
p << touched.p;
use << again.use;
@@
report(p, "is reached after preemption was switched on")
