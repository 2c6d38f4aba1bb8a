// SPDX-License-Identifier: GPL-2.0
/*
 * tables: who is interrupted when page tables are taken out of use?
 *
 * GUP-fast walks page tables without a lock, with interrupts off. Where a table
 * changes its use without going through RCU, mainline interrupts all CPUs, so
 * that no such walker is left: when it collapses 4K pages into a huge page,
 * when the last but one process leaves a hugetlb table that they shared, and
 * when there is no memory to collect tables for RCU. The operations below do
 * each of these many times while a thread of this process runs on every other
 * CPU, so that flushes of its translations count as well.
 *
 * As in noipi, rows TLB and CAL of /proc/interrupts are read for all CPUs, and
 * the event csd_queue_cpu names each function that was sent, here with the
 * stacks it was sent from. Judged are the broadcast for walkers and the flush
 * of user translations. Everything else that the kernel sends meanwhile (its
 * own translations, the scheduler, RCU) is printed with its owner. An interrupt
 * that no event explains counts as a failure, and so does a function that comes
 * with half of the operations or more and is not the scheduler's: whoever it
 * belongs to, the operation is what sends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "hist.h"
#include "kselftest.h"
#include "lab_mark.h"
#include "pvtlb.h"
#include "tool.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB	(21U << 26)
#endif

#define PAGE		4096UL
#define HUGE		(2UL << 20)	/* what one page table maps */
#define GIB		(1UL << 30)	/* and one table of huge pages */
#define KEYS		"keys=func.sym,common_stacktrace:" \
			"sort=hitcount.descending:size=8192"
#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define KHUGEPAGED	THP "khugepaged/"
#define NR_HUGEPAGES	"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
#define FAIL		"/sys/kernel/debug/fail_page_alloc/"
#define FAIL_TASK	"/proc/thread-self/make-it-fail"
#define FAIL_TIMES	1000000000

#define SETTLE_US	20000
#define POLL_US		20000
#define PATIENCE_NS	(60 * NSEC_PER_SEC)
#define TRIES		50	/* of one collapse */
#define MAX_CALLS	64
#define MAX_STACKS	2	/* printed of each function */
#define AT_ONCE		100	/* huge pages that exist at a time */
#define STORM_TABLES	16	/* page tables of one munmap */
#define ZAP_PAGES	8	/* that a round of zap-rounds populates */

/*
 * Past this many callbacks of a CPU (rcutree.qhimark) RCU does all it can to
 * end the grace period and takes no more pauses between them.
 */
#define QHIMARK		10000

/* Page tables that other processes may have got or given back meanwhile. */
#define OTHER_TABLES	16

struct counts {
	uint64_t tlb, cal;
	uint64_t walkers, flushes, others;	/* calls by what they are for */
	uint64_t most_alike;	/* of a function among these that may not come often */
};

/* What an operation did. */
struct outcome {
	uint64_t done;
	const char *skip;	/* NULL, or why it says nothing */
	bool wrong;
};

struct op {
	const char *name;
	const char *unit;
	uint64_t times;
	/* NULL, or why this kernel cannot do it */
	const char *(*prepare)(uint64_t times);
	void (*run)(const struct op *op, uint64_t times, struct outcome *o);
	void (*leave)(void);
};

/* A function that was sent to other CPUs. */
struct call {
	char func[128];
	uint64_t hits;
	unsigned int stacks;
};

struct setting {
	const char *path;
	char old[32];
};

static const struct owner {
	const char *func, *name;
	bool often;		/* may come with each operation */
} owners[] = {
	{ "tlb_remove_table_smp_sync", "wait for lockless walkers, mm/mmu_gather.c", false },
	{ "flush_tlb_func", "user translations, arch/x86/mm/tlb.c", false },
	{ "do_kernel_range_flush", "kernel translations, arch/x86/mm/tlb.c", false },
	{ "do_flush_tlb_all", "kernel translations, arch/x86/mm/tlb.c", false },
	{ "sched_ttwu_pending", "scheduler: a wakeup", true },
	{ "nohz_csd_func", "scheduler: balancing", true },
	{ "rcu_exp_handler", "RCU: expedited grace period", false },
	{ "rcu_barrier_handler", "RCU: barrier", false },
	{ "do_sync_core", "kernel text, arch/x86/kernel/alternative.c", false },
	{ "drop_mm_ref_this_cpu", "Xen: unpin an mm, arch/x86/xen/mmu_pv.c", true },
};

static struct call calls[MAX_CALLS];
static unsigned int nr_calls;
static struct setting settings[16];
static unsigned int nr_settings;
static _Atomic unsigned int running;
static unsigned int nr_cpus;
static char *area;		/* of 1 GiB, aligned to it */
static uint64_t times;
static uint64_t rounds = 2000;
static bool alone, expect_ipi;
static const char *filter = "*";

static void must(bool done, const char *what)
{
	if (!done)
		die_errno("%s failed", what);
}

static bool read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return n >= 0;
}

/* Settings of the machine, which get their old values back at the end */

static bool change(const char *path, const char *value)
{
	struct setting *s = &settings[nr_settings];
	char text[64], *word;

	s->path = path;
	if (!read_text(path, text, sizeof(text)))
		return false;
	/* Of several words the one in brackets is in force. */
	word = strchr(text, '[');
	word = word ? word + 1 : text;
	word[strcspn(word, "]\n")] = '\0';
	snprintf(s->old, sizeof(s->old), "%.31s", word);
	if (!write_file(path, value))
		return false;
	nr_settings++;
	return true;
}

static void restore_settings(void)
{
	while (nr_settings) {
		nr_settings--;
		write_file(settings[nr_settings].path, settings[nr_settings].old);
	}
}

static void clean_up(void)
{
	restore_settings();
	hist_end();
}

static struct call *find_call(const char *func)
{
	unsigned int i;

	for (i = 0; i < nr_calls; i++)
		if (!strcmp(calls[i].func, func))
			return &calls[i];
	if (nr_calls == MAX_CALLS)
		die("more than %d functions were sent", MAX_CALLS);
	snprintf(calls[i].func, sizeof(calls[i].func), "%s", func);
	calls[i].hits = 0;
	calls[i].stacks = 0;
	nr_calls++;
	return &calls[i];
}

/*
 * Appends the function of one line of a stack, without offset and size. What is
 * above the event's own function is the event's. Without frame pointers and ORC
 * (CONFIG_UNWINDER_GUESS) there are functions in it that had returned before.
 */
static void add_frame(char *stack, size_t size, const char *func,
		      const char *line)
{
	size_t len = strlen(stack);
	char frame[128];

	if (sscanf(line, " %127[^+\n]", frame) != 1)
		return;
	if (!strcmp(frame, "trace_event_raw_event_csd_queue_cpu"))
		stack[0] = '\0';
	else if (strncmp(frame, "smp_call_function", 17) && strcmp(frame, func))
		snprintf(stack + len, size - len, " < %s", frame);
}

/*
 * What was sent since the histogram was cleared, most frequent stacks first. An
 * entry is a line with the function, one for each frame, and one with the count.
 */
static void read_calls(const char *name)
{
	FILE *file = hist_open();
	char line[512], func[128] = "", stack[2048] = "";
	struct call *call;
	uint64_t hits;

	nr_calls = 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "{ func: [%*[^]]] %127[^ ,]", func) == 1) {
			stack[0] = '\0';
		} else if (sscanf(line, "} hitcount: %" SCNu64, &hits) == 1) {
			call = find_call(func);
			call->hits += hits;
			if (call->stacks++ < MAX_STACKS)
				ksft_print_msg("%s: %" PRIu64 " times %s%s\n", name,
					       hits, func, stack);
		} else if (!hist_is_dropped(line) && line[0] == ' ') {
			add_frame(stack, sizeof(stack), func, line);
		}
	}
	fclose(file);
}

static const struct owner *owner_of(const char *func)
{
	static const struct owner unknown = { .name = "of whom, see its stack" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(owners); i++)
		if (!strcmp(owners[i].func, func))
			return &owners[i];
	return &unknown;
}

static void sum_calls(struct counts *c, const char *name)
{
	const struct owner *owner;
	const struct call *call;

	for (call = calls; call < calls + nr_calls; call++) {
		owner = owner_of(call->func);
		ksft_print_msg("%s: %" PRIu64 " calls of %s (%s)\n", name,
			       call->hits, call->func, owner->name);
		if (!strcmp(call->func, "tlb_remove_table_smp_sync"))
			c->walkers += call->hits;
		else if (!strcmp(call->func, "flush_tlb_func"))
			c->flushes += call->hits;
		else
			c->others += call->hits;
		if (!owner->often && call->hits > c->most_alike)
			c->most_alike = call->hits;
	}
}

static void read_irqs(struct counts *c)
{
	if (!lab_irq_sum("TLB", &c->tlb) || !lab_irq_sum("CAL", &c->cal))
		die("/proc/interrupts has no row TLB or CAL");
}

/*
 * The other CPUs. Not by others.h: a thread of real-time priority would keep
 * away the kernel threads for which a collapse waits.
 */

static void *run_user_code(void *arg)
{
	static _Atomic uint64_t word;

	pin_to((int)(intptr_t)arg);
	running++;
	for (;;)
		atomic_load_explicit(&word, memory_order_relaxed);
	return NULL;
}

static void start_threads(const int *cpus)
{
	pthread_t thread;
	unsigned int i;

	for (i = 1; i < nr_cpus; i++) {
		errno = pthread_create(&thread, NULL, run_user_code,
				       (void *)(intptr_t)cpus[i]);
		must(!errno, "pthread_create");
	}
	while (running < nr_cpus - 1)
		;
}

/* The area */

static void map_anonymous(size_t len, int prot)
{
	must(mmap(area, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
		  MAP_NORESERVE, -1, 0) == area, "mmap");
}

static void reserve_area(void)
{
	char *p = mmap(NULL, 2 * GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		       MAP_NORESERVE, -1, 0);

	must(p != MAP_FAILED, "mmap");
	area = (char *)(((uintptr_t)p + GIB - 1) & -GIB);
}

/* With 4K pages, also where huge pages are given to everyone. */
static void populate(size_t len)
{
	must(!prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), "PR_SET_THP_DISABLE");
	must(!madvise(area, len, MADV_POPULATE_WRITE), "MADV_POPULATE_WRITE");
	must(!prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0), "PR_SET_THP_DISABLE");
}

static void fill(size_t len)
{
	map_anonymous(len, PROT_READ | PROT_WRITE);
	populate(len);
}

static uint64_t huge_pages(size_t len)
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

/* Collapse by this thread and by khugepaged */

static const char *no_collapse(uint64_t n)
{
	(void)n;
	if (access(THP "enabled", F_OK))
		return "no transparent huge pages: " THP " is missing";
	fill(HUGE);
	if (madvise(area, HUGE, MADV_COLLAPSE) && errno == EINVAL)
		return "this kernel has no MADV_COLLAPSE";
	map_anonymous(HUGE, PROT_NONE);
	return NULL;
}

/* A page may be in use just then; returns how often that was so. */
static unsigned int collapse(char *page, bool *done)
{
	unsigned int tries = 0;

	while (madvise(page, HUGE, MADV_COLLAPSE)) {
		must(errno == EAGAIN || errno == EBUSY || errno == ENOMEM,
		     "MADV_COLLAPSE");
		if (++tries == TRIES)
			break;
		usleep(1000);
	}
	*done = tries < TRIES;
	return tries;
}

static void run_collapse(const struct op *op, uint64_t n, struct outcome *o)
{
	uint64_t left, i, at_once, repeats = 0;
	bool done;

	for (left = n; left; left -= at_once) {
		at_once = left < AT_ONCE ? left : AT_ONCE;
		fill(at_once * HUGE);
		for (i = 0; i < at_once; i++) {
			repeats += collapse(area + i * HUGE, &done);
			o->done += done;
		}
		map_anonymous(at_once * HUGE, PROT_NONE);
	}
	if (repeats)
		ksft_print_msg("%s: %" PRIu64 " repeats\n", op->name, repeats);
}

static const char *set_up_khugepaged(uint64_t n)
{
	char text[64];
	(void)n;

	if (!read_text(THP "enabled", text, sizeof(text)))
		return "no transparent huge pages: " THP " is missing";
	if (strstr(text, "[never]") && !change(THP "enabled", "madvise"))
		return THP "enabled cannot be written";
	if (!change(KHUGEPAGED "scan_sleep_millisecs", "0") ||
	    !change(KHUGEPAGED "alloc_sleep_millisecs", "1") ||
	    !change(KHUGEPAGED "pages_to_scan", "1000000"))
		return "the settings in " KHUGEPAGED " cannot be written";
	return NULL;
}

static void run_khugepaged(const struct op *op, uint64_t n, struct outcome *o)
{
	uint64_t left, at_once, huge, end;

	(void)op;
	for (left = n; left; left -= at_once) {
		at_once = left < AT_ONCE ? left : AT_ONCE;
		fill(at_once * HUGE);
		must(!madvise(area, at_once * HUGE, MADV_HUGEPAGE),
		     "MADV_HUGEPAGE");
		end = now_ns() + PATIENCE_NS;
		do {
			usleep(POLL_US);
			huge = huge_pages(at_once * HUGE);
		} while (huge < at_once && now_ns() < end);
		o->done += huge;
		map_anonymous(at_once * HUGE, PROT_NONE);
	}
}

/* Hugetlb tables that are shared, and how a child leaves its parent's */

/*
 * A table is shared by those who map the whole GiB that it can map. Two huge
 * pages are there.
 */
static const char *map_hugetlb(uint64_t n)
{
	char text[32];
	int fd, want;

	(void)n;
	if (!read_text(NR_HUGEPAGES, text, sizeof(text)))
		return "no hugetlb pages: " NR_HUGEPAGES " is missing";
	want = atoi(text) + 2;
	snprintf(text, sizeof(text), "%d", want);
	if (!change(NR_HUGEPAGES, text) ||
	    !read_text(NR_HUGEPAGES, text, sizeof(text)) || atoi(text) < want)
		return "no two hugetlb pages to be had";
	fd = memfd_create("tables", MFD_HUGETLB | MFD_HUGE_2MB | MFD_CLOEXEC);
	if (fd < 0)
		return "no memfd of huge pages to be had";
	must(!ftruncate(fd, GIB), "ftruncate");
	must(mmap(area, GIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED |
		  MAP_NORESERVE, fd, 0) == area, "mmap");
	close(fd);
	STORE(area, 1);
	STORE(area + HUGE, 1);
	return NULL;
}

/*
 * The first access takes a fault, which finds the parent's table. If it is
 * shared then, the second page is there already.
 */
static bool shares_table(void)
{
	LOAD(area);
	return read_without_fault(area + HUGE);
}

static void leave_by_mprotect(void)
{
	must(!mprotect(area, GIB, PROT_READ), "mprotect");
}

/* What is left is less than the GiB. */
static void leave_by_munmap(void)
{
	must(!munmap(area + GIB / 2, HUGE), "munmap");
}

static void run_hugetlb(const struct op *op, uint64_t n, struct outcome *o)
{
	uint64_t i;
	pid_t child;
	int status;

	for (i = 0; i < n; i++) {
		child = fork();
		must(child >= 0, "fork");
		if (!child) {
			if (!shares_table())
				_exit(KSFT_FAIL);
			if (op->leave)
				op->leave();
			_exit(KSFT_PASS);
		}
		must(waitpid(child, &status, 0) == child, "waitpid");
		o->done += status == W_EXITCODE(KSFT_PASS, 0);
	}
	if (!o->done)
		o->skip = "no hugetlb table is shared (CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING)";
}

/* Page tables for which there is no memory to collect them */

/*
 * What fails is allocations of this thread that may not sleep, and only within
 * munmap. That is the page to collect tables in; there are no pages to collect,
 * for the areas were only read.
 */
static const char *set_up_failures(uint64_t n)
{
	char number[32];

	(void)n;
	if (access(FAIL "probability", F_OK))
		return "no " FAIL " (CONFIG_FAIL_PAGE_ALLOC)";
	snprintf(number, sizeof(number), "%d", FAIL_TIMES);
	if (access(FAIL_TASK, W_OK) || !change(FAIL "task-filter", "Y") ||
	    !change(FAIL "ignore-gfp-wait", "Y") || !change(FAIL "verbose", "0") ||
	    !change(FAIL "min-order", "0") || !change(FAIL "interval", "1") ||
	    !change(FAIL "space", "0") || !change(FAIL "times", number) ||
	    !change(FAIL "probability", "100"))
		return "the settings in " FAIL " cannot be written";
	return NULL;
}

static void run_munmap(const struct op *op, uint64_t n, struct outcome *o)
{
	int fd = open(FAIL_TASK, O_WRONLY | O_CLOEXEC);
	uint64_t left, at_once, failed, i;
	char text[32];

	must(fd >= 0, FAIL_TASK);
	for (left = n; left; left -= at_once) {
		at_once = left < STORM_TABLES ? left : STORM_TABLES;
		map_anonymous(at_once * HUGE, PROT_READ);
		must(!madvise(area, at_once * HUGE, MADV_NOHUGEPAGE),
		     "MADV_NOHUGEPAGE");
		for (i = 0; i < at_once; i++)
			LOAD(area + i * HUGE);
		must(write(fd, "1", 1) == 1, FAIL_TASK);
		must(!munmap(area, at_once * HUGE), "munmap");
		must(write(fd, "0", 1) == 1, FAIL_TASK);
	}
	close(fd);
	must(read_text(FAIL "times", text, sizeof(text)), FAIL "times");
	failed = FAIL_TIMES - atoi(text);
	ksft_print_msg("%s: %" PRIu64 " page tables, %" PRIu64
		       " allocations failed\n", op->name, n, failed);
	o->done = failed < n ? failed : n;
	if (o->done < n / 2)
		o->skip = "page tables are not collected here: they are freed as pages, without RCU";
}

/* Tables that wait for RCU */

/* In pages; the destructor of a page table runs just before it is freed. */
static int64_t page_tables(void)
{
	static char text[4096];
	static int fd = -1;
	ssize_t len;
	int64_t kb;
	char *p;

	if (fd < 0)
		fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	len = pread(fd, text, sizeof(text) - 1, 0);
	must(len > 0, "/proc/meminfo");
	text[len] = '\0';
	p = strstr(text, "PageTables:");
	if (!p || sscanf(p, "PageTables: %" SCNd64, &kb) != 1)
		die("/proc/meminfo has no PageTables");
	return kb * 1024 / (int64_t)PAGE;
}

/* A grace period from beginning to end, and what the CPUs keep counted. */
static int64_t page_tables_after_rcu(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(SETTLE_US);	/* without the call, with nohz_full */
	write_file("/proc/sys/vm/stat_refresh", "1");
	return page_tables();
}

/* By how much page_tables() may be wrong: so much each CPU counts for itself. */
static int64_t counting_error(void)
{
	FILE *file = fopen("/proc/zoneinfo", "re");
	int64_t threshold, most = 0;
	char line[256];

	must(file, "/proc/zoneinfo");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " vm stats threshold: %" SCNd64, &threshold) == 1 &&
		    threshold > most)
			most = threshold;
	fclose(file);
	return most * nr_cpus;
}

/* Waits until they are @goal or, without one, as long as they get fewer. */
static int64_t drain(int64_t goal)
{
	uint64_t end = now_ns() + PATIENCE_NS;
	int64_t now = page_tables_after_rcu(), last;
	unsigned int same = 0;

	while (now > goal && same < 20 && now_ns() < end) {
		last = now;
		usleep(SETTLE_US);
		now = page_tables_after_rcu();
		same = now < last ? 0 : same + 1;
	}
	return now;
}

/* One round puts one page table out of use, whatever is mapped by it. */
static uint64_t zap_round(bool *done)
{
	uint64_t repeats;

	populate(ZAP_PAGES * PAGE);
	repeats = collapse(area, done);
	must(!madvise(area, HUGE, MADV_DONTNEED), "MADV_DONTNEED");
	return repeats;
}

static const char *set_up_zap(uint64_t n)
{
	const char *why = no_collapse(n);
	bool done;

	if (!why) {
		map_anonymous(HUGE, PROT_READ | PROT_WRITE);
		zap_round(&done);
	}
	return why;
}

static void run_zap(const struct op *op, uint64_t n, struct outcome *o)
{
	int64_t start = drain(0), error = counting_error();
	int64_t now, left, high[4] = {0}, most = 0, per_second;
	uint64_t i, repeats = 0, begin = now_ns();
	unsigned int q;
	bool done;

	for (i = 0; i < n; i++) {
		repeats += zap_round(&done);
		o->done += done;
		now = page_tables() - start;
		q = i * 4 / n;
		if (now > high[q])
			high[q] = now;
		if (now > most)
			most = now;
	}
	per_second = n * NSEC_PER_SEC / (now_ns() - begin) + 1;
	now = page_tables() - start;
	left = drain(start) - start;
	ksft_print_msg("%s: page tables that wait for RCU: at most %" PRId64
		       " (+-%" PRId64 "); by quarters %" PRId64 " %" PRId64 " %"
		       PRId64 " %" PRId64 "; %" PRId64 " in the end, %" PRId64
		       " after RCU; %" PRIu64 " repeats\n", op->name, most, error,
		       high[0], high[1], high[2], high[3], now, left, repeats);
	/*
	 * What waits is what comes within a grace period, whatever the number of
	 * rounds; where the host is busy, one can take a second. If nothing were
	 * freed, the last quarter would have four times as many as the first,
	 * and all would be left.
	 */
	o->wrong = left > OTHER_TABLES || most > QHIMARK + error ||
		   high[3] > 2 * high[0] + per_second + error;
}

static const struct op ops[] = {
	{ "collapse", "huge pages", 200, no_collapse, run_collapse, NULL },
	{ "khugepaged", "huge pages", 200, set_up_khugepaged, run_khugepaged, NULL },
	{ "hugetlb-fork", "forks", 1000, map_hugetlb, run_hugetlb, NULL },
	{ "hugetlb-mprotect", "forks", 200, map_hugetlb, run_hugetlb,
	  leave_by_mprotect },
	{ "hugetlb-munmap", "forks", 200, map_hugetlb, run_hugetlb,
	  leave_by_munmap },
	{ "munmap-nobatch", "page tables", 1000, set_up_failures, run_munmap, NULL },
	{ "zap-rounds", "rounds", 0, set_up_zap, run_zap, NULL },
};

/* One operation */

static void count(const struct op *op, uint64_t n, struct outcome *o,
		  struct counts *c)
{
	struct counts before = {0};
	uint64_t start;
	char name[64];

	snprintf(name, sizeof(name), "tables.%s", op->name);
	usleep(SETTLE_US);	/* what was sent before has arrived */
	lab_mark(name);
	hist_clear();
	read_irqs(&before);
	start = now_ns();
	op->run(op, n, o);
	start = now_ns() - start;
	usleep(SETTLE_US);
	read_irqs(c);
	read_calls(op->name);
	lab_mark("gap");
	c->tlb -= before.tlb;
	c->cal -= before.cal;
	sum_calls(c, op->name);
	ksft_print_msg("%s: %" PRIu64 " of %" PRIu64 " %s in %" PRIu64
		       " ms: TLB %" PRIu64 ", CAL %" PRIu64 "; calls for walkers %"
		       PRIu64 ", for flushes %" PRIu64 ", others %" PRIu64 "\n",
		       op->name, o->done, n, op->unit, start / 1000000, c->tlb,
		       c->cal, c->walkers, c->flushes, c->others);
}

/* What comes with each operation comes from it, also if its name says otherwise. */
static bool no_interrupts(const struct counts *c, uint64_t done)
{
	return !c->tlb && !c->walkers && !c->flushes && c->cal <= c->others &&
	       c->most_alike * 2 < done;
}

static bool is_right(const struct outcome *o, uint64_t n, const struct counts *c)
{
	/* One or the other page may be in use all the time. */
	if (o->wrong || o->done < n - n / 10)
		return false;
	return expect_ipi ? c->walkers + c->flushes >= o->done / 2 :
			    no_interrupts(c, o->done);
}

static void test(const struct op *op)
{
	uint64_t n = !op->times ? rounds : times ? times : op->times;
	const char *why = running || alone ? op->prepare(n) :
					     "a second CPU is needed";
	struct outcome o = {0};
	struct counts c = {0};

	if (!why) {
		count(op, n, &o, &c);
		why = o.skip;
	}
	map_anonymous(GIB, PROT_NONE);
	restore_settings();
	if (why)
		ksft_test_result_skip("%s: %s\n", op->name, why);
	else
		ksft_test_result(is_right(&o, n, &c), "%s\n", op->name);
}

static const char help[] =
"Usage: tables [-n TIMES] [-R ROUNDS] [-k OP] [--alone | --expect-ipi]\n"
"Takes page tables out of use in several ways while threads of this process run\n"
"on all other CPUs, and fails when one was interrupted for it: for lockless\n"
"walkers of page tables, to flush user translations, or by anything that comes\n"
"with every other operation. Other calls between CPUs are printed, not judged;\n"
"all with the stacks they came from. Each operation is the lab's interval\n"
"'tables.OP'. Prints KTAP.\n"
"  -n TIMES      how often (each operation has its own number), not zap-rounds\n"
"  -R ROUNDS     of zap-rounds (2000)\n"
"  -k OP         only operations whose name matches this shell pattern:\n"
"    collapse          huge pages (200) by MADV_COLLAPSE\n"
"    khugepaged        huge pages (200) by khugepaged\n"
"    hugetlb-fork      children (1000) that share a hugetlb table and exit\n"
"    hugetlb-mprotect  children (200) that leave it by mprotect\n"
"    hugetlb-munmap    children (200) that leave it by munmap of a part\n"
"    munmap-nobatch    munmap of page tables (1000) with no memory to collect them\n"
"    zap-rounds        populate, MADV_COLLAPSE, MADV_DONTNEED; fails also if the\n"
"                      tables that wait for RCU grow with the rounds, or stay\n"
"  --alone       without the threads: for the tables that wait for RCU, not for\n"
"                interrupts, of which there is nobody to get them\n"
"  --expect-ipi  the other way round: fails unless every operation interrupted\n"
"                another CPU at least every second time\n"
"Status: 0 pass, 1 fail, 64 wrong usage. Needs root.\n";

static void read_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "alone", no_argument, NULL, 'a' },
		{ "expect-ipi", no_argument, NULL, 'e' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":n:R:k:", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			times = parse_number("-n", optarg, 1, 1000000);
			break;
		case 'R':
			rounds = parse_number("-R", optarg, 1, 1000000);
			break;
		case 'k':
			filter = optarg;
			break;
		case 'a':
			alone = true;
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
	if (alone && expect_ipi)
		usage_error("--alone expects none");
}

int main(int argc, char **argv)
{
	int cpus[MAX_CPUS];
	unsigned int i, n = 0;

	read_options(argc, argv);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		n += !fnmatch(filter, ops[i].name, 0);
	if (!n)
		usage_error("no operation matches '%s'", filter);
	nr_cpus = allowed_cpus(cpus);
	at_end(clean_up);
	hist_begin("csd/csd_queue_cpu", KEYS);
	ksft_print_header();
	ksft_set_plan(n);
	reserve_area();
	pin_to(cpus[0]);
	if (!alone)
		start_threads(cpus);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		if (!fnmatch(filter, ops[i].name, 0))
			test(&ops[i]);
	ksft_finished();
}
