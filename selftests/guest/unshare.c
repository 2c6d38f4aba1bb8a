// SPDX-License-Identifier: GPL-2.0
/*
 * unshare: is a CPU told of a hugetlb table that was unshared, which only holds the
 * mm lazily?
 *
 * Two processes share a table of huge pages. One unmaps it: to its CPUs that is a
 * table freed, for the other process may free it at any time, and a lazy CPU may
 * have it in its paging-structure caches. Who is told is counted by what the series
 * shows in /sys/kernel/debug/pvtlb, and by row TLB of /proc/interrupts.
 */
#include <inttypes.h>
#include <linux/memfd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"
#include "lab_mark.h"
#include "others.h"
#include "pvtlb.h"
#include "tool.h"

#define HUGE		(2UL << 20)
#define GIB		(1UL << 30)
#define NR_HUGEPAGES	"/proc/sys/vm/nr_hugepages"
#define HUGE_PAGES	2

static uint64_t rounds = 20;
static const char *states = "l";

static void must(bool done, const char *what)
{
	if (!done)
		die_errno("%s failed", what);
}

static void map_table(char *area, int fd)
{
	must(mmap(area, GIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED |
		  MAP_NORESERVE, fd, 0) == area, "mmap");
}

/* A table is shared if a page that only the other process touched needs no fault. */
static bool shares_table(char *area)
{
	LOAD(area);
	return read_without_fault(area + HUGE);
}

/* The process that keeps the table. */
static pid_t start_other(char *area)
{
	int ready[2];
	pid_t child;
	char c = 0;

	must(!pipe(ready), "pipe");
	child = fork();
	must(child >= 0, "fork");
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		STORE(area, 1);
		STORE(area + HUGE, 1);
		must(write(ready[1], &c, 1) == 1, "write");
		for (;;)
			pause();
	}
	must(read(ready[0], &c, 1) == 1, "read");
	close(ready[0]);
	close(ready[1]);
	return child;
}

/*
 * What is around @area is mapped too, so that the table of PUDs stays: no table is
 * freed that would be a reason of its own to tell lazy CPUs.
 */
static char *reserve(void)
{
	char *p = mmap(NULL, 4 * GIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
		       MAP_NORESERVE, -1, 0);

	must(p != MAP_FAILED, "mmap");
	p = (char *)(((uintptr_t)p + GIB - 1) & -GIB) + GIB;
	LOAD(p - 1);
	LOAD(p + GIB);
	return p;
}

/* CPUs that were told to flush, by hypercall or by interrupt. */
static uint64_t told(void)
{
	struct pvtlb_counters hv = {0};
	uint64_t tlb;

	pvtlb_counters(&hv);
	if (!lab_irq_sum("TLB", &tlb))
		die("/proc/interrupts has no row TLB");
	return hv.targets + tlb;
}

static void test(char *area, int fd)
{
	unsigned int wanted = others_count('r') + others_count('l');
	uint64_t i, before, sum = 0, shared = 0;

	for (i = 0; i < rounds; i++) {
		map_table(area, fd);
		shared += shares_table(area);
		others_settle();
		before = told();
		must(!munmap(area, GIB), "munmap");
		sum += told() - before;
	}
	ksft_print_msg("%" PRIu64 " rounds, %" PRIu64 " with a shared table: %" PRIu64
		       " CPUs were told\n", rounds, shared, sum);
	if (!shared)
		ksft_test_result_skip("no table is shared (CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING)\n");
	else
		ksft_test_result(shared == rounds && sum >= rounds * wanted,
				 "%u CPUs told each time\n", wanted);
}

static const char help[] =
"Usage: unshare [-n ROUNDS] [-s STATES]\n"
"Unmaps a hugetlb table that another process shares, and fails if a CPU is not\n"
"told to flush that holds this process's mm, lazily or not. Prints KTAP.\n"
"  -n ROUNDS   how often (20)\n"
"  -s STATES   what the other CPUs do (l):\n"
OTHERS_HELP
"Status: 0 pass, 1 fail, 64 wrong usage. Needs root.\n";

static void read_options(int argc, char **argv)
{
	int c;

	help_option(argc, argv, help);
	while ((c = getopt(argc, argv, ":n:s:")) != -1) {
		switch (c) {
		case 'n':
			rounds = parse_number("-n", optarg, 1, 100000);
			break;
		case 's':
			states = optarg;
			break;
		default:
			bad_option(c, argv);
		}
	}
	if (optind < argc)
		usage_error("'%s' is not an option", argv[optind]);
	others_check(states);
}

int main(int argc, char **argv)
{
	static uint64_t page[4096 / sizeof(uint64_t)];
	char *area;
	pid_t other;
	int fd;

	read_options(argc, argv);
	ksft_print_header();
	ksft_set_plan(1);
	fd = memfd_create("unshare", MFD_HUGETLB | MFD_HUGE_2MB | MFD_CLOEXEC);
	if (fd < 0 || !write_number(NR_HUGEPAGES, HUGE_PAGES))
		ksft_exit_skip("no huge pages to be had\n");
	must(!ftruncate(fd, GIB), "ftruncate");
	area = reserve();
	map_table(area, fd);
	other = start_other(area);
	others_start(states, page);
	test(area, fd);
	must(!kill(other, SIGKILL) && waitpid(other, NULL, 0) == other, "waitpid");
	must(write_number(NR_HUGEPAGES, 0), NR_HUGEPAGES);
	ksft_finished();
}
