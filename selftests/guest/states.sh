#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# states.sh - boot a kernel, change the machine's state in a storm of flushes
#
# usage: states.sh STATE BOOT-OPTION... [-- STATES-OPTION...]
#
# Runs the program states in a guest; states --help lists the states and its
# options. BOOT-OPTIONs are all that boot takes but --run, --out and --json.
# --lane and --kernel are needed; kexec and crash start this kernel once more.
#
# Exit status: 0 passed; 1 failed: by what states says, or because the kernel
# warned, died or hung after user space was reached; 4 skipped; else boot's. The
# states panic and crash pass if the guest's kernel dies in the way that was
# asked for, and without a hang.

set -euo pipefail
# shellcheck source=selftests/lab/lib.sh
. "$(dirname "$0")/../lab/lib.sh"

programs=$build/guest
boot=$top/selftests/lab/boot
# How a kernel ends that is made to.
died='Kernel panic - not syncing: sysrq triggered crash'

PASS=0 FAIL=1 SKIP=4
PANIC=201 SPLAT=202 HANG=203

# find_image KERNEL: the bzImage that boot takes.
find_image()
{
	local file

	for file in "$build/${BASE:-6.12}/$1/o/arch/x86/boot/bzImage" "$1" \
		"$1/arch/x86/boot/bzImage" "$1/o/arch/x86/boot/bzImage"; do
		if [ -f "$file" ]; then
			realpath "$file"
			return
		fi
	done
	die "no kernel '$1': run 'make kernels', or give a bzImage"
}

# What boot brings into the guest: the programs, and for kexec the kernel.
make_files()
{
	local name

	mkdir -p "$work/files/lab/bin"
	for name in states stale; do
		[ -x "$programs/$name" ] ||
			die "$programs/$name is missing: run 'make -C selftests/guest'"
		cp "$programs/$name" "$work/files/lab/bin"
	done
	case $state in
	kexec | crash) cp "$(find_image "$kernel")" "$work/files/lab/bzImage" ;;
	esac
}

extra_parameters()
{
	case $state in
	hibernate) echo "brd.rd_nr=1 brd.rd_size=524288" ;;
	crash) echo "crashkernel=320M" ;;
	esac
}

# The result of the program in the guest; none if it was not asked for.
program_status()
{
	jq -r '.program_status // empty' "$work/result.json"
}

# Not "died, and then hung".
died_as_asked()
{
	jq -r .why "$work/result.json" | grep -qxF "the guest's kernel died: $died"
}

judge()
{
	case $state:$1 in
	panic:"$PANIC")
		died_as_asked || return $FAIL
		say "the guest died as asked"
		return $PASS
		;;
	panic:*) say "the guest did not die (status $1)" ;;
	crash:"$PANIC")
		died_as_asked || return $FAIL
		[ "$(program_status)" ] ||
			say "no second kernel came up after the crash"
		return "$(program_status | grep . || echo $FAIL)"
		;;
	crash:"$PASS") say "the guest did not die" ;;
	*:"$PASS" | *:"$FAIL" | *:"$SKIP") return "$1" ;;
	esac
	case $1 in
	"$PASS") return $FAIL ;;
	"$PANIC" | "$SPLAT" | "$HANG")
		! grep -qs '^mark run' "$out/marks" || return $FAIL
		;;
	esac
	return "$1"
}

case ${1-} in
--help) help_text; exit ;;
hotplug | suspend | hibernate | kexec | crash | panic) state=$1; shift ;;
*) usage_error "'${1-}' is no state" ;;
esac
kernel='' options=() append='' slower=()
while [ $# -gt 0 ]; do
	case $1 in
	--help) help_text; exit ;;
	--run | --json | --out) usage_error "$1 is not for you to choose" ;;
	--) shift; break ;;
	--kernel | --append | --slower)
		[ $# -gt 1 ] || usage_error "$1 needs a value"
		case $1 in
		--kernel) kernel=$2 options+=("$1" "$2") ;;
		--append) append=$2 ;;
		--slower) slower=(-s "$2") options+=("$1" "$2") ;;
		esac
		shift
		;;
	*) options+=("$1") ;;
	esac
	shift
done
[ "$kernel" ] || usage_error "--kernel is needed: mainline, series or a path"

need jq
out=$build/runs/states-$state-$$
mkdir -p "$out"
work=$(mktemp -d "$out/files.XXXXXX")
trap 'rm -rf "$work"' EXIT
make_files
status=0
"$boot" "${options[@]}" --append "$append $(extra_parameters)" --out "$out" \
	--json "$work/result.json" --files "$work/files" \
	--run /lab/bin/states "${slower[@]}" "$@" "$state" || status=$?
[ -s "$work/result.json" ] || exit $status
judge $status
