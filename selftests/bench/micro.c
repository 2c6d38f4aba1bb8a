// SPDX-License-Identifier: GPL-2.0
/*
 * micro: what one flush costs, by kind, size and what the other CPUs do.
 *
 * A row is OP.SIZE.PAGE.STATE. Each row runs in a process of its own, forked by
 * a parent that is bound to one CPU: a new mm has run on no other CPU, so the
 * state of a row owes nothing to the rows before it.
 *
 *   alone    the process never ran on another CPU; the others are halted
 *   running  a thread of the process runs user code on every other CPU and reads
 *            pages of the process next to those under test
 *   lazy     a thread of the process ran on every other CPU and sleeps; the idle
 *            CPU still holds the mm. It does so until another process runs
 *            there, or a flush makes it let go: so the state is made anew
 *            before every repetition, and not within one
 *   idle     as lazy, and another process ran there afterwards
 *
 * Pages next to those under test stay mapped, so that no flush frees a page
 * table. The kernel then has to flush exactly: madvise 1, munmap 1 (mmap into
 * the hole replaces nothing), mprotect 2 per round (taking the right to write
 * away, and giving it back), whatever the size. Of huge pages only: split 1 and
 * move 2 (there and back) for each of them. The pages of a split are made huge
 * again before every repetition, which therefore is a single round.
 */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lab_mark.h"
#include "tool.h"

#define KB4		4096UL
#define MB2		(2UL << 20)
#define SETTLE_NS	5000000		/* until a CPU without work is halted */
#define QUIET_LOOKS	20		/* in a row, SETTLE_NS apart */
#define MOST_LOOKS	400
#define RUN_READS	2000		/* of a thread that comes by */
#define WARM_UP		8
#define MAX_REPEAT	1000
#define MAX_GLOBS	64
#define MAX_NAME	64

enum state { ALONE, RUNNING, LAZY, IDLE, NR_STATES };

static const char * const state_names[NR_STATES] = {
	"alone", "running", "lazy", "idle",
};

/* One round; the pages are mapped, writable and written when it ends. */
typedef void (*round_fn)(char *pages, size_t len, size_t step);

struct op {
	const char *name;
	round_fn round;
	unsigned int flushes;	/* in a round */
	bool huge;		/* huge pages only, and that many for each */
	bool once;		/* a second round would find nothing to do */
};

struct size {
	unsigned int pages;
	size_t page_size;
};

struct row {
	const struct op *op;
	const struct size *size;
	enum state state;
	char name[MAX_NAME];
};

struct settings {
	uint64_t milliseconds;
	uint64_t rounds;
	uint64_t repeat;
	const char *globs[MAX_GLOBS];
	unsigned int nr_globs;
	bool list;
};

static struct settings set = { .milliseconds = 100, .repeat = 5 };

static int cpus[MAX_CPUS];
static unsigned int nr_cpus;

static void must(bool done, const char *what)
{
	if (!done)
		die_errno("%s failed", what);
}

/* The operations */

static inline void touch(char *pages, size_t len, size_t step)
{
	size_t i;

	for (i = 0; i < len; i += step)
		STORE(pages + i, 1);
}

static void round_madvise(char *pages, size_t len, size_t step)
{
	must(!madvise(pages, len, MADV_DONTNEED), "MADV_DONTNEED");
	touch(pages, len, step);
}

static void round_munmap(char *pages, size_t len, size_t step)
{
	must(!munmap(pages, len), "munmap");
	must(mmap(pages, len, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == pages, "mmap");
	touch(pages, len, step);
}

static void round_mprotect(char *pages, size_t len, size_t step)
{
	must(!mprotect(pages, len, PROT_READ), "mprotect");
	must(!mprotect(pages, len, PROT_READ | PROT_WRITE), "mprotect");
	touch(pages, len, step);
}

/*
 * A mapping that ends inside a huge page splits it. Nothing else is flushed,
 * since for the pages themselves nothing changes.
 */
static void round_split(char *pages, size_t len, size_t step)
{
	size_t i;

	for (i = 0; i < len; i += step)
		must(!madvise(pages + i, KB4, MADV_DONTFORK), "MADV_DONTFORK");
	touch(pages, len, step);
}

static void move(char *from, size_t len, char *to)
{
	must(mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to,
	     "mremap");
}

/* Behind the neighbour that follows the pages there is room for them. */
static void round_move(char *pages, size_t len, size_t step)
{
	char *room = pages + len + step;

	move(pages, len, room);
	touch(room, len, step);
	move(room, len, pages);
	touch(pages, len, step);
}

static const struct op ops[] = {
	{ "madvise", round_madvise, 1, false, false },
	{ "munmap", round_munmap, 1, false, false },
	{ "mprotect", round_mprotect, 2, false, false },
	{ "split", round_split, 1, true, true },
	{ "move", round_move, 2, true, false },
};

static const struct size sizes[] = {
	{ 1, KB4 }, { 2, KB4 }, { 4, KB4 }, { 8, KB4 }, { 16, KB4 }, { 33, KB4 },
	{ 64, KB4 }, { 1, MB2 }, { 4, MB2 }, { 100, MB2 },
};

/* Not every operation is there for every size. */
static bool is_row(const struct op *op, const struct size *size)
{
	bool huge = size->page_size == MB2;

	if (op->round == round_munmap && huge)
		return false;
	if (op->huge && !huge)
		return false;
	/* So many only where a few would be over too soon. */
	return size->pages < 100 || op->once;
}

static unsigned int flushes_of(const struct row *row)
{
	return row->op->flushes * (row->op->huge ? row->size->pages : 1);
}

static const char * const quick[] = {
	"madvise.1.4K.alone", "madvise.1.4K.running", "madvise.1.4K.lazy",
	"mprotect.4.2M.running", "munmap.16.4K.running",
};

/* The memory of a row */

struct memory {
	char *pages;
	size_t len;
	size_t step;
	char *neighbour;
};

static char *map_at(char *place, size_t len)
{
	char *p = mmap(place, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | (place ? MAP_FIXED : 0),
		       -1, 0);

	must(p != MAP_FAILED, "mmap");
	return p;
}

static void touch_as(char *pages, size_t len, size_t step)
{
	must(!madvise(pages, len, step == MB2 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE),
	     "madvise");
	touch(pages, len, step);
}

/*
 * Page by page from 2 MiB on: a written page, the pages under test, another;
 * then room for the pages to move to, and one more.
 */
static void map_memory(struct memory *m, const struct row *row)
{
	size_t used, room;
	char *p;

	m->step = row->size->page_size;
	m->len = row->size->pages * m->step;
	used = m->len + 2 * m->step;
	room = row->op->round == round_move ? m->len : 0;
	p = map_at(NULL, used + room + m->step + MB2);
	p = (char *)(((uintptr_t)p + MB2 - 1) & -MB2);
	touch_as(p, used, m->step);
	if (room) {
		touch_as(p + used + room, m->step, m->step);
		must(!munmap(p + used, room), "munmap");
	}
	m->neighbour = p;
	m->pages = p + m->step;
}

static void map_again(const struct memory *m)
{
	must(!munmap(m->pages, m->len), "munmap");
	map_at(m->pages, m->len);
	touch_as(m->pages, m->len, m->step);
}

/* Are all pages of the row and their neighbours huge? */
static bool all_huge(const struct memory *m)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long from, to, kb, sum = 0;
	bool inside = false;
	char line[512];

	must(file, "/proc/self/smaps");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = from < (uintptr_t)m->pages + m->len + m->step &&
				 (uintptr_t)m->neighbour < to;
		else if (inside && sscanf(line, "AnonHugePages: %lu", &kb) == 1)
			sum += kb;
	}
	fclose(file);
	return sum * 1024 >= m->len + 2 * m->step;
}

/* The other CPUs */

static const struct memory *shared;
static _Atomic uint32_t visit;		/* a futex: threads come by once for each */
static _Atomic uint32_t arrived;
static _Atomic uint32_t started;

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake_all(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void settle(void)
{
	struct timespec ts = { .tv_nsec = SETTLE_NS };

	nanosleep(&ts, NULL);
}

/* How many tasks run or want to, this one included. */
static unsigned int running_tasks(void)
{
	unsigned int n = 1;
	char line[256];
	FILE *f = fopen("/proc/stat", "r");

	if (!f)
		return n;
	while (fgets(line, sizeof(line), f) &&
	       sscanf(line, "procs_running %u", &n) != 1)
		;
	fclose(f);
	return n;
}

/*
 * A kernel that has just booted still works in threads of its own, for a tenth of
 * a second and more. A CPU that runs one holds the mm lazily, and then no flush is
 * for it.
 */
static void wait_for_others(void)
{
	unsigned int quiet = 0, looks;

	for (looks = 0; quiet < QUIET_LOOKS && looks < MOST_LOOKS; looks++) {
		settle();
		quiet = running_tasks() == 1 ? quiet + 1 : 0;
	}
	if (quiet < QUIET_LOOKS)
		puts("# other tasks do not stop running");
}

static void *run_always(void *arg)
{
	pin_to((int)(intptr_t)arg);
	started++;
	for (;;)
		LOAD(shared->neighbour);
	return NULL;
}

static void *run_when_called(void *arg)
{
	uint32_t seen = 0;
	int i;

	pin_to((int)(intptr_t)arg);
	started++;
	for (;;) {
		while (visit == seen)
			futex_wait(&visit, seen);
		seen = visit;
		for (i = 0; i < RUN_READS; i++)
			LOAD(shared->neighbour);
		arrived++;
	}
	return NULL;
}

/*
 * Returns when all are past their first steps: these map memory, for which they
 * would find room where the caller unmaps pages in order to map them again.
 */
static void start_threads(void *(*run)(void *))
{
	unsigned int i;
	pthread_t thread;

	for (i = 1; i < nr_cpus; i++) {
		errno = pthread_create(&thread, NULL, run,
				       (void *)(intptr_t)cpus[i]);
		must(!errno, "pthread_create");
	}
	while (started < nr_cpus - 1)
		sched_yield();
}

static void await_arrivals(void)
{
	while (arrived < nr_cpus - 1)
		sched_yield();
}

/* Another process comes by on every other CPU. */
static void let_others_run(void)
{
	unsigned int i;
	int n;
	pid_t child;

	for (i = 1; i < nr_cpus; i++) {
		child = fork();
		must(child >= 0, "fork");
		if (!child) {
			pin_to(cpus[i]);
			for (n = 0; n < RUN_READS; n++)
				LOAD(shared->neighbour);
			_exit(0);
		}
		must(waitpid(child, NULL, 0) == child, "waitpid");
	}
}

static void establish_once(enum state state)
{
	if (state == ALONE)
		return;
	start_threads(state == RUNNING ? run_always : run_when_called);
}

/* Before every repetition, outside of what is timed and counted. */
static void establish(enum state state, const struct memory *m)
{
	if (state == LAZY || state == IDLE) {
		arrived = 0;
		visit++;
		futex_wake_all(&visit);
		await_arrivals();
		settle();
	}
	if (state == IDLE)
		let_others_run();
	/* A fork has made all pages read-only: this is not to be timed. */
	touch(m->pages, m->len, m->step);
	settle();
}

/* Timing */

static uint64_t time_rounds(const struct row *row, const struct memory *m,
			    uint64_t rounds)
{
	uint64_t i, began = now_ns();

	for (i = 0; i < rounds; i++)
		row->op->round(m->pages, m->len, m->step);
	return now_ns() - began;
}

/* How many rounds take the time that was asked for. */
static uint64_t calibrate(const struct row *row, const struct memory *m)
{
	uint64_t wanted = set.milliseconds * 1000000, rounds = 1, took;

	if (row->op->once)
		return 1;
	if (set.rounds)
		return set.rounds;
	for (;;) {
		took = time_rounds(row, m, rounds);
		if (took >= wanted / 8 || took >= wanted)
			break;
		rounds *= 2;
	}
	rounds = rounds * wanted / (took ? took : 1);
	return rounds ? rounds : 1;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_row(const struct row *row, uint64_t rounds, double *ns)
{
	double sum = 0, median;
	uint64_t i, half = set.repeat / 2;

	for (i = 0; i < set.repeat; i++)
		sum += ns[i];
	qsort(ns, set.repeat, sizeof(*ns), by_value);
	median = set.repeat % 2 ? ns[half] : (ns[half - 1] + ns[half]) / 2;
	printf("micro\t%s\t%u\t%s\t%s\t%" PRIu64 "\t%u\t%.1f\t%.1f\n",
	       row->op->name, row->size->pages,
	       row->size->page_size == MB2 ? "2M" : "4K",
	       state_names[row->state], rounds, flushes_of(row), median,
	       sum / (double)set.repeat);
}

static void skip_row(const struct row *row, const char *why)
{
	printf("# SKIP %s: %s\n", row->name, why);
}

static void run_row(const struct row *row)
{
	static double ns[MAX_REPEAT];
	struct memory m;
	uint64_t i, rounds;

	map_memory(&m, row);
	shared = &m;
	establish_once(row->state);
	time_rounds(row, &m, row->op->once ? 1 : WARM_UP);
	rounds = calibrate(row, &m);
	for (i = 0; i < set.repeat; i++) {
		if (row->op->once)
			map_again(&m);
		if (m.step == MB2 && !all_huge(&m)) {
			skip_row(row, "no transparent huge pages to be had");
			return;
		}
		establish(row->state, &m);
		lab_mark(row->name);
		ns[i] = (double)time_rounds(row, &m, rounds) / (double)rounds;
		lab_mark("gap");
	}
	print_row(row, rounds, ns);
}

static bool wanted(const struct row *row)
{
	unsigned int i;

	for (i = 0; i < set.nr_globs; i++)
		if (!fnmatch(set.globs[i], row->name, 0))
			return true;
	return !set.nr_globs;
}

static void run_in_process(const struct row *row)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	must(child >= 0, "fork");
	if (!child) {
		run_row(row);
		exit(0);
	}
	must(waitpid(child, &status, 0) == child, "waitpid");
	if (status)
		die("row %s ended with status %#x", row->name, status);
}

/* Runs or lists the rows that are wanted; returns their number. */
static unsigned int all_rows(bool run)
{
	unsigned int i, rows = 0;
	struct row row;

	for (i = 0; i < ARRAY_SIZE(ops) * ARRAY_SIZE(sizes) * NR_STATES; i++) {
		row.state = i % NR_STATES;
		row.size = &sizes[i / NR_STATES % ARRAY_SIZE(sizes)];
		row.op = &ops[i / NR_STATES / ARRAY_SIZE(sizes)];
		if (!is_row(row.op, row.size))
			continue;
		snprintf(row.name, sizeof(row.name), "%s.%u.%s.%s", row.op->name,
			 row.size->pages, row.size->page_size == MB2 ? "2M" : "4K",
			 state_names[row.state]);
		if (!wanted(&row))
			continue;
		rows++;
		if (set.list)
			puts(row.name);
		else if (run && row.state != ALONE && nr_cpus < 2)
			skip_row(&row, "a second CPU is needed");
		else if (run)
			run_in_process(&row);
	}
	return rows;
}

static const char help[] =
"Usage: micro [-T MS | -n ROUNDS] [-r REPEAT] [-c CPUS] [-q] [-k GLOB]... [-l]\n"
"Times TLB flushes. A row OP.SIZE.PAGE.STATE is one of madvise, munmap, mprotect,\n"
"split and move, of SIZE pages of 4K or 2M, while the other CPUs are: alone (never\n"
"ran the process), running (a thread of it), lazy (ran a thread, idle now), idle\n"
"(ran another process since). Prints one line per row, tab separated.\n"
"  -T MS      time per row and repetition (100)\n"
"  -n ROUNDS  rounds per repetition instead: the same work in every run; a split\n"
"             is always one round\n"
"  -r REPEAT  repetitions, of which median and mean are printed (5)\n"
"  -c CPUS    how many CPUs to use (all this process may)\n"
"  -q         only a few rows that tell most\n"
"  -k GLOB    only rows whose name matches this shell pattern; may be repeated\n"
"  -l         list the rows\n"
"A row that this machine cannot run is a line '# SKIP ROW: reason'.\n";

static void want(const char *glob)
{
	if (set.nr_globs == MAX_GLOBS)
		usage_error("more than %d patterns", MAX_GLOBS);
	set.globs[set.nr_globs++] = glob;
}

static void read_options(int argc, char **argv)
{
	size_t i;
	int c;

	help_option(argc, argv, help);
	while ((c = getopt(argc, argv, ":T:n:r:c:k:ql")) != -1) {
		switch (c) {
		case 'T':
			set.milliseconds = parse_number("-T", optarg, 1, 3600000);
			break;
		case 'n':
			set.rounds = parse_number("-n", optarg, 1, 1ULL << 40);
			break;
		case 'r':
			set.repeat = parse_number("-r", optarg, 1, MAX_REPEAT);
			break;
		case 'c':
			nr_cpus = parse_number("-c", optarg, 1, nr_cpus);
			break;
		case 'k':
			want(optarg);
			break;
		case 'q':
			for (i = 0; i < ARRAY_SIZE(quick); i++)
				want(quick[i]);
			break;
		case 'l':
			set.list = true;
			break;
		default:
			bad_option(c, argv);
		}
	}
	if (optind < argc)
		usage_error("'%s' is not an option", argv[optind]);
}

int main(int argc, char **argv)
{
	nr_cpus = allowed_cpus(cpus);
	read_options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!all_rows(false))
		usage_error("no row matches: -l lists them");
	if (set.list)
		return 0;
	pin_to(cpus[0]);
	wait_for_others();
	puts("#tool\top\tsize\tpage\tstate\trounds\tflushes_per_round\tns_median\tns_mean");
	all_rows(true);
	return 0;
}
