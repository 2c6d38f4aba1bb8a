# SPDX-License-Identifier: GPL-2.0
# The counters that tables and tests speak of, out of a result.json of the lab.

def sum_of(prefix): [to_entries[] | select(.key | startswith(prefix)) | .value]
	| add // 0;

# Hypercalls by what they are for; on Xen there are no counters without a trace,
# and those that flush are mmuext_op for a PV guest, which by it also loads CR3 and
# flushes its own TLB, and hvm_op for a PVH guest.
def flushes: if has("hv_flush_space") then sum_of("hv_flush_")
	elif has("xen_hvm_op") then .xen_mmuext_op + .xen_sub_mmuext_op + .xen_hvm_op
	else null end;
def ipis: if has("hv_send_ipi") then sum_of("hv_send_ipi")
	elif has("xen_hvm_op") then .xen_event_channel_op + .xen_sub_event_channel_op
	else null end;

# One interval: interrupts in the guest, hypercalls and VM exits on its host; null
# is what its host does not count.
def counters: {
	name,
	TLB: .guest.TLB,
	CAL: .guest.CAL,
	flushes: (.host | flushes),
	flushes_ex: (.host | .hv_flush_space_ex + .hv_flush_list_ex),
	ipis: (.host | ipis),
	exits: .host.exits,
	# What KVM's virtual CPUs did for that: with boot --trace only.
	ops: (.host.flush_gva + .host.flush_all)
};
