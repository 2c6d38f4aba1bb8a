# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by every script of the lab: where things are, and how they speak.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034 # used by the scripts that source this
{
	build=$(realpath -m "${BUILD:-$top/build}")
	me=${0##*/}
	export LC_ALL=C
}

# One line that says what is wrong and what to do; status 1, unless a script passes
# on those of other programs and has one of its own.
die()
{
	printf '%s: %s\n' "$me" "$*" >&2
	exit "${die_status:-1}"
}

# The same for a wrong command line; status 64 (EX_USAGE).
usage_error()
{
	printf '%s: %s (see %s --help)\n' "$me" "$*" "$me" >&2
	exit 64
}

# What is being done, with the time since the script began.
say()
{
	printf '[%3d s] %s: %s\n' "$SECONDS" "$me" "$*" >&2
}

# The comment block after the licence line is the help text.
help_text()
{
	sed -n '3,/^$/s/^# \{0,1\}//p' "$0"
}

# need PROGRAM [PACKAGE]: a tool that must be there.
need()
{
	command -v "$1" >/dev/null ||
		die "$1 is missing: apt-get install ${2:-$1}, or run 'make deps'"
}
