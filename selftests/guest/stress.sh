#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# stress.sh - stress-ng's memory calls in a guest, and what it verifies
#
# usage: stress.sh [--seconds N] BOOT_OPTION...
#
#   --seconds N  for all stressors together (default 1200)
#   BOOT_OPTION  as for `boot`: the lane, the kernel, and more
#
# Runs Debian's stress-ng in the guest: all stressors of its class vm one after another,
# each twice at the same time, with --verify. Ends with the status of `boot`: that of
# stress-ng, or what happened to the guest. Left out are those that test nothing of
# memory management (bad-altstack, watchdog), that fill the guest (bigheap), and
# that the lab's kernels have no system call or device for (physpage, shm-sysv, swap,
# vm-rw). The output of stress-ng follows, with what each stressor did.

set -euo pipefail
# shellcheck source=selftests/lab/lib.sh
. "$(dirname "$0")/../lab/lib.sh"

seconds=1200
case ${1:-} in
--help)	help_text; exit 0;;
--seconds)
	[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || usage_error "--seconds wants a number"
	seconds=$2
	shift 2;;
esac
[ $# -gt 0 ] || usage_error "no options for boot"
need stress-ng

stressors=(--class vm --sequential 2 --exclude
	"bad-altstack,bigheap,physpage,shm-sysv,swap,vm-rw,watchdog")
# Without those that this stress-ng leaves out by itself.
nr=$(stress-ng "${stressors[@]}" --dry-run 2>&1 |
	sed -n 's/.*dispatching hogs: //p' | wc -w) || true
nr=$((nr / 2))
[ "$nr" -gt 0 ] || die "this stress-ng has no stressors of the class vm"
each=$(((seconds + nr - 1) / nr))
say "$nr stressors, $each seconds each"
exec "$top/selftests/lab/boot" --mem 2048 --timeout $((3 * seconds + 300)) "$@" \
	--run "$(command -v stress-ng)" "${stressors[@]}" --timeout "${each}s" \
	--verify --oomable --temp-path /tmp --metrics-brief
