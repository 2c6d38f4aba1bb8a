# SPDX-License-Identifier: GPL-2.0
# The counters that tables and tests speak of, out of a result.json of the lab.

def sum_of(prefix): [to_entries[] | select(.key | startswith(prefix)) | .value]
	| add // 0;

# One interval: interrupts in the guest, hypercalls and VM exits on its host.
def counters: {
	name,
	TLB: .guest.TLB,
	CAL: .guest.CAL,
	flushes: (.host | sum_of("hv_flush_")),
	flushes_ex: (.host | .hv_flush_space_ex + .hv_flush_list_ex),
	ipis: (.host | sum_of("hv_send_ipi")),
	exits: .host.exits
};
