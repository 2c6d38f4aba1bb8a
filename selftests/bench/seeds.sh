# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced after lib.sh by what measures in the deterministic mode.

# QEMU's emulated SVM delivers an injected interrupt once more, whatever the guest's
# interrupt flag says, if it leaves its CPU loop before the guest's next VM exit.
# In the deterministic mode it does so at each timer, and more than half of the
# seeds would hang before user space. The EOI at the beginning of a handler is such
# an exit, unless hv-vapic saves it.
# shellcheck disable=SC2034 # used by the scripts that source this
seed_cpu=hv-vapic=off

# Real seconds until a seed counts as one that hangs. One that boots is done in 15
# to 30 where little else runs.
watchdog=45

# for_seeds WANTED WHAT COMMAND...: runs COMMAND... SEED, one seed after another,
# until WANTED of them have booted. COMMAND's status is that of `boot`. A hang would
# repeat: the next seed takes the place of one that hangs.
for_seeds()
{
	local wanted=$1 what=$2 good=0 seed=0 status

	shift 2
	while [ "$good" -lt "$wanted" ]; do
		seed=$((seed + 1))
		[ "$seed" -le $((20 * wanted)) ] ||
			die "$what: $((seed - 1)) seeds, $good of them booted"
		status=0
		"$@" "$seed" || status=$?
		case $status in
		0)	good=$((good + 1))
			say "$what: seed $seed, $good of $wanted";;
		204)	say "$what: seed $seed hangs before user space";;
		*)	die "$what: seed $seed: the boot ended with status $status";;
		esac
	done
}
