# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # the variables of boot
# Sourced by boot: lanes in which Xen runs in QEMU, and our kernel
# on Xen, as dom0 or as an unprivileged guest that dom0 starts.

# What Xen needs of the machine beside the memory of its guests, in megabytes.
xen_memory=512
# The memory of a dom0 that only runs tools, beside three times its initramfs.
xen_dom0_memory=384

xen_options=(console=com1 "com1=115200,8n1" no-bootscrub spec-ctrl=no)
# Whether Xen's trace is wanted, its only counters.
xen_trace=false

# The machine of each kind of lane. A PVH dom0 needs an IOMMU, and devices whose
# DMA goes through it; a PV dom0's DMA addresses are the machine's.
xen_machine()
{
	case $accel in
	xen-pvh)
		machine=(-machine q35 -device "amd-iommu,intremap=on")
		virtio=,iommu_platform=on,disable-legacy=on
		xen_options+=("dom0=pvh")
		;;
	esac
	xen_image=$("$lab/xen" hypervisor)
	[[ ${#trace[@]} = 0 || $accel = xen-domu-* ]] || xen_trace=true
}

# xen_load KERNEL INITRD ARGUMENTS MEMORY CPUS: what QEMU loads, Xen and its
# dom0. The memory left is for the other guests.
xen_load()
{
	[[ $1 != *[[:space:]]* && $2 != *[[:space:]]* ]] ||
		die "QEMU cannot load Xen's modules from a path with spaces: $1, $2"
	load=(-kernel "$xen_image"
		-append "${xen_options[*]} dom0_mem=${4}M,max:${4}M dom0_max_vcpus=$5 dom0_vcpus_pin"
		-initrd "${1//,/,,} ${3//,/,,},${2//,/,,}")
}

# --- counters

xen_add_trace()
{
	root_xen "$1" "$("$lab/xen" tools)" xentrace
	root_copy "$1" "$lab/xen-trace" /lab/xen-trace
}

# What Xen did, as counters in the guest's marks.
xen_count()
{
	local tool

	[ -s "$out/marks" ] && [ -s "$out/xentrace.bin" ] || return 0
	tool xentrace
	"$tool" "$out/xentrace.bin" <"$out/marks" >"$work/marks" &&
		mv "$work/marks" "$out/marks"
}

# --- an unprivileged guest

# The configuration of the guest, for xl. Each of its CPUs is one of Xen's.
xen_config()
{
	local cpus

	[[ $1 != *[\"\\]* ]] || die "--append: xl takes no quote or backslash"
	printf -v cpus '"%s", ' $(seq 0 $((smp - 1)))
	cat <<-END
	name = "lab"
	type = "${accel#xen-domu-}"
	kernel = "/lab/bzImage"
	ramdisk = "/lab/guest.cpio"
	extra = "$1"
	memory = $mem
	vcpus = $smp
	cpus = [ ${cpus%, } ]
	on_poweroff = "destroy"
	on_reboot = "destroy"
	on_crash = "destroy"
	END
}

xen_make_dom0()
{
	local root=$work/l1

	mkdir -p "$root/lab"
	ln "$work/guest.cpio" "$root/lab/guest.cpio"
	cp "$kernel_image" "$root/lab/bzImage"
	xen_config "$arguments" >"$root/lab/guest.cfg"
	[ -z "$dom0_run" ] || root_copy "$root" "$dom0_run" /lab/dom0-run
	{
		cat "$("$lab/initramfs" dom0)"
		root_pack "$root"
	} >"$work/l1.cpio"
}

# QEMU for Xen, dom0 and the guest, in $l1.
xen_domu_command()
{
	local load dom0=$((xen_dom0_memory + 3 * $(megabytes "$work/l1.cpio")))

	# A script may save the guest, to a file in memory.
	[ -z "$dom0_run" ] || dom0=$((dom0 + mem))
	xen_load "$l1_kernel" "$work/l1.cpio" \
		"console=hvc0 loglevel=4 panic=-1 oops=panic" "$dom0" 1
	l1=(qemu-system-x86_64 "${tcg[@]}" -cpu "$(model)" -smp "$smp"
		-m "$((mem + dom0 + xen_memory))" "${load[@]}" "${l1_devices[@]}")
}
