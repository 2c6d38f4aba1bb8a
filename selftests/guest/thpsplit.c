// SPDX-License-Identifier: GPL-2.0
/*
 * thpsplit: what is flushed when huge pages are split or moved?
 *
 * A split or a move replaces one entry of a page table and frees none. So it is
 * nobody's business but that of CPUs that run the process, and theirs is one
 * translation and not all of them. Each operation is done on every huge page
 * of an area while the other CPUs are in states of others.h; then this counts
 * what was flushed: interrupts for it (row TLB), flushes by reason and by
 * pages (event tlb_flush), hypercalls (/sys/kernel/debug/pvtlb).
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <sys/mman.h>

#include "hist.h"
#include "kselftest.h"
#include "lab_mark.h"
#include "others.h"
#include "pvtlb.h"
#include "tool.h"

#define PAGE		4096UL
#define HUGE		(2UL << 20)

/* Reasons of the event: enum tlb_flush_reason. */
enum { SWITCH, REMOTE, LOCAL, LOCAL_MM };

struct counts {
	uint64_t tlb;		/* interrupts of the other CPUs */
	uint64_t all[LOCAL_MM + 1];	/* events: everything flushed, */
	uint64_t some[LOCAL_MM + 1];	/* only some pages */
	uint64_t huge_left;
	struct pvtlb_counters hv;
};

struct op {
	const char *name;
	const char *(*run)(char *area, size_t len);
	bool splits;
};

static int main_cpu;
static uint64_t nr_pages = 100;
static const char *states = "l";
static const char *filter = "*";
static bool no_remote, no_full;
static char *spare;

static void must(bool done, const char *what)
{
	if (!done)
		die_errno("%s failed", what);
}

/* Of those that are worked on: one or two may be in use just then. */
static uint64_t most_pages(void)
{
	return nr_pages - nr_pages / 10;
}

/* The operations; each returns NULL or why this kernel cannot do it */

static const char *by_mprotect(char *area, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += HUGE)
		must(!mprotect(area + i + PAGE, PAGE, PROT_READ), "mprotect");
	return NULL;
}

static const char *by_madvise(char *area, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += HUGE)
		must(!madvise(area + i + PAGE, PAGE, MADV_DONTNEED),
		     "MADV_DONTNEED");
	return NULL;
}

static const char *by_munmap(char *area, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += HUGE)
		must(!munmap(area + i + PAGE, PAGE), "munmap");
	return NULL;
}

/* The page itself, not only its mapping; as reclaim and compaction do it. */
static const char *by_debugfs(char *area, size_t len)
{
	char text[64];

	snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", getpid(), (uintptr_t)area,
		 (uintptr_t)area + len);
	return write_file("/sys/kernel/debug/split_huge_pages", text) ? NULL :
		"/sys/kernel/debug/split_huge_pages cannot be written";
}

/*
 * The target is huge pages apart from a multiple of 1 GiB just as the source
 * is not: whole tables cannot be moved instead.
 */
static const char *by_mremap(char *area, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += HUGE)
		must(mremap(area + i, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			    spare + i) == spare + i, "mremap");
	return NULL;
}

static const struct op ops[] = {
	{ "mprotect", by_mprotect, true },
	{ "madvise", by_madvise, true },
	{ "munmap", by_munmap, true },
	{ "debugfs", by_debugfs, true },
	{ "mremap", by_mremap, false },
};

static void read_events(struct counts *c)
{
	FILE *file = hist_open();
	uint64_t reason, pages, hits;
	char line[256];
	int cpu;

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "{ reason: %" SCNu64 ", pages: %" SCNu64
			   ", common_cpu: %d } hitcount: %" SCNu64, &reason,
			   &pages, &cpu, &hits) == 4) {
			if (reason > LOCAL_MM || !pages ||
			    (reason == REMOTE) == (cpu == main_cpu))
				continue;
			if (pages == UINT64_MAX)
				c->all[reason] += hits;
			else
				c->some[reason] += hits;
		} else {
			hist_is_dropped(line);
		}
	}
	fclose(file);
}

/* Row TLB of /proc/interrupts without the column of this CPU. */
static uint64_t tlb_interrupts(void)
{
	FILE *file = fopen("/proc/interrupts", "re");
	int columns[MAX_CPUS], nr = 0, i, n;
	static char line[16384];
	uint64_t value, sum = 0;
	char *p;

	must(file && fgets(line, sizeof(line), file), "/proc/interrupts");
	for (p = line; nr < MAX_CPUS && sscanf(p, " CPU%d%n", &columns[nr], &n) == 1;
	     p += n)
		nr++;
	while (fgets(line, sizeof(line), file)) {
		p = line + strspn(line, " ");
		if (strncmp(p, "TLB:", 4))
			continue;
		for (i = 0, p += 4; i < nr; i++) {
			value = strtoull(p, &p, 10);
			sum += columns[i] == main_cpu ? 0 : value;
		}
	}
	fclose(file);
	return sum;
}

/* One operation */

static uint64_t huge_pages(const char *area, size_t len)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long from, to, kb, sum = 0;
	bool inside = false;
	char line[512];

	must(file, "/proc/self/smaps");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = from < (uintptr_t)area + len &&
				 (uintptr_t)area < to;
		else if (inside && sscanf(line, "AnonHugePages: %lu", &kb) == 1)
			sum += kb;
	}
	fclose(file);
	return sum * 1024 / HUGE;
}

/* Then it is not for khugepaged any more, which would make huge pages again. */
static void fill(char *area, size_t len)
{
	size_t i;

	must(mmap(area, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		  MAP_FIXED, -1, 0) == area, "mmap");
	must(!madvise(area, len, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	for (i = 0; i < len; i += HUGE)
		STORE(area + i, 1);
	must(!madvise(area, len, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
}

static void interval_name(char *name, size_t size, const struct op *op)
{
	snprintf(name, size, "thpsplit.%s", op->name);
}

static const char *count(const struct op *op, char *area, size_t len,
			 struct counts *c)
{
	struct pvtlb_counters before;
	char name[64];
	uint64_t tlb;
	const char *why;

	fill(area, len);
	if (huge_pages(area, len) != nr_pages)
		return "not enough transparent huge pages to be had";
	others_settle();
	interval_name(name, sizeof(name), op);
	others_expect(name, others_count('r') ? nr_pages / 2 : 0,
		      others_count('r') ? UINT64_MAX : 0);
	hist_clear();
	pvtlb_counters(&before);
	tlb = tlb_interrupts();
	lab_mark(name);
	why = op->run(area, len);
	lab_mark("gap");
	c->tlb = tlb_interrupts() - tlb;
	pvtlb_counters(&c->hv);
	pvtlb_since(&c->hv, &before);
	read_events(c);
	c->huge_left = huge_pages(op->splits ? area : spare, len);
	return why;
}

static bool is_right(const struct op *op, const struct counts *c)
{
	uint64_t done = op->splits ? nr_pages - c->huge_left : c->huge_left;

	if (done < most_pages()) {
		ksft_print_msg("%s: only %" PRIu64 " huge pages were\n", op->name,
			       done);
		return false;
	}
	if (no_remote && (c->tlb || c->hv.hypercalls))
		return false;
	/* All that was flushed, whoever did it, were single pages. */
	if (no_full && (c->all[REMOTE] || c->all[LOCAL] || c->all[LOCAL_MM]))
		return false;
	return !no_full || (c->some[LOCAL_MM] >= most_pages() &&
			    c->some[REMOTE] >= nr_pages / 2 * others_count('r'));
}

static void test(const struct op *op, char *area, size_t len)
{
	struct counts c = {0};
	const char *why = count(op, area, len, &c);

	if (why) {
		ksft_test_result_skip("%s: %s\n", op->name, why);
		return;
	}
	ksft_print_msg("%s: TLB interrupts %" PRIu64 "; on other CPUs %" PRIu64
		       " full and %" PRIu64 " partial flushes, on this %" PRIu64
		       " and %" PRIu64 "; hypercalls %" PRIu64 ", %" PRIu64
		       " full\n", op->name, c.tlb, c.all[REMOTE], c.some[REMOTE],
		       c.all[LOCAL_MM], c.some[LOCAL_MM], c.hv.hypercalls,
		       c.hv.full);
	ksft_test_result(is_right(op, &c), "%s\n", op->name);
}

static const char help[] =
"Usage: thpsplit [-n PAGES] [-s STATES] [-k OP] [--no-remote] [--no-full]\n"
"Splits huge pages in several ways, and moves them, and counts the flushes, in\n"
"the lab's interval 'thpsplit.OP'. Fails if pages stay whole. Prints KTAP.\n"
"  -n PAGES     huge pages per operation (100)\n"
"  -s STATES    what the other CPUs do (l):\n"
OTHERS_HELP
"  -k OP        only operations whose name matches this shell pattern: mprotect,\n"
"               madvise, munmap, debugfs, mremap\n"
"  --no-remote  fail also if another CPU was told, by interrupt or hypercall\n"
"  --no-full    fail also if any CPU, this one included, was interrupted to flush\n"
"               or flushed for itself more than single pages\n"
"Status: 0 pass, 1 fail, 64 wrong usage. Needs root.\n";

static void read_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "no-remote", no_argument, NULL, 'R' },
		{ "no-full", no_argument, NULL, 'F' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":n:s:k:", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			nr_pages = parse_number("-n", optarg, 1, 400);
			break;
		case 's':
			states = optarg;
			break;
		case 'k':
			filter = optarg;
			break;
		case 'R':
			no_remote = true;
			break;
		case 'F':
			no_full = true;
			break;
		case 'h':
			fputs(help, stdout);
			exit(0);
		default:
			bad_option(c, argv);
		}
	}
	if (optind < argc)
		usage_error("'%s' is not an option", argv[optind]);
	others_check(states);
}

/* The areas lie within one and the same GiB, so only pages can be moved. */
static char *reserve(size_t len)
{
	char *p = mmap(NULL, 2UL << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	must(p != MAP_FAILED, "mmap");
	p = (char *)(((uintptr_t)p + (1UL << 30) - 1) & -(1UL << 30));
	spare = p + len;
	return p;
}

int main(int argc, char **argv)
{
	static uint64_t page[PAGE / sizeof(uint64_t)];
	unsigned int i, n = 0;
	size_t len;
	char *area;

	read_options(argc, argv);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		n += !fnmatch(filter, ops[i].name, 0);
	if (!n)
		usage_error("no operation matches '%s'", filter);
	at_end(hist_end);
	hist_begin("tlb/tlb_flush", "keys=reason,pages,common_cpu");
	ksft_print_header();
	ksft_set_plan(n);
	len = nr_pages * HUGE;
	area = reserve(len);
	others_start(states, page);
	main_cpu = sched_getcpu();
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		if (!fnmatch(filter, ops[i].name, 0))
			test(&ops[i], area, len);
	ksft_finished();
}
