// SPDX-License-Identifier: GPL-2.0
/*
 * kvmcap CAPABILITY: exit status 0 if this machine's KVM makes a VM and
 * answers KVM_CHECK_EXTENSION(CAPABILITY) with more than 0, else 1 and the
 * reason in one line. /dev/kvm being there promises neither.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static const char help[] =
"Usage: kvmcap CAPABILITY\n"
"Asks this machine's KVM for a capability by its number, 0 for none but a VM.\n"
"Exit status: 0 it is there, 1 it is not, 64 wrong command line.\n";

static int refuse(const char *what)
{
	fprintf(stderr, "kvmcap: %s: %s\n", what, strerror(errno));
	return 1;
}

static int ask(int cap)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int answer;

	if (kvm < 0)
		return refuse("cannot open /dev/kvm");
	if (ioctl(kvm, KVM_CREATE_VM, 0) < 0)
		return refuse("/dev/kvm makes no VM");
	if (!cap)
		return 0;
	answer = ioctl(kvm, KVM_CHECK_EXTENSION, cap);
	if (answer < 0)
		return refuse("KVM_CHECK_EXTENSION");
	if (!answer) {
		fprintf(stderr, "kvmcap: KVM has no capability %d\n", cap);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	char *end;
	long cap;

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return fputs(help, stdout) < 0;
	if (argc != 2) {
		fputs("kvmcap: one capability number is needed (see kvmcap --help)\n", stderr);
		return 64;
	}
	cap = strtol(argv[1], &end, 10);
	if (*end || end == argv[1] || cap < 0 || cap > 0xffff) {
		fprintf(stderr, "kvmcap: '%s' is no capability number\n", argv[1]);
		return 64;
	}
	return ask(cap);
}
