// SPDX-License-Identifier: GPL-2.0
/*
 * stale: does any CPU use a translation after the call that replaced it?
 *
 * The main thread replaces pages; one worker on every other CPU keeps their
 * translations hot and judges what it sees. A judgement is sound because of
 * three orderings:
 *
 *  1. The main thread writes epoch N+1 into the new pages only after the
 *     replacing call returned, and then announces "open, N+1" (release). A
 *     worker that loads the announcement (acquire) and then loads a page is
 *     ordered after both, so through a right translation it reads N+1. The old
 *     page never holds N+1, so a stale translation cannot pass.
 *  2. Before the next replacing call the main thread announces "closed". A
 *     worker judges only if the announcement is the same before and after the
 *     access (acquire on both sides; epochs never repeat). So an access that
 *     raced with the next replacement is not judged: no false alarm.
 *  3. A CPU may translate ahead of time. Whatever makes it drop a translation
 *     (interrupt, VM exit, INVLPG) also drops what it had not yet retired, and
 *     instructions retire in order: an access that follows the announcement
 *     in the program cannot retire with a translation dropped before it.
 *
 * The same holds for stores that must fault. A store that must land in the new
 * page is judged by the main thread: the worker acknowledges (release) after
 * its store, the main thread looks for it (acquire) through its own mapping.
 *
 * The main thread closes only after every worker has acknowledged a full pass
 * over its pages, so every translation is hot when it is replaced. Every other
 * round the workers go on touching while closed (they race with the
 * replacement), every other one they stay away, so that no fault of theirs
 * makes a flush that would hide the missing one.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <linux/mman.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest.h"
#include "swap.h"
#include "tool.h"

#define KB4		4096UL
#define MB2		(2UL << 20)
#define REGION_SIZE	(128UL << 20)
#define SPARE_OFFSET	(REGION_SIZE / 4)
#define DECOY_OFFSET	(REGION_SIZE / 2)
#define DECOY_SIZE	(REGION_SIZE / 2)
#define MAX_DECOYS	64
#define MAX_WORKERS	500	/* one word each in a page */
#define FIRST_SLOT	8	/* the words before: the epoch, padding */
#define MAIN_SLOT	7
#define PICKS		8
#define MAX_FILTERS	64
#define EPOCHS_PER_PICK	8	/* rounds that go to the same pages */

#ifndef MADV_COLD
#define MADV_COLD	20
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/* What is announced: epoch << STATE_SHIFT | flags | one of enum rule. */
enum rule {
	CLOSED,		/* being replaced: judge nothing */
	VALUE,		/* a load reads the epoch, a store succeeds */
	NO_STORE,	/* a load reads the epoch, a store faults */
	NO_ACCESS,	/* a load faults */
	PARKED,		/* touch nothing: the area itself changes */
	QUIT,
	ONLY_LOAD,	/* a load reads the epoch; stores are left out */
	RULE_MASK = 7,
	QUIET = 8,	/* do not touch while closed */
	STORING = 16,	/* touch by storing too */
};

#define STATE_SHIFT	8

enum memory { SMALL, THP, HUGETLB, MEMFD };

struct area;

/* Returns NULL, or why this machine cannot do it. */
typedef const char *(*replace_fn)(struct area *a);

struct test {
	const char *name;
	replace_fn replace;
	enum memory memory;
	unsigned int pages;	/* judged, in units of the page size */
	unsigned int offset;	/* of the area, in 4K pages from 2 MiB */
	unsigned int flags;
};

#define FRESH		1	/* other pages, not the same with another right */
#define ALWAYS_STORE	2	/* never only load (which maps the zero page) */
#define NEEDS_WORKER	4	/* the main thread cannot be the judge */
#define COUNTED		8	/* replace() counts what it replaced */
#define MOVED		16	/* other pages, with what was in the old ones */
#define NEVER_STORE	32	/* the workers only load */
#define SPARSE		64	/* every other page of the area */
#define NEEDS_SWAP	128
#define ALWAYS_QUIET	256	/* the workers never touch while closed */

struct area {
	const struct test *test;
	char *base;		/* what is mapped */
	size_t len;
	char *judged;		/* the pages that are judged */
	size_t page_size;
	unsigned int pages;
	int fd;			/* MEMFD: a file of two halves, */
	bool upper;		/* the one that is mapped */
	uint64_t epoch;		/* in the pages now */
	bool must_be_fresh;	/* was just replaced by other pages */
	size_t decoys;		/* bytes of them, see take_freed_pages() */
	uint64_t rounds;
	uint64_t replaced;	/* COUNTED */
};

struct failure {
	atomic_bool set;
	int cpu;
	unsigned int page;
	uint64_t got;
	uint64_t epoch;
	const char *what;
};

struct worker {
	_Alignas(64) _Atomic uint64_t ack;
	int cpu;
	unsigned int index;
	pthread_t thread;
};

/*
 * What the threads tell each other. Shared memory, since fork makes private
 * pages copy-on-write: through a stale translation a worker would not even see
 * the announcement by which it is to judge.
 */
struct control {
	_Alignas(64) _Atomic uint64_t announced;
	_Alignas(64) struct area area;
	struct failure failure;
	struct worker workers[MAX_WORKERS];
};

static struct control *ctl;
static unsigned int nr_workers;
static int main_cpu;
static char *region;

static uint64_t seconds = 1;
static uint64_t rounds_wanted;
static const char *filters[MAX_FILTERS];
static unsigned int nr_filters;

/* Accesses that may fault */

static __thread sigjmp_buf fault_env;
static __thread atomic_bool fault_expected;

static void on_fault(int sig)
{
	if (fault_expected)
		siglongjmp(fault_env, 1);
	signal(sig, SIG_DFL);
}

static bool try_load(const uint64_t *word, uint64_t *value)
{
	bool done = !sigsetjmp(fault_env, 0);

	if (done) {
		fault_expected = true;
		*value = LOAD(word);
	}
	fault_expected = false;
	return done;
}

static bool try_store(uint64_t *word, uint64_t value)
{
	bool done = !sigsetjmp(fault_env, 0);

	if (done) {
		fault_expected = true;
		STORE(word, value);
	}
	fault_expected = false;
	return done;
}

static void catch_faults(void)
{
	struct sigaction sa = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

/* Which pages, and what is in them */

static uint64_t *page_words(const struct area *a, unsigned int page)
{
	return (uint64_t *)(a->judged + page * a->page_size);
}

/* First, last, and random pages that stay the same for some rounds. */
static unsigned int pick(const struct area *a, unsigned int who, uint64_t epoch,
			 unsigned int i)
{
	uint64_t seed = (epoch / EPOCHS_PER_PICK) << 20 | who << 4 | i;

	if (i == 0)
		return 0;
	if (i == 1)
		return a->pages - 1;
	return random_next(&seed) % a->pages;
}

static void fail(const char *what, int cpu, unsigned int page, uint64_t epoch,
		 uint64_t got)
{
	bool unset = false;

	if (!atomic_compare_exchange_strong(&ctl->failure.set, &unset, true))
		return;
	ctl->failure.what = what;
	ctl->failure.cpu = cpu;
	ctl->failure.page = page;
	ctl->failure.epoch = epoch;
	ctl->failure.got = got;
}

/* One access to one page by the rule; says what is wrong with it, or NULL. */
static const char *judge_page(const struct area *a, unsigned int page,
			      unsigned int slot, uint64_t state, uint64_t *got)
{
	uint64_t *words = page_words(a, page);
	enum rule rule = state & RULE_MASK;
	uint64_t epoch = state >> STATE_SHIFT;
	bool loaded = try_load(words, got);

	if (rule == NO_ACCESS)
		return loaded ? "read a page that is gone" : NULL;
	if (!loaded)
		return "a load faulted";
	if (*got != epoch)
		return "read something else than the new page";
	if (rule == ONLY_LOAD)
		return NULL;
	if (rule == NO_STORE)
		return try_store(&words[slot], epoch) ?
			"wrote to a write-protected page" : NULL;
	if ((state & STORING) && !try_store(&words[slot], epoch))
		return "a store faulted";
	return NULL;
}

/* The worker */

static void touch(const struct area *a, const struct worker *w, uint64_t state)
{
	uint64_t epoch = state >> STATE_SHIFT;
	unsigned int i;
	uint64_t value;

	for (i = 0; i < PICKS; i++) {
		uint64_t *words =
			page_words(a, pick(a, w->index, epoch, i));

		if (atomic_load_explicit(&ctl->announced, memory_order_acquire) != state)
			return;
		if (state & STORING)
			try_store(&words[FIRST_SLOT + w->index], epoch);
		else
			try_load(words, &value);
	}
}

/* True when all pages were judged under @state. */
static bool judge(const struct area *a, const struct worker *w, uint64_t state)
{
	uint64_t epoch = state >> STATE_SHIFT;
	unsigned int i;

	for (i = 0; i < PICKS; i++) {
		unsigned int page = pick(a, w->index, epoch, i);
		uint64_t got = 0;
		const char *wrong = judge_page(a, page, FIRST_SLOT + w->index,
					       state, &got);

		if (atomic_load_explicit(&ctl->announced, memory_order_acquire) != state)
			return false;
		if (wrong)
			fail(wrong, w->cpu, page, epoch, got);
	}
	return true;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	pin_to(w->cpu);
	for (;;) {
		uint64_t state = atomic_load_explicit(&ctl->announced,
						      memory_order_acquire);

		switch (state & RULE_MASK) {
		case QUIT:
			return NULL;
		case CLOSED:
			if (!(state & QUIET))
				touch(&ctl->area, w, state);
			continue;
		case PARKED:
			break;
		default:
			if (!judge(&ctl->area, w, state))
				continue;
		}
		atomic_store_explicit(&w->ack, state, memory_order_release);
	}
}

/* The main thread's side of the protocol */

static uint64_t state_of(const struct area *a, enum rule rule)
{
	uint64_t state = a->epoch << STATE_SHIFT | rule;
	unsigned int flags = a->test ? a->test->flags : 0;

	if ((a->rounds & 1) || (flags & ALWAYS_QUIET))
		state |= QUIET;
	if (((a->rounds & 2) || (flags & ALWAYS_STORE)) && !(flags & NEVER_STORE))
		state |= STORING;
	return state;
}

static void announce(struct area *a, enum rule rule)
{
	atomic_store_explicit(&ctl->announced, state_of(a, rule), memory_order_release);
}

static void announce_and_wait(struct area *a, enum rule rule)
{
	uint64_t state = state_of(a, rule);
	unsigned int i;

	announce(a, rule);
	for (i = 0; i < nr_workers; i++)
		while (atomic_load_explicit(&ctl->workers[i].ack,
					    memory_order_acquire) != state)
			;
}

/* The caller's own translations: it is a target of the flush as well. */
static void judge_self(struct area *a, enum rule rule)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		unsigned int page = i ? a->pages - 1 : 0;
		uint64_t got = 0;
		const char *wrong = judge_page(a, page, MAIN_SLOT,
					       state_of(a, rule), &got);

		if (wrong)
			fail(wrong, main_cpu, page, a->epoch, got);
	}
}

/* The pages are as @rule says: everybody looks, then it is closed again. */
static void judge_now(struct area *a, enum rule rule)
{
	judge_self(a, rule);
	announce_and_wait(a, rule);
	announce(a, CLOSED);
}

/*
 * Writes the epoch into every page. The caller of the replacing call is a
 * target of the flush as well: a page that must be fresh may not still show
 * the last epoch in its second word. It is read after the first is written,
 * since a read fault would map the zero page, and replacing that one makes a
 * flush that would hide a missing one.
 */
static void fill(struct area *a)
{
	unsigned int page;

	for (page = 0; page < a->pages; page++) {
		uint64_t *words = page_words(a, page);
		uint64_t second;

		STORE(&words[0], a->epoch);
		second = LOAD(&words[1]);
		if (a->must_be_fresh && second == a->epoch - 1)
			fail("the caller itself still uses the old page",
			     main_cpu, page, a->epoch, second);
		STORE(&words[1], a->epoch);
	}
	a->must_be_fresh = false;
}

static void find_stores(struct area *a)
{
	unsigned int i, k;

	for (i = 0; i < nr_workers; i++) {
		for (k = 0; k < PICKS; k++) {
			unsigned int page = pick(a, i, a->epoch, k);
			uint64_t got = LOAD(&page_words(a, page)[FIRST_SLOT + i]);

			if (got != a->epoch)
				fail("a store did not reach the new page",
				     ctl->workers[i].cpu, page, a->epoch, got);
		}
	}
}

/* While closed: a new epoch in the pages that are there now, judged by all. */
static void publish(struct area *a)
{
	a->epoch++;
	fill(a);
	announce_and_wait(a, VALUE);
	if (state_of(a, VALUE) & STORING)
		find_stores(a);
}

/* Files of /proc */

static ssize_t read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return n;
}

static bool write_text(const char *path, const char *text)
{
	ssize_t len = strlen(text);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, len) == len;

	if (fd >= 0)
		close(fd);
	return done;
}

/* Mappings */

static void *map_fixed(void *addr, size_t len, int prot, int flags, int fd,
		       off_t offset)
{
	void *p = mmap(addr, len, prot, flags | MAP_FIXED, fd, offset);

	if (p == MAP_FAILED)
		die_errno("cannot map %zu bytes", len);
	return p;
}

static void map_area(struct area *a, void *addr)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	off_t offset = 0;

	if (a->test->memory == HUGETLB)
		flags |= MAP_HUGETLB | MAP_HUGE_2MB;
	if (a->test->memory == MEMFD) {
		flags = MAP_SHARED;
		offset = a->upper ? a->len : 0;
	}
	map_fixed(addr, a->len, PROT_READ | PROT_WRITE, flags, a->fd, offset);
	if (a->test->memory == THP && madvise(addr, a->len, MADV_HUGEPAGE))
		die_errno("cannot ask for huge pages");
}

static void must(int result, const char *what)
{
	if (result)
		die_errno("%s failed", what);
}

/*
 * The kernel hands out first what was freed last, so the new pages would be the
 * old ones again, and a stale translation right by accident. Other data takes
 * the freed pages before the area is filled. Small ones are mapped long before:
 * to map where page tables are makes a flush if reclaim left one to do.
 */
static void take_freed_pages(struct area *a)
{
	char *decoy = region + DECOY_OFFSET + a->decoys;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	size_t len = a->pages < MAX_DECOYS ? a->pages * KB4 : MAX_DECOYS * KB4;
	size_t i, mapped = a->decoys ? 0 : DECOY_SIZE, step = KB4;

	if (a->test->memory == MEMFD)
		return;		/* the old pages stay in the file */
	if (a->test->memory == THP) {
		len = MB2;
		mapped = len;
	}
	if (a->test->memory == HUGETLB) {
		len = a->len;
		mapped = len;
		step = MB2;
		flags |= MAP_HUGETLB | MAP_HUGE_2MB;
	}
	if (mapped)
		map_fixed(decoy, mapped, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (a->test->memory == THP)
		must(madvise(decoy, len, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	for (i = 0; i < len; i += step)
		STORE((uint64_t *)(decoy + i), UINT64_MAX);
	a->decoys += len;
}

/* Flushes, so it is not to be done between a replacement and its judgement. */
static bool release_decoys(struct area *a)
{
	if (!a->decoys)
		return false;
	if (a->test->memory != HUGETLB && a->decoys + MB2 <= DECOY_SIZE)
		return false;
	map_fixed(region + DECOY_OFFSET, DECOY_SIZE, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	a->decoys = 0;
	return true;
}

/* A word of /proc/self/pagemap. */
static uint64_t pagemap_entry(const void *addr)
{
	off_t offset = (uintptr_t)addr / KB4 * sizeof(uint64_t);
	uint64_t entry;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, &entry, sizeof(entry), offset) != sizeof(entry))
		die_errno("cannot read /proc/self/pagemap");
	close(fd);
	return entry;
}

static bool page_present(uint64_t entry)
{
	return entry >> 63;
}

static uint64_t page_frame(uint64_t entry)
{
	return entry & ((1ULL << 55) - 1);
}

/* Is the 2 MiB page at @addr mapped as one? */
static bool is_huge(const void *addr)
{
	static char *line;
	static size_t size;
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long from, to, kb = 0;
	bool inside = false;

	if (!file)
		die_errno("cannot read /proc/self/smaps");
	while (getline(&line, &size, file) > 0) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = from <= (uintptr_t)addr && (uintptr_t)addr < to;
		else if (inside && sscanf(line, "AnonHugePages: %lu", &kb) == 1)
			break;
	}
	fclose(file);
	return kb >= MB2 / 1024;
}

static const char *count_huge(struct area *a)
{
	if (is_huge(a->base))
		a->replaced++;
	return NULL;
}

/* The replacing calls */

static const char *do_dontneed(struct area *a)
{
	must(madvise(a->base, a->len, MADV_DONTNEED), "MADV_DONTNEED");
	return NULL;
}

static const char *do_munmap(struct area *a)
{
	must(munmap(a->base, a->len), "munmap");
	judge_now(a, NO_ACCESS);
	map_area(a, a->base);
	return NULL;
}

static const char *do_map_over(struct area *a)
{
	a->upper = !a->upper;
	map_area(a, a->base);
	return NULL;
}

static const char *do_mremap_over(struct area *a)
{
	char *source = region + SPARE_OFFSET + (a->base - region) % MB2;
	unsigned int page;

	map_area(a, source);
	for (page = 0; page < a->pages; page++)
		STORE((uint64_t *)(source + page * a->page_size),
		      a->epoch + 1);
	if (mremap(source, a->len, a->len, MREMAP_MAYMOVE | MREMAP_FIXED,
		   a->base) == MAP_FAILED)
		die_errno("mremap failed");
	return NULL;
}

static const char *do_mremap_away(struct area *a)
{
	char *target = region + SPARE_OFFSET + (a->base - region) % MB2;

	if (mremap(a->base, a->len, a->len, MREMAP_MAYMOVE | MREMAP_FIXED,
		   target) == MAP_FAILED)
		die_errno("mremap failed");
	judge_now(a, NO_ACCESS);
	must(munmap(target, a->len), "munmap");
	map_area(a, a->base);
	return NULL;
}

static const char *protect(struct area *a, int prot, enum rule rule)
{
	size_t len = a->pages * a->page_size;

	must(mprotect(a->judged, len, prot), "mprotect");
	judge_now(a, rule);
	must(mprotect(a->judged, len, PROT_READ | PROT_WRITE), "mprotect");
	return NULL;
}

static const char *do_protect_read(struct area *a)
{
	return protect(a, PROT_READ, NO_STORE);
}

static const char *do_protect_none(struct area *a)
{
	return protect(a, PROT_NONE, NO_ACCESS);
}

static const char *do_split_munmap(struct area *a)
{
	count_huge(a);
	must(munmap(a->judged, a->pages * a->page_size), "munmap");
	judge_now(a, NO_ACCESS);
	map_area(a, a->base);
	return NULL;
}

static const char *do_split_protect(struct area *a)
{
	count_huge(a);
	protect(a, PROT_READ, NO_STORE);
	map_area(a, a->base);
	return NULL;
}

static const char *do_huge_dontneed(struct area *a)
{
	count_huge(a);
	return do_dontneed(a);
}

static const char *do_huge_mremap(struct area *a)
{
	count_huge(a);
	return do_mremap_away(a);
}

static const char *do_huge_protect(struct area *a)
{
	count_huge(a);
	return protect(a, PROT_READ, NO_STORE);
}

/* The child's copy was made before the new epoch was written anywhere. */
static bool child_is_clean(const struct area *a, uint64_t epoch)
{
	unsigned int page, i;

	for (page = 0; page < a->pages; page++) {
		if (LOAD(page_words(a, page)) != epoch)
			return false;
		for (i = 0; i < nr_workers; i++)
			if (LOAD(&page_words(a, page)[FIRST_SLOT + i]) ==
			    epoch + 1)
				return false;
	}
	return true;
}

/* Publishes by itself: the child looks after the parent has written. */
static const char *do_fork(struct area *a)
{
	const uint64_t epoch = a->epoch;	/* the child's, too */
	int go[2], status;
	char byte = 0;
	pid_t child;

	must(pipe2(go, O_CLOEXEC), "pipe");
	child = fork();
	if (child < 0)
		die_errno("fork failed");
	if (!child) {
		close(go[1]);
		if (read(go[0], &byte, 1) != 1)
			_exit(2);
		_exit(child_is_clean(a, epoch) ? 0 : 1);
	}
	close(go[0]);
	publish(a);
	if (write(go[1], &byte, 1) != 1)
		die_errno("the child is gone");
	close(go[1]);
	if (waitpid(child, &status, 0) != child)
		die_errno("waitpid failed");
	if (status)
		fail("a child sees what its parent wrote after the fork",
		     main_cpu, 0, a->epoch, 0);
	announce(a, CLOSED);
	return NULL;
}

/* All pages of the area go to swap. */
static const char *page_out(struct area *a)
{
	unsigned int page;

	if (madvise(a->base, a->len, MADV_PAGEOUT))
		return "MADV_PAGEOUT is refused";
	for (page = 0; page < a->pages; page++)
		a->replaced += !page_present(pagemap_entry(page_words(a, page)));
	return NULL;
}

/*
 * New pages, hot everywhere. Reclaim leaves out a page that came from swap on
 * another CPU, whose list of new pages holds it. And it leaves a flush of
 * everything to the next one who works on a page table of the mm: if that were
 * the next reclaim, no translation would be left that it could miss.
 */
static void renew(struct area *a)
{
	map_area(a, a->base);
	publish(a);
	announce(a, CLOSED);
}

/* Pages that were written: each is flushed before it goes to swap. */
static const char *do_pageout(struct area *a)
{
	renew(a);
	return page_out(a);
}

/*
 * Pages that were only read since they came from swap: all are unmapped, then
 * flushed together. The main thread gets them, and the flush that was left.
 */
static const char *do_pageout_clean(struct area *a)
{
	unsigned int page;
	const char *why;

	renew(a);
	why = page_out(a);
	if (why)
		return why;
	must(madvise(a->base, KB4, MADV_COLD), "MADV_COLD");
	for (page = 0; page < a->pages; page++)
		LOAD(page_words(a, page));
	judge_now(a, ONLY_LOAD);
	return page_out(a);
}

/*
 * Compaction moves pages away from where free ones are scattered between
 * them: the area is populated one page in sixteen.
 */
static const char *do_compact(struct area *a)
{
	char *filler = region + SPARE_OFFSET;
	const size_t hole = 15 * KB4;
	uint64_t before[64];
	unsigned int page;

	map_area(a, a->base);
	map_fixed(filler, a->pages * hole, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(madvise(filler, a->pages * hole, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	for (page = 0; page < a->pages; page++) {
		STORE(page_words(a, page), a->epoch);
		memset(filler + page * hole, 1, hole);
	}
	must(munmap(filler, a->pages * hole), "munmap");
	publish(a);
	announce(a, CLOSED);
	for (page = 0; page < a->pages; page++)
		before[page] = page_frame(pagemap_entry(a->judged + page * KB4));
	if (!write_text("/proc/sys/vm/compact_memory", "1"))
		return "/proc/sys/vm/compact_memory cannot be written";
	for (page = 0; page < a->pages; page++)
		a->replaced += page_frame(pagemap_entry(a->judged + page * KB4)) !=
			       before[page];
	return NULL;
}

static const char *do_collapse(struct area *a)
{
	map_area(a, a->base);
	must(madvise(a->base, a->len, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	publish(a);
	announce(a, CLOSED);
	must(madvise(a->base, a->len, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	if (madvise(a->base, a->len, MADV_COLLAPSE)) {
		if (errno == EINVAL)
			return "this kernel has no MADV_COLLAPSE";
		return NULL;	/* busy: not counted */
	}
	return count_huge(a);
}

#define BY_SWAP		(NEEDS_SWAP | NEEDS_WORKER | COUNTED | MOVED)
/* One that is touched meanwhile comes back at once; of many some stay out. */
#define FEW_BY_SWAP	(BY_SWAP | ALWAYS_QUIET)

static const struct test tests[] = {
	{ "madvise-1", do_dontneed, SMALL, 1, 0, FRESH },
	{ "madvise-1-unaligned", do_dontneed, SMALL, 1, 511, FRESH },
	{ "madvise-33", do_dontneed, SMALL, 33, 0, FRESH },
	{ "madvise-33-unaligned", do_dontneed, SMALL, 33, 511, FRESH },
	{ "madvise-512", do_dontneed, SMALL, 512, 0, FRESH },
	{ "madvise-512-unaligned", do_dontneed, SMALL, 512, 511, FRESH },
	{ "munmap-1", do_munmap, SMALL, 1, 0, FRESH },
	{ "munmap-1-unaligned", do_munmap, SMALL, 1, 511, FRESH },
	{ "munmap-2", do_munmap, SMALL, 2, 0, FRESH },
	{ "munmap-2-unaligned", do_munmap, SMALL, 2, 511, FRESH },
	{ "munmap-33", do_munmap, SMALL, 33, 0, FRESH },
	{ "munmap-33-unaligned", do_munmap, SMALL, 33, 511, FRESH },
	{ "munmap-34", do_munmap, SMALL, 34, 0, FRESH },
	{ "munmap-34-unaligned", do_munmap, SMALL, 34, 511, FRESH },
	{ "munmap-64", do_munmap, SMALL, 64, 0, FRESH },
	{ "munmap-64-unaligned", do_munmap, SMALL, 64, 511, FRESH },
	{ "munmap-512", do_munmap, SMALL, 512, 0, FRESH },
	{ "munmap-512-unaligned", do_munmap, SMALL, 512, 511, FRESH },
	{ "munmap-4097", do_munmap, SMALL, 4097, 0, FRESH },
	{ "munmap-4097-unaligned", do_munmap, SMALL, 4097, 511, FRESH },
	{ "map-over-1", do_map_over, SMALL, 1, 3, FRESH },
	{ "map-over-64", do_map_over, SMALL, 64, 3, FRESH },
	{ "mremap-over-1", do_mremap_over, SMALL, 1, 3, FRESH },
	{ "mremap-over-64", do_mremap_over, SMALL, 64, 3, FRESH },
	{ "mremap-away-1", do_mremap_away, SMALL, 1, 3, FRESH },
	{ "mremap-away-512", do_mremap_away, SMALL, 512, 0, FRESH },
	{ "protect-read-1", do_protect_read, SMALL, 1, 3, ALWAYS_STORE },
	{ "protect-read-64", do_protect_read, SMALL, 64, 500, ALWAYS_STORE },
	{ "protect-none-1", do_protect_none, SMALL, 1, 3, 0 },
	{ "protect-none-64", do_protect_none, SMALL, 64, 500, 0 },
	{ "memfd-1", do_map_over, MEMFD, 1, 3, FRESH },
	{ "memfd-64", do_map_over, MEMFD, 64, 500, FRESH },
	{ "fork-1", do_fork, SMALL, 1, 3, 0 },
	{ "fork-64", do_fork, SMALL, 64, 500, 0 },
	{ "thp-madvise", do_huge_dontneed, THP, 512, 0,
	  FRESH | ALWAYS_STORE | COUNTED },
	{ "thp-mremap", do_huge_mremap, THP, 512, 0,
	  FRESH | ALWAYS_STORE | COUNTED },
	{ "thp-protect", do_huge_protect, THP, 512, 0, ALWAYS_STORE | COUNTED },
	{ "thp-split-munmap", do_split_munmap, THP, 1, 0,
	  FRESH | ALWAYS_STORE | COUNTED },
	{ "thp-split-protect", do_split_protect, THP, 1, 0,
	  FRESH | ALWAYS_STORE | COUNTED },
	{ "thp-collapse", do_collapse, THP, 512, 0, NEEDS_WORKER | COUNTED },
	{ "hugetlb-madvise", do_dontneed, HUGETLB, 2, 0, FRESH },
	{ "hugetlb-munmap", do_munmap, HUGETLB, 2, 0, FRESH },
	{ "compaction", do_compact, SMALL, 64, 0, NEEDS_WORKER | COUNTED },
	{ "pageout-1", do_pageout, SMALL, 1, 3, FEW_BY_SWAP },
	{ "pageout-16", do_pageout, SMALL, 16, 500, BY_SWAP },
	{ "pageout-clean-1", do_pageout_clean, SMALL, 1, 3,
	  FEW_BY_SWAP | NEVER_STORE },
	{ "pageout-clean-8-sparse", do_pageout_clean, SMALL, 8, 3,
	  FEW_BY_SWAP | NEVER_STORE | SPARSE },
	{ "pageout-clean-20", do_pageout_clean, SMALL, 20, 500,
	  BY_SWAP | NEVER_STORE },
	{ "pageout-clean-20-sparse", do_pageout_clean, SMALL, 20, 3,
	  FEW_BY_SWAP | NEVER_STORE | SPARSE },
};

/* Setting a case up, running and reporting it */

static const char hugepages_path[] = "/proc/sys/vm/nr_hugepages";
static char hugepages_before[32];

static void undo_setup(void)
{
	if (*hugepages_before)
		write_text(hugepages_path, hugepages_before);
	swap_off();
}

static const char *reserve_hugepages(long need)
{
	static const char none[] = "no hugetlb pages of 2 MiB";
	char text[32];

	if (read_text(hugepages_path, text, sizeof(text)) <= 0)
		return none;
	if (atol(text) >= need)
		return NULL;
	snprintf(hugepages_before, sizeof(hugepages_before), "%s", text);
	snprintf(text, sizeof(text), "%ld\n", need);
	if (!write_text(hugepages_path, text) ||
	    read_text(hugepages_path, text, sizeof(text)) <= 0)
		return none;
	return atol(text) >= need ? NULL : none;
}

static const char *set_up(struct area *a, const struct test *t)
{
	bool split = t->memory == THP && t->pages == 1;
	const char *why;

	a->test = t;
	a->fd = -1;
	a->rounds = 0;
	a->replaced = 0;
	a->decoys = 0;
	a->must_be_fresh = false;
	a->pages = t->pages;
	a->page_size = t->memory == HUGETLB ? MB2 : KB4;
	if (t->flags & SPARSE)
		a->page_size = 2 * KB4;
	a->len = split ? MB2 : t->pages * a->page_size;
	a->base = region + t->offset * KB4;
	a->judged = a->base + (split ? 5 * KB4 : 0);
	if ((t->flags & NEEDS_WORKER) && !nr_workers)
		return "a second CPU is needed";
	if (t->memory == HUGETLB) {
		why = reserve_hugepages(2 * t->pages);	/* and decoys */
		if (why)
			return why;
	}
	if (t->flags & NEEDS_SWAP) {
		why = swap_on();
		if (why)
			return why;
	}
	if (t->memory == MEMFD) {
		a->fd = memfd_create("stale", MFD_CLOEXEC);
		if (a->fd < 0)
			return "no memfd";
		must(ftruncate(a->fd, 2 * a->len), "ftruncate");
	}
	map_area(a, a->base);
	if (t->memory == THP) {
		*a->base = 1;
		if (!is_huge(a->base))
			return "no transparent huge page to be had";
	}
	return NULL;
}

static void tear_down(struct area *a)
{
	map_fixed(region, REGION_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		  -1, 0);
	if (a->fd >= 0)
		close(a->fd);
	a->epoch++;
}

static const char *run_rounds(struct area *a)
{
	const char *why = NULL;
	uint64_t end = now_ns() + seconds * NSEC_PER_SEC;

	while (!why && !ctl->failure.set &&
	       (rounds_wanted ? a->rounds < rounds_wanted : now_ns() < end)) {
		publish(a);
		if (release_decoys(a)) {
			announce(a, CLOSED);
			publish(a);
		}
		announce(a, CLOSED);
		why = a->test->replace(a);
		if (!why && (a->test->flags & (FRESH | MOVED)))
			take_freed_pages(a);
		a->must_be_fresh = !why && (a->test->flags & FRESH);
		a->rounds++;
	}
	if (!why && !ctl->failure.set)
		publish(a);
	return why;
}

static void report(const struct area *a, const char *why)
{
	const char *name = a->test->name;

	if (ctl->failure.set)
		ksft_print_msg("%s: CPU %d, page %u of %u, round %" PRIu64
			       ": %s (epoch %" PRIu64 ", got %" PRIu64 ")\n",
			       name, ctl->failure.cpu, ctl->failure.page, a->pages,
			       a->rounds, ctl->failure.what, ctl->failure.epoch,
			       ctl->failure.got);
	else if (a->test->flags & COUNTED)
		ksft_print_msg("%s: %" PRIu64 " rounds, %" PRIu64 " pages replaced\n",
			       name, a->rounds, a->replaced);
	else
		ksft_print_msg("%s: %" PRIu64 " rounds\n", name, a->rounds);

	if (!why && (a->test->flags & COUNTED) && !a->replaced)
		why = "no page was replaced in any round";
	if (why && !ctl->failure.set)
		ksft_test_result_skip("%s: %s\n", name, why);
	else
		ksft_test_result(!ctl->failure.set, "%s\n", name);
}

static void run_test(const struct test *t)
{
	const char *why;

	memset(&ctl->failure, 0, sizeof(ctl->failure));
	why = set_up(&ctl->area, t);
	if (!why)
		why = run_rounds(&ctl->area);
	announce_and_wait(&ctl->area, PARKED);
	report(&ctl->area, why);
	tear_down(&ctl->area);
}

static void start_workers(const int *cpus, unsigned int nr)
{
	unsigned int i;

	ctl = mmap(NULL, sizeof(*ctl), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ctl == MAP_FAILED)
		die_errno("cannot map %zu bytes", sizeof(*ctl));
	ctl->area.epoch = 1;
	announce(&ctl->area, PARKED);
	main_cpu = cpus[0];
	pin_to(main_cpu);
	nr_workers = nr - 1;
	for (i = 0; i < nr_workers; i++) {
		ctl->workers[i].cpu = cpus[i + 1];
		ctl->workers[i].index = i;
		errno = pthread_create(&ctl->workers[i].thread, NULL, work,
				       &ctl->workers[i]);
		if (errno)
			die_errno("cannot start a thread");
	}
}

static void stop_workers(void)
{
	unsigned int i;

	announce(&ctl->area, QUIT);
	for (i = 0; i < nr_workers; i++)
		pthread_join(ctl->workers[i].thread, NULL);
}

static void reserve_region(void)
{
	char *p = mmap(NULL, REGION_SIZE + MB2, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die_errno("cannot reserve %lu bytes of address space",
			  REGION_SIZE + MB2);
	region = (char *)(((uintptr_t)p + MB2 - 1) & ~(MB2 - 1));
}

static const char help[] =
"Usage: stale [-t SECONDS | -n ROUNDS] [-c CPUS] [-k CASE]... [-l]\n"
"Replaces pages while threads on all other CPUs use them, and fails when one\n"
"sees or writes the old page after the replacing call returned. Prints KTAP.\n"
"  -t SECONDS  time per case (1)\n"
"  -n ROUNDS   rounds per case instead: the same work in every run\n"
"  -c CPUS     how many CPUs to use (all this process may)\n"
"  -k CASE     only cases whose name matches this shell pattern; may be repeated\n"
"  -l          list the cases\n"
"Where there is no swap, /dev/ram0 is it for some cases, if it is empty.\n"
"Status: 0 pass, 1 fail, 64 wrong usage. A case that this machine cannot run\n"
"is a SKIP with its reason.\n";

static bool wanted(const struct test *t)
{
	unsigned int i;

	for (i = 0; i < nr_filters; i++)
		if (!fnmatch(filters[i], t->name, 0))
			return true;
	return !nr_filters;
}

static unsigned int count_tests(bool list)
{
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		if (!wanted(&tests[i]))
			continue;
		n++;
		if (list)
			puts(tests[i].name);
	}
	if (!n)
		usage_error("no case matches: -l lists them");
	return n;
}

int main(int argc, char **argv)
{
	int cpus[MAX_CPUS];
	unsigned int i, nr = allowed_cpus(cpus);
	bool list = false;
	int c;

	if (nr > MAX_WORKERS)
		nr = MAX_WORKERS;
	help_option(argc, argv, help);
	while ((c = getopt(argc, argv, ":t:n:c:k:l")) != -1) {
		switch (c) {
		case 't':
			seconds = parse_number("-t", optarg, 1, 86400);
			break;
		case 'n':
			rounds_wanted = parse_number("-n", optarg, 1, 1ULL << 40);
			break;
		case 'c':
			nr = parse_number("-c", optarg, 1, nr);
			break;
		case 'k':
			if (nr_filters == MAX_FILTERS)
				usage_error("more than %d patterns", MAX_FILTERS);
			filters[nr_filters++] = optarg;
			break;
		case 'l':
			list = true;
			break;
		default:
			bad_option(c, argv);
		}
	}
	if (optind < argc)
		usage_error("'%s' is not an option", argv[optind]);
	c = count_tests(list);
	if (list)
		return 0;

	ksft_print_header();
	ksft_set_plan(c);
	catch_faults();
	reserve_region();
	at_end(undo_setup);
	start_workers(cpus, nr);
	for (i = 0; i < ARRAY_SIZE(tests); i++)
		if (wanted(&tests[i]))
			run_test(&tests[i]);
	stop_workers();
	ksft_finished();
}
