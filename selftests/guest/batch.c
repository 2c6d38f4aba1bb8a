// SPDX-License-Identifier: GPL-2.0
/*
 * batch: what does reclaim ask for when it flushes several pages at once?
 *
 * Pages that were only read since they came from swap are unmapped one by one
 * and then flushed together. A few of them are a list of exactly these pages;
 * more than a host takes one by one is one flush of everything. Pages that were
 * written are flushed each before it goes to swap. A thread runs on every other
 * CPU, so each flush is one hypercall.
 */
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <sys/mman.h>

#include "kselftest.h"
#include "lab_mark.h"
#include "others.h"
#include "pvtlb.h"
#include "swap.h"
#include "tool.h"

#define PAGE		4096UL
#define MB2		(2UL << 20)
#define MAX_PAGES	64
#define TRIES		5

#ifndef MADV_COLD
#define MADV_COLD	20
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

enum { DIRTY, CLEAN };

struct row {
	const char *name;
	unsigned int pages;
	unsigned int stride;
	int clean;
	/* What is expected */
	unsigned int hypercalls;
	unsigned int min_entries, max_entries;
	unsigned int full;
};

/*
 * 15 entries are what KVM executes one by one. Reclaim itself flushes after 31
 * pages.
 */
static const struct row rows[] = {
	{ "one", 1, 1, CLEAN, 1, 1, 1, 0 },
	{ "scattered-8", 8, 2, CLEAN, 1, 8, 8, 0 },
	{ "scattered-15", 15, 2, CLEAN, 1, 15, 15, 0 },
	{ "scattered-16", 16, 2, CLEAN, 1, 0, 0, 1 },
	{ "scattered-30", 30, 2, CLEAN, 1, 0, 0, 1 },
	{ "adjacent-8", 8, 1, CLEAN, 1, 1, 1, 0 },
	{ "written-8", 8, 2, DIRTY, 8, 8, 8, 0 },
};

static const char *filter = "*";

static void must(bool done, const char *what)
{
	if (!done)
		die_errno("%s failed", what);
}

static size_t area_size(const struct row *row)
{
	return row->pages * row->stride * PAGE;
}

static void page_out(char *area, const struct row *row)
{
	must(!madvise(area, area_size(row), MADV_PAGEOUT), "MADV_PAGEOUT");
}

static unsigned int pages_out(const char *area, const struct row *row)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsigned int i, out = 0;
	uint64_t entry;
	off_t offset;

	must(fd >= 0, "/proc/self/pagemap");
	for (i = 0; i < row->pages; i++) {
		offset = (uintptr_t)(area + i * row->stride * PAGE) / PAGE *
			 sizeof(entry);
		must(pread(fd, &entry, sizeof(entry), offset) == sizeof(entry),
		     "/proc/self/pagemap");
		out += !(entry >> 63);
	}
	close(fd);
	return out;
}

/* New pages; the flush that reclaim left to do for the old ones is done. */
static void prepare(char *area, const struct row *row)
{
	size_t i;

	must(mmap(area, area_size(row), PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == area, "mmap");
	for (i = 0; i < area_size(row); i += row->stride * PAGE)
		STORE(area + i, 1);
	if (row->clean == DIRTY)
		return;
	page_out(area, row);
	must(!madvise(area, PAGE, MADV_COLD), "MADV_COLD");
	for (i = 0; i < area_size(row); i += row->stride * PAGE)
		LOAD(area + i);
}

static bool is_right(const struct row *row, const struct pvtlb_counters *c)
{
	return c->hypercalls == row->hypercalls && c->full == row->full &&
	       c->entries >= row->min_entries && c->entries <= row->max_entries;
}

enum { RIGHT, WRONG, SPLIT };

/*
 * Page out once and compare; what was found is printed. A page may be in use just
 * then: it stays, or goes in a second batch, which is one more hypercall.
 */
static int try_once(const struct row *row, char *area, const char *mark)
{
	struct pvtlb_counters before, after;
	unsigned int out;

	prepare(area, row);
	lab_mark(mark);
	pvtlb_counters(&before);
	page_out(area, row);
	pvtlb_counters(&after);
	lab_mark("gap");
	out = pages_out(area, row);
	pvtlb_since(&after, &before);
	ksft_print_msg("%s: %u of %u pages went to swap: hypercalls %" PRIu64
		       ", entries %" PRIu64 ", full %" PRIu64 "\n", row->name, out,
		       row->pages, after.hypercalls, after.entries, after.full);
	if (out != row->pages || after.hypercalls > row->hypercalls)
		return SPLIT;
	return is_right(row, &after) ? RIGHT : WRONG;
}

static void test(const struct row *row, char *area)
{
	unsigned int tries = TRIES;
	char name[64];
	int result;

	snprintf(name, sizeof(name), "batch.%s", row->name);
	do {
		result = try_once(row, area, name);
	} while (result == SPLIT && --tries);
	ksft_test_result(result == RIGHT, "%s\n", row->name);
}

static const char help[] =
"Usage: batch [-k ROW]\n"
"Sends pages to swap while threads of this process run on all other CPUs, and\n"
"checks by /sys/kernel/debug/pvtlb that a few pages are flushed as a list of\n"
"them and many as one full flush. Uses /dev/ram0 if there is no swap. Prints KTAP.\n"
"  -k ROW  only rows whose name matches this shell pattern\n"
"Status: 0 pass, 1 fail, 4 this machine cannot do it, 64 wrong usage. Needs root.\n";

static unsigned int read_options(int argc, char **argv)
{
	unsigned int i, n = 0;
	int c;

	help_option(argc, argv, help);
	while ((c = getopt(argc, argv, ":k:")) != -1) {
		if (c != 'k')
			bad_option(c, argv);
		filter = optarg;
	}
	if (optind < argc)
		usage_error("'%s' is not an option", argv[optind]);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		n += !fnmatch(filter, rows[i].name, 0);
	if (!n)
		usage_error("no row matches '%s'", filter);
	return n;
}

int main(int argc, char **argv)
{
	static uint64_t page[PAGE / sizeof(uint64_t)];
	unsigned int i, n = read_options(argc, argv);
	struct pvtlb_counters c;
	const char *why;
	char *area;

	at_end(swap_off);
	why = pvtlb_counters(&c) ? swap_on() : "no counters in " PVTLB_DIR;
	if (!why) {
		others_start("r", page);
		why = others_count('r') ? NULL : "a second CPU is needed";
	}
	if (why) {
		puts(why);
		return KSFT_SKIP;
	}
	ksft_print_header();
	ksft_set_plan(n);
	/* In one page table: reclaim takes the pages of each in a batch of its own. */
	area = mmap(NULL, 2 * MAX_PAGES * PAGE + MB2, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(area != MAP_FAILED, "mmap");
	area = (char *)(((uintptr_t)area + MB2 - 1) & -MB2);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (!fnmatch(filter, rows[i].name, 0))
			test(&rows[i], area);
	ksft_finished();
}
