// SPDX-License-Identifier: GPL-2.0
/*
 * targets: a storm of flushes whose targets are known.
 *
 * The first CPU replaces one page again and again, the others are each in a
 * state of others.h. Only those that run must be told. What was told is known
 * to the host alone: selftests/hostmask looks there for what is printed here.
 */
#include <inttypes.h>
#include <sys/mman.h>

#include "kselftest.h"
#include "lab_mark.h"
#include "others.h"
#include "pvtlb.h"
#include "tool.h"

#define PAGE	4096UL

static uint64_t flushes = 50;
static const char *states = "lrlirol";

/* Of three pages: no flush frees the page table. */
static void storm(char *pages)
{
	uint64_t i;

	for (i = 0; i < flushes; i++) {
		if (madvise(pages + PAGE, PAGE, MADV_DONTNEED))
			die_errno("MADV_DONTNEED failed");
		STORE(pages + PAGE, 1);
	}
}

static void report(const struct pvtlb_counters *c)
{
	unsigned int running = others_count('r');

	ksft_print_msg("hypercalls %" PRIu64 ", entries %" PRIu64 ", full %" PRIu64
		       ", targets %" PRIu64 ", lazy %" PRIu64 ", not loaded %"
		       PRIu64 ", self only %" PRIu64 "\n", c->hypercalls,
		       c->entries, c->full, c->targets, c->lazy, c->not_loaded,
		       c->self_only);
	ksft_test_result(running ? c->hypercalls >= flushes :
			 !c->hypercalls && c->self_only >= flushes,
			 "one hypercall each, none without a target\n");
	ksft_test_result(c->targets == c->hypercalls * running,
			 "%u targets each\n", running);
	ksft_test_result(c->lazy >= flushes * others_count('l'),
			 "%u lazy CPUs skipped each time\n", others_count('l'));
}

static const char help[] =
"Usage: targets [-n FLUSHES] [-s STATES]\n"
"Flushes one page again and again from the first CPU, in the lab's interval\n"
"'targets', and prints what the host must see in it. Checks the counters in\n"
"/sys/kernel/debug/pvtlb, if there are any. Prints KTAP.\n"
"  -n FLUSHES  how many (50)\n"
"  -s STATES   what the other CPUs do (lrlirol):\n"
OTHERS_HELP
"Status: 0 pass, 1 fail, 64 wrong usage.\n";

static void read_options(int argc, char **argv)
{
	int c;

	help_option(argc, argv, help);
	while ((c = getopt(argc, argv, ":n:s:")) != -1) {
		switch (c) {
		case 'n':
			flushes = parse_number("-n", optarg, 1, 1000000);
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
	struct pvtlb_counters before, after;
	bool counted;
	char *pages;
	int i;

	read_options(argc, argv);
	pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		die_errno("mmap failed");
	memset(pages, 1, 3 * PAGE);
	others_start(states, pages);
	others_settle();
	/* Where processes were forked, what is written from now on is copied. */
	memset(pages, 1, 3 * PAGE);

	ksft_print_header();
	ksft_set_plan(3);
	others_expect("targets", others_count('r') ? flushes : 0,
		      others_count('r') ? UINT64_MAX : 0);
	counted = pvtlb_counters(&before);
	lab_mark("targets");
	storm(pages);
	lab_mark("gap");
	pvtlb_counters(&after);
	pvtlb_since(&after, &before);
	if (counted)
		report(&after);
	for (i = 0; !counted && i < 3; i++)
		ksft_test_result_skip("no counters in " PVTLB_DIR "\n");
	ksft_finished();
}
