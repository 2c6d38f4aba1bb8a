# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced after lib.sh by what builds root directories for the lab's machines.

# root_new DIR: an empty root, /usr-merged as Debian's is, so that paths found
# on this machine mean the same in it.
root_new()
{
	mkdir -p "$1"/usr/{bin,sbin,lib,lib64} \
		"$1"/{proc,sys,dev,run,tmp,etc,root,lab}
	ln -s usr/bin usr/sbin usr/lib usr/lib64 "$1"
	chmod 1777 "$1/tmp"
}

# root_copy DIR FILE TARGET: FILE, not a link to it, as TARGET in the root.
root_copy()
{
	mkdir -p "$1${3%/*}"
	cp -L --remove-destination "$2" "$1$3"
}

# root_program DIR FILE TARGET [ELSEWHERE]: the same with the shared libraries
# it needs, which LD_LIBRARY_PATH may let ldd find in the root ELSEWHERE.
root_program()
{
	local libs lib

	root_copy "$@"
	# ldd fails for what needs no libraries.
	libs=$(ldd "$2" 2>/dev/null) || return 0
	[[ $libs != *'not found'* ]] ||
		die "$2 needs shared libraries that are not installed here (see ldd $2)"
	while read -r lib; do
		root_copy "$1" "$lib" "${lib#"${4-}"}"
	done < <(grep -o '/[^ ]*' <<<"$libs")
}

# root_xen DIR TOOLS NAME: one of Xen's tools out of the directory TOOLS, where its
# package has it and under /usr/bin.
root_xen()
{
	local file target

	file=$(compgen -G "$2/usr/lib/xen-*/bin/$3") || file=$2/usr/bin/$3
	target=${file#"$2"}
	LD_LIBRARY_PATH=$2/usr/lib/x86_64-linux-gnu \
		root_program "$1" "$file" "$target" "$2"
	[ -e "$1/usr/bin/$3" ] || ln -s "$target" "$1/usr/bin/$3"
}

# root_merge DIR TREE: a copy of all of TREE, whose own top-level directories
# may be those that are links in a /usr-merged root.
root_merge()
{
	tar -C "$2" -c . | tar -C "$1" -x --keep-directory-symlink
}

# root_pack DIR: the root as an archive on stdout; the same files give the
# same archive. Uncompressed: a guest that is emulated loads it faster than it
# could decompress it.
root_pack()
{
	(
		cd "$1" || exit
		find . -exec touch -h -d @1700000000 {} +
		find . -print0 | sort -z |
			cpio -o -0 -H newc -R 0:0 --reproducible --quiet
	)
}
