// SPDX-License-Identifier: GPL-2.0
/*
 * kvmcap CAPABILITY: exit status 0 if this machine's KVM runs a VM at a speed of
 * use and answers KVM_CHECK_EXTENSION(CAPABILITY) with more than 0, else 1 and
 * the reason in one line. /dev/kvm being there promises neither: there is one
 * that interprets instruction by instruction, and takes minutes for a kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE		4096
#define CODE		0x1000		/* guest physical */
#define KVM_AREA	0xfffbd000	/* three pages that Intel's real mode needs */

/*
 * Twenty million times round, and HLT: some hundredths of a second for a
 * processor, and many seconds for an interpreter.
 */
#define LIMIT_S		2
static const unsigned char program[] = {
	0x66, 0xb9, 0x00, 0x2d, 0x31, 0x01,	/* mov $20000000, %ecx */
	0x66, 0x49,				/* dec %ecx */
	0x75, 0xfc,				/* jnz to the dec */
	0xf4,					/* hlt */
};

static const char help[] =
"Usage: kvmcap CAPABILITY\n"
"Asks this machine's KVM for a capability by its number, 0 for none but a VM\n"
"that runs.\n"
"Exit status: 0 it is there, 1 it is not, 64 wrong command line.\n";

static int refuse(const char *what)
{
	fprintf(stderr, "kvmcap: %s: %s\n", what, strerror(errno));
	return 1;
}

static void out_of_time(int sig)
{
	static const char text[] = "kvmcap: KVM runs, but at no speed of use\n";

	(void)sig;
	_exit(write(STDERR_FILENO, text, sizeof(text) - 1) != 0);
}

/* A CPU in real mode at the program's beginning. */
static int make_cpu(int vm)
{
	struct kvm_userspace_memory_region memory = {
		.guest_phys_addr = CODE,
		.memory_size = PAGE,
	};
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	void *code;
	int cpu;

	code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED)
		return -1;
	memcpy(code, program, sizeof(program));
	memory.userspace_addr = (unsigned long)code;
	if (ioctl(vm, KVM_SET_TSS_ADDR, KVM_AREA) < 0 ||
	    ioctl(vm, KVM_SET_USER_MEMORY_REGION, &memory) < 0)
		return -1;
	cpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (cpu < 0 || ioctl(cpu, KVM_GET_SREGS, &sregs) < 0)
		return -1;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(cpu, KVM_SET_SREGS, &sregs) < 0 ||
	    ioctl(cpu, KVM_SET_REGS, &regs) < 0)
		return -1;
	return cpu;
}

/* Does it get as far as the HLT, and soon? */
static int run(int kvm, int vm)
{
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	int cpu = make_cpu(vm);
	struct kvm_run *run;

	if (size < 0 || cpu < 0)
		return refuse("/dev/kvm makes no CPU");
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
	if (run == MAP_FAILED)
		return refuse("mmap of a virtual CPU");
	signal(SIGALRM, out_of_time);
	alarm(LIMIT_S);
	if (ioctl(cpu, KVM_RUN, 0) < 0)
		return refuse("KVM_RUN");
	alarm(0);
	if (run->exit_reason != KVM_EXIT_HLT) {
		fprintf(stderr, "kvmcap: a HLT ends with KVM's exit reason %u\n",
			run->exit_reason);
		return 1;
	}
	return 0;
}

static int ask(int cap)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm, answer;

	if (kvm < 0)
		return refuse("cannot open /dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		return refuse("/dev/kvm makes no VM");
	if (cap) {
		answer = ioctl(kvm, KVM_CHECK_EXTENSION, cap);
		if (answer < 0)
			return refuse("KVM_CHECK_EXTENSION");
		if (!answer) {
			fprintf(stderr, "kvmcap: KVM has no capability %d\n", cap);
			return 1;
		}
	}
	return run(kvm, vm);
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
