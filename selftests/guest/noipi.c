// SPDX-License-Identifier: GPL-2.0
/*
 * noipi: which interrupts does a TLB flush send to CPUs that run user code?
 *
 * For each kind of flush three independent witnesses are read: row TLB of
 * /proc/interrupts (flush_tlb_func ran for another CPU), row CAL (function call
 * interrupts, those of flushes included) and the event csd_queue_cpu, counted
 * by the function that was sent. Row CAL says nothing about its cause: a call
 * that the event names and that is not flush_tlb_func belongs to something else
 * that the kernel does meanwhile, and is printed. One that no event explains
 * counts as a failure; so does a function that was sent in half of the rounds or
 * more, whatever its name, if it is not the scheduler's, which wakes tasks at any
 * rate.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "hist.h"
#include "kselftest.h"
#include "lab_mark.h"
#include "tool.h"

#define PAGE		4096UL
#define MAX_PAGES	200
#define SETTLE_US	20000

struct counts {
	uint64_t tlb;
	uint64_t cal;
	uint64_t csd_flush;
	uint64_t csd_other;
	uint64_t csd_most;	/* of one of these that is not the scheduler's */
};

struct kind {
	const char *name;
	void (*flush)(char *pages, size_t len);
};

static _Atomic unsigned int running;
static uint64_t rounds = 50;
static bool expect_ipi;
static const char *filter = "*";

static void must(bool done, const char *what)
{
	if (!done)
		die_errno("%s failed", what);
}

/* The flushes: each leaves the pages as it found them */

static void dirty(char *pages, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += PAGE)
		STORE(pages + i, 1);
}

static void map_pages(char *pages, size_t len)
{
	must(mmap(pages, len, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == pages, "mmap");
}

static void by_madvise(char *pages, size_t len)
{
	dirty(pages, len);
	must(!madvise(pages, len, MADV_DONTNEED), "MADV_DONTNEED");
}

static void by_munmap(char *pages, size_t len)
{
	dirty(pages, len);
	must(!munmap(pages, len), "munmap");
	map_pages(pages, len);
}

static void by_mprotect(char *pages, size_t len)
{
	dirty(pages, len);
	must(!mprotect(pages, len, PROT_READ), "mprotect");
	must(!mprotect(pages, len, PROT_READ | PROT_WRITE), "mprotect");
}

static void by_mremap(char *pages, size_t len)
{
	char *other = pages + MAX_PAGES * PAGE;

	dirty(pages, len);
	must(mremap(pages, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, other) == other,
	     "mremap");
	must(mremap(other, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, pages) == pages,
	     "mremap");
}

/* Two flushes: fork write-protects the pages, the writes replace them. */
static void by_fork(char *pages, size_t len)
{
	pid_t child;

	dirty(pages, len);
	child = fork();
	must(child >= 0, "fork");
	if (!child)
		for (;;)
			pause();
	dirty(pages, len);
	must(!kill(child, SIGKILL) && waitpid(child, NULL, 0) == child, "waitpid");
}

static const struct kind kinds[] = {
	{ "madvise", by_madvise },
	{ "munmap", by_munmap },
	{ "mprotect", by_mprotect },
	{ "mremap", by_mremap },
	{ "fork", by_fork },
};

static const unsigned int sizes[] = { 1, 16, MAX_PAGES };

static bool is_schedulers(const char *func)
{
	return !strcmp(func, "sched_ttwu_pending") || !strcmp(func, "nohz_csd_func");
}

/* Adds what was sent since the histogram was cleared; prints the others. */
static void read_calls(struct counts *c, const char *name)
{
	FILE *file = hist_open();
	char line[512], func[256];
	uint64_t hits;

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "{ func: [%*[^]]] %255s } hitcount: %" SCNu64,
			   func, &hits) == 2) {
			if (!strcmp(func, "flush_tlb_func")) {
				c->csd_flush += hits;
				continue;
			}
			c->csd_other += hits;
			if (!is_schedulers(func) && hits > c->csd_most)
				c->csd_most = hits;
			ksft_print_msg("%s: %" PRIu64 " calls of %s\n", name, hits,
				       func);
		} else {
			hist_is_dropped(line);
		}
	}
	fclose(file);
}

static void read_irqs(struct counts *c)
{
	if (!lab_irq_sum("TLB", &c->tlb) || !lab_irq_sum("CAL", &c->cal))
		die("/proc/interrupts has no row TLB or CAL");
}

/* The other CPUs */

static void *run_user_code(void *arg)
{
	static _Atomic uint64_t word;

	pin_to((int)(intptr_t)arg);
	running++;
	for (;;)
		atomic_load_explicit(&word, memory_order_relaxed);
	return NULL;
}

static void start_threads(const int *cpus, unsigned int nr)
{
	unsigned int i;
	pthread_t thread;

	pin_to(cpus[0]);
	for (i = 1; i < nr; i++) {
		errno = pthread_create(&thread, NULL, run_user_code,
				       (void *)(intptr_t)cpus[i]);
		must(!errno, "pthread_create");
	}
	while (running < nr - 1)
		;
}

/* One kind */

static struct counts count(const struct kind *kind, char *pages, size_t len,
			   const char *name)
{
	struct counts before = {0}, after = {0};
	uint64_t i;

	map_pages(pages, len);
	kind->flush(pages, len);
	usleep(SETTLE_US);	/* what was sent before has arrived */
	hist_clear();
	read_irqs(&before);
	for (i = 0; i < rounds; i++)
		kind->flush(pages, len);
	usleep(SETTLE_US);
	read_irqs(&after);
	read_calls(&after, name);
	after.tlb -= before.tlb;
	after.cal -= before.cal;
	return after;
}

static bool no_interrupts(const struct counts *c)
{
	return !c->tlb && !c->csd_flush && c->cal <= c->csd_other &&
	       c->csd_most * 2 < rounds;
}

static bool interrupts(const struct counts *c)
{
	return c->tlb && c->csd_flush;
}

static void test(const struct kind *kind, unsigned int nr_pages, char *pages)
{
	char name[32];
	struct counts c;

	snprintf(name, sizeof(name), "%s-%u", kind->name, nr_pages);
	if (fnmatch(filter, name, 0))
		return;
	if (!running) {
		ksft_test_result_skip("%s: a second CPU is needed\n", name);
		return;
	}
	c = count(kind, pages, nr_pages * PAGE, name);
	ksft_print_msg("%s: %" PRIu64 " rounds: TLB %" PRIu64 ", CAL %" PRIu64
		       ", csd flush_tlb_func %" PRIu64 ", csd others %" PRIu64 "\n",
		       name, rounds, c.tlb, c.cal, c.csd_flush, c.csd_other);
	ksft_test_result(expect_ipi ? interrupts(&c) : no_interrupts(&c), "%s\n",
			 name);
}

static const char help[] =
"Usage: noipi [-n ROUNDS] [-k KIND] [--expect-ipi]\n"
"Flushes translations in several ways while threads of this process run user\n"
"code on all other CPUs, and fails when a flush interrupted one of them, by\n"
"/proc/interrupts and by the trace event csd_queue_cpu. Prints KTAP.\n"
"  -n ROUNDS     rounds per kind (50)\n"
"  -k KIND       only kinds whose name matches this shell pattern, such as\n"
"                'munmap-*'\n"
"  --expect-ipi  the other way round: fails unless every kind sent interrupts\n"
"Status: 0 pass, 1 fail, 64 wrong usage. Needs root.\n";

static unsigned int count_tests(void)
{
	unsigned int i, k, n = 0;
	char name[32];

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (k = 0; k < ARRAY_SIZE(sizes); k++) {
			snprintf(name, sizeof(name), "%s-%u", kinds[i].name,
				 sizes[k]);
			n += !fnmatch(filter, name, 0);
		}
	}
	if (!n)
		usage_error("no kind matches '%s'", filter);
	return n;
}

static void read_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "expect-ipi", no_argument, NULL, 'e' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":n:k:", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			rounds = parse_number("-n", optarg, 1, 1000000);
			break;
		case 'k':
			filter = optarg;
			break;
		case 'e':
			expect_ipi = true;
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
}

int main(int argc, char **argv)
{
	int cpus[MAX_CPUS];
	unsigned int i, k, nr = allowed_cpus(cpus);
	char *pages;

	read_options(argc, argv);
	k = count_tests();
	at_end(hist_end);
	hist_begin("csd/csd_queue_cpu", "keys=func.sym");
	ksft_print_header();
	ksft_set_plan(k);
	pages = mmap(NULL, 2 * MAX_PAGES * PAGE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(pages != MAP_FAILED, "mmap");
	start_threads(cpus, nr);
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		for (k = 0; k < ARRAY_SIZE(sizes); k++)
			test(&kinds[i], sizes[k], pages);
	ksft_finished();
}
