# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced after lib.sh by the scripts that work on a base: its names and places,
# and a git that behaves the same on every machine.

# Left by a git hook, these would point git at another repository.
# shellcheck disable=SC2046 # one name per word
unset $(git rev-parse --local-env-vars 2>/dev/null)

# use_base X.Y: sets base and the places that belong to it.
# shellcheck disable=SC2034 # used by the scripts that source this
use_base()
{
	[[ $1 =~ ^[0-9]+\.[0-9]+$ ]] ||
		usage_error "base '$1' is not a kernel version such as 6.12"
	base=$1
	dir=$build/$base
	git=$dir/git
	patches=$top/patches/$base
}

# base_options ARG...: for the scripts that know --base and --help only.
base_options()
{
	local want=${BASE:-6.12}

	while [ $# -gt 0 ]; do
		case $1 in
		--base)	[ $# -ge 2 ] || usage_error "--base wants a version"
			want=$2; shift 2;;
		--help)	help_text; exit 0;;
		*)	usage_error "unknown argument '$1'";;
		esac
	done
	use_base "$want"
}

# The series without its cover letter, one path per line, in order.
series_patches()
{
	find "$patches" -maxdepth 1 -name '[0-9]*.patch' ! -name '0000-*' |
		sort
}

# added_by PATCH...: the files that it creates, one path per line.
added_by()
{
	git apply --summary "$@" | sed -n 's/^ create mode [0-7]* //p'
}

# Which folder an added file belongs to, and under what name.
folder_of()
{
	case $1 in
	arch/x86/hyperv/*)	echo "arch-x86-hyperv/${1#arch/x86/hyperv/}";;
	arch/x86/xen/*)		echo "arch-x86-xen/${1#arch/x86/xen/}";;
	*)			echo "mm-generic/$1";;
	esac
}

# write_folders TREE TO: the files that the commits of TREE add to its tag
# `base`, below TO as the folders of the project show them.
write_folders()
{
	local file to

	kgit -C "$1" diff --no-renames --diff-filter=A --name-only -z base HEAD |
	while IFS= read -r -d '' file; do
		to=$2/$(folder_of "$file")
		mkdir -p "${to%/*}"
		cp -p "$1/$file" "$to"
	done
}

# kernel_version < Makefile: "6.12.117"
kernel_version()
{
	awk '$2 == "=" && $1 ~ /^(VERSION|PATCHLEVEL|SUBLEVEL)$/ { v[$1] = $3 }
	     END { print v["VERSION"] "." v["PATCHLEVEL"] "." v["SUBLEVEL"] }'
}

# git without the user's and the system's settings: they change what it writes.
kgit()
{
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git \
		-c core.autocrlf=false -c core.fileMode=true \
		-c commit.gpgsign=false -c gc.auto=0 "$@"
}

# Whoever applies the series, the commits get the same ids.
fixed_committer()
{
	local who='s/^M:[[:space:]]*\(.*\) <\(.*\)>$/'

	GIT_COMMITTER_NAME=$(sed -n "$who\\1/p;T;q" "$top/MAINTAINERS")
	GIT_COMMITTER_EMAIL=$(sed -n "$who\\2/p;T;q" "$top/MAINTAINERS")
	export GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
}

# What the work tree `series` was made from or exported to: as long as this
# file says so, nothing in it would be lost.
series_record()
{
	local p

	git -C "$git" rev-parse 'base^{commit}'
	series_patches | while read -r p; do cat "$p"; done | sha256sum
	git -C "$dir/series" rev-parse HEAD
}

# A scratch directory on the file system of build/, gone when the script ends.
# For the holder of a lock: what a killed command left is removed.
scratch_dir()
{
	tmp=$dir/.$me
	rm -rf "$tmp"
	mkdir "$tmp"
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# One at a time: lock NAME holds build/<base>/.NAME.lock until the script ends.
lock()
{
	mkdir -p "$dir"
	exec 9>"$dir/.$1.lock"
	flock -n 9 && return
	say "another command is working on $1: waiting for it"
	flock 9
}
