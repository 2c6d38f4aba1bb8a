// SPDX-License-Identifier: GPL-2.0
/*
 * walkers: does a page table walk without locks ever find what is not there?
 *
 * get_user_pages_fast() walks page tables with nothing but interrupts disabled.
 * Where a TLB flush is no interrupt, nobody waits for it: tables are freed,
 * collapsed, split and unshared under it. Every page here holds a tag that says
 * whose page it is, of which file or process and at which address, so a walk
 * that returned a page which was never there is seen by what the page holds.
 *
 * In the directed cases a thread makes one such walk (vmsplice() of a page into
 * a pipe, or a read by O_DIRECT into a page) on a CPU of its own, and the kernel
 * stops it behind chosen loads of page table entries (CONFIG_DEBUG_GUP_FAST_STALL).
 * The main thread changes page tables meanwhile, on another CPU, and lets it go
 * on. A table that is freed too early is looked for in three ways: it is filled
 * with entries for a page that must not be found (see spring_trap()); with entries
 * that lead beyond all memory, so that a walk through it ends in an oops; or with
 * nothing, which leaves it to KASAN.
 *
 * While the thread is stopped, its CPU serves no interrupt. What is done
 * meanwhile must wait for none: see drain_lru().
 *
 * The storm has no such order: threads walk in four ways, others change what is
 * mapped in as many, and walks stop at random, if the kernel can do it.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/futex.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "hist.h"
#include "kselftest.h"
#include "pvtlb.h"
#include "tool.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define PAGE		4096UL
#define MB2		(2UL << 20)
#define GB		(1UL << 30)
#define STALL_DIR	"/sys/kernel/debug/gup_fast_stall/"
#define FAIL_DIR	"/sys/kernel/debug/fail_page_alloc/"
#define PVTLB_ENABLED	"/sys/kernel/debug/pvtlb/enabled"
#define NR_HUGEPAGES	"/proc/sys/vm/nr_hugepages"
#define RAM_DISK	"/dev/ram0"

/*
 * Less than what makes RCU complain (21 s), even when a walk stops at four
 * steps, and each stop lasts that long.
 */
#define STALL_USECS	4000000
#define ATTEMPTS	3	/* for each round that is to be conclusive */

/*
 * Where things are mapped: each in 512 GiB of its own, which nothing else is in.
 * So unmapping a GiB frees tables of PMDs and of PUDs too.
 */
#define ARENA		((char *)0x200000000000)
#define SHARED		((char *)0x210000000000)
#define OTHER_FILE	((char *)0x220000000000)
#define STORM		((char *)0x230000000000)
#define STORM_SHARED	((char *)0x240000000000)
#define PARKING		((char *)0x250000000000)

/* The steps of a walk, each behind a load: as the kernel numbers them. */
enum step {
	PUD = 1,
	PMD,
	PTE,
	REFERENCE,
	PMD_AGAIN,
	LEAF_AGAIN,
	PMD_LAST,
	PUD_AGAIN,
};

#define ALL_STEPS	0x1fe

/* Whose a page is: the first and the last word of it. */
enum owner {
	NOBODY,
	SLOT_A,
	SLOT_B,
	FILE_F,
	FILE_G,
	PROCESS_B,
	CHILD,
	DISK,
	TRAP,
};

#define TAG_MARK	(0x7a6cULL << 48)

static int main_cpu, walker_cpu, nr_cpus, cpus[MAX_CPUS];
static const char *filters[64];
static unsigned int nr_filters;
static uint64_t rounds = 2, storm_seconds = 20;

static void must(bool done, const char *what)
{
	if (!done)
		die_errno("%s failed", what);
}

static uint64_t tag(enum owner owner, unsigned int slot, unsigned int page)
{
	return TAG_MARK | (uint64_t)owner << 40 | (uint64_t)slot << 20 | page;
}

static void put_tag(char *page, uint64_t value)
{
	STORE((uint64_t *)page, value);
	STORE((uint64_t *)(page + PAGE) - 1, value);
}

/* Settings of the kernel, put back at the end */

struct setting {
	const char *path;
	char old[32];
};

static struct setting settings[32];
static unsigned int nr_settings;

static bool read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	if (len < 0)
		return false;
	text[len] = 0;
	text[strcspn(text, "\n")] = 0;
	return true;
}

static bool set(const char *path, const char *text)
{
	unsigned int i;

	for (i = 0; i < nr_settings && strcmp(settings[i].path, path); i++)
		;
	if (i == ARRAY_SIZE(settings))
		die("too many settings");
	if (i == nr_settings) {
		settings[i].path = path;
		if (!read_file(path, settings[i].old, sizeof(settings[i].old)))
			return false;
		nr_settings++;
	}
	return write_file(path, text);
}

static bool set_number(const char *path, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return set(path, text);
}

static uint64_t read_number(const char *path)
{
	char text[64];

	must(read_file(path, text, sizeof(text)), path);
	return strtoull(text, NULL, 10);
}

static void remove_trace(void);
static void clear_disk(void);

/* Also in a signal handler. */
static void put_back(void)
{
	write_file(STALL_DIR "steps", "0");
	write_file(STALL_DIR "stalled", "0");
	remove_trace();
	clear_disk();
	while (nr_settings) {
		nr_settings--;
		write_file(settings[nr_settings].path, settings[nr_settings].old);
	}
}

/* Where a page lies, for those who have to know: 0 if nothing is mapped. */
static uint64_t frame_of(const void *addr)
{
	static int fd = -1;
	uint64_t entry;

	if (fd < 0)
		fd = open("/proc/thread-self/pagemap", O_RDONLY | O_CLOEXEC);
	must(pread(fd, &entry, sizeof(entry), (uintptr_t)addr / PAGE * 8) ==
	     sizeof(entry), "pagemap");
	return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

/* Areas */

static void map_fixed(char *addr, size_t len, int prot, int flags, int fd)
{
	must(mmap(addr, len, prot, flags | MAP_FIXED | MAP_NORESERVE, fd, 0) ==
	     addr, "mmap");
}

static void map_anon(char *addr, size_t len)
{
	map_fixed(addr, len, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void unmap(char *addr, size_t len)
{
	must(!munmap(addr, len), "munmap");
}

static void drop(char *addr, size_t len)
{
	must(!madvise(addr, len, MADV_DONTNEED), "MADV_DONTNEED");
}

/*
 * MADV_COLLAPSE waits for a work item on each CPU that has pages in its LRU
 * batches, and a stopped CPU runs none. So the batches are emptied before a walk
 * begins, by MADV_COLLAPSE itself: of what is one huge page already.
 */
static char *drained;

static bool drain_lru(void)
{
	return !madvise(drained, MB2, MADV_COLLAPSE);
}

/* Without huge pages, it is refused. That it fails is for the test to say. */
static bool can_collapse(void)
{
	return drain_lru() || errno != EINVAL;
}

static void set_up_drain(void)
{
	char *p = mmap(NULL, 2 * MB2, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED, "mmap");
	drained = (char *)(((uintptr_t)p + MB2 - 1) & -MB2);
	STORE(drained, 1);
}

/* What went wrong with the test itself, not with the kernel: NULL if nothing. */
static const char *trouble;

static void in_trouble(const char *what)
{
	if (!trouble)
		trouble = what;
}

static void in_trouble_errno(const char *what)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s: %s", what, strerror(errno));
	in_trouble(text);
}

/* A page may be in somebody's hands for a moment: once or twice is no trouble. */
static bool collapse(char *addr)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		if (!madvise(addr, MB2, MADV_COLLAPSE))
			return true;
	return false;
}

/*
 * Memory that was just freed, filled with entries of a page table: present,
 * writable, of user space, and with no page there. As an entry of an upper level
 * it is one that leads to a table, there too. Pipes take pages as page tables do
 * (unmovable ones), and this CPU frees and takes the same ones first.
 */
#define NO_PAGE		0x3ffffffff067ULL
#define NR_PIPES	4
#define PIPE_SIZE	(1U << 20)
#define FILLED		(4 * MB2)

static uint64_t no_pages[16 * PAGE / 8];
static int pipes[NR_PIPES][2];
static char *filled;
static bool fill_freed;		/* in this round */

static void set_up_filling(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(no_pages); i++)
		no_pages[i] = NO_PAGE;
}

static void reuse_freed(void)
{
	unsigned int i;
	size_t n;

	if (!fill_freed)
		return;
	for (i = 0; i < NR_PIPES; i++) {
		must(!pipe2(pipes[i], O_CLOEXEC | O_NONBLOCK), "pipe");
		must(fcntl(pipes[i][1], F_SETPIPE_SZ, PIPE_SIZE) >= 0,
		     "F_SETPIPE_SZ");
		while (write(pipes[i][1], no_pages, sizeof(no_pages)) > 0)
			;
	}
	filled = mmap(NULL, FILLED, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(filled != MAP_FAILED, "mmap");
	for (n = 0; n < FILLED; n += sizeof(no_pages))
		memcpy(filled + n, no_pages, sizeof(no_pages));
}

static void free_reused(void)
{
	unsigned int i;

	if (!filled)
		return;
	for (i = 0; i < NR_PIPES; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	unmap(filled, FILLED);
	filled = NULL;
}

/*
 * The other process, B: a child that runs functions of this program when told,
 * with what was mapped before it began; on the CPU of the main thread.
 */
static int b_socket;
static pid_t b_pid;

/* What both see. */
static struct {
	uint64_t frame;		/* of a page of B */
} *between;

static _Noreturn void be_b(int fd)
{
	void (*order)(void);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	pin_to(main_cpu);
	while (read(fd, &order, sizeof(order)) == sizeof(order)) {
		order();
		if (write(fd, "", 1) != 1)
			break;
	}
	_exit(0);
}

static void start_b(void)
{
	int fds[2];

	between = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(between != MAP_FAILED, "mmap");
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
	     "socketpair");
	b_pid = fork();
	must(b_pid >= 0, "fork");
	if (!b_pid) {
		close(fds[0]);
		be_b(fds[1]);
	}
	close(fds[1]);
	b_socket = fds[0];
}

static void begin_b(void (*order)(void))
{
	must(write(b_socket, &order, sizeof(order)) == sizeof(order),
	     "telling the other process");
}

static void end_b(void)
{
	char c;

	if (read(b_socket, &c, 1) != 1)
		die("the other process died");
}

static void tell_b(void (*order)(void))
{
	begin_b(order);
	end_b();
}

/* The thread that walks: one walk when asked, on a CPU of its own */

enum how { BY_VMSPLICE, BY_DIRECT_READ };

static struct {
	pid_t tid;
	enum how how;
	char *addr;
	ssize_t result;
	int error;
	uint64_t first, last;	/* words of the page that vmsplice() took */
	_Alignas(64) _Atomic unsigned int asked;
	_Alignas(64) _Atomic unsigned int done;
} walker;

static int disk = -1;

/* The words of the page at @addr by way of a pipe that refers to it. */
static ssize_t splice_page(int fds[2], char *addr, uint64_t *buffer)
{
	struct iovec iov = { .iov_base = addr, .iov_len = PAGE };
	ssize_t n = vmsplice(fds[1], &iov, 1, 0);

	if (n > 0 && read(fds[0], buffer, n) != n)
		die_errno("cannot read what vmsplice() wrote");
	return n;
}

static void walk_once(int fds[2], uint64_t *buffer)
{
	errno = 0;
	if (walker.how == BY_DIRECT_READ) {
		walker.result = pread(disk, walker.addr, PAGE, 0);
		walker.error = errno;
		return;
	}
	walker.result = splice_page(fds, walker.addr, buffer);
	walker.error = errno;
	walker.first = buffer[0];
	walker.last = buffer[PAGE / 8 - 1];
}

/* First a walk to nothing else, so that no page is new to it later: drain_lru(). */
static void *run_walker(void *arg)
{
	static _Alignas(4096) uint64_t buffer[PAGE / 8];
	int fds[2];

	(void)arg;
	pin_to(walker_cpu);
	must(!pipe2(fds, O_CLOEXEC), "pipe");
	walker.tid = syscall(SYS_gettid);
	memset(buffer, 0, sizeof(buffer));
	walker.addr = (char *)buffer;
	walk_once(fds, buffer);
	walker.done++;
	for (;;) {
		while (walker.done == walker.asked)
			usleep(100);
		memset(buffer, 0, sizeof(buffer));
		walk_once(fds, buffer);
		walker.done++;
	}
	return NULL;
}

static void start_walker(void)
{
	static bool started;
	pthread_t thread;

	if (started)
		return;
	started = true;
	walker.asked = 1;
	errno = pthread_create(&thread, NULL, run_walker, NULL);
	must(!errno, "pthread_create");
	while (walker.done != walker.asked)
		usleep(100);
}

/* A directed case */

struct stage {
	enum step step;		/* when the walk stopped behind this, */
	void (*act)(void);	/* this is done */
};

#define MAX_STAGES	5

struct directed {
	const char *name;
	struct stage stages[MAX_STAGES];
	void (*prepare)(void);
	void (*clean)(void);
	bool (*is_right)(void);		/* NULL: by tags */
	enum how how;
	unsigned int needs;
};

#define NEEDS_HUGETLB	1
#define NEEDS_FAULTS	2
#define NEEDS_DISK	4
#define NEEDS_COLLAPSE	8

/* What the walk of the current case may return. */
static uint64_t right_tag;
static bool may_fault;
static char *target;

static uint64_t stalled_at(void)
{
	return read_number(STALL_DIR "stalled");
}

/* False: the walk is over without having stopped there. */
static bool wait_for(enum step step)
{
	uint64_t end = now_ns() + 60 * NSEC_PER_SEC;

	while (walker.done != walker.asked) {
		if (stalled_at() == step)
			return true;
		if (now_ns() > end)
			die("the walk neither stops nor ends");
		usleep(200);
	}
	return false;
}

static void wait_for_end(void)
{
	uint64_t end = now_ns() + 60 * NSEC_PER_SEC;

	while (walker.done != walker.asked) {
		if (now_ns() > end)
			die("the walk does not end");
		usleep(200);
	}
}

/* Returns how many stages were reached. */
static unsigned int drive(const struct directed *d)
{
	unsigned int i, steps = 0, reached = 0;

	for (i = 0; i < MAX_STAGES && d->stages[i].act; i++)
		steps |= 1U << d->stages[i].step;
	walker.how = d->how;
	walker.addr = target;
	must(set_number(STALL_DIR "usecs", STALL_USECS) &&
	     set_number(STALL_DIR "steps", steps) &&
	     set_number(STALL_DIR "tid", walker.tid), STALL_DIR);
	walker.asked++;
	for (i = 0; i < MAX_STAGES && d->stages[i].act; i++) {
		if (!wait_for(d->stages[i].step))
			break;
		d->stages[i].act();
		reached++;
		must(write_file(STALL_DIR "stalled", "0"), STALL_DIR "stalled");
	}
	wait_for_end();
	must(set_number(STALL_DIR "tid", 0) && set_number(STALL_DIR "steps", 0),
	     STALL_DIR);
	return reached;
}

static bool tag_is_right(void)
{
	if (walker.result < 0)
		return may_fault && walker.error == EFAULT;
	return walker.result == PAGE && walker.first == right_tag &&
	       walker.last == right_tag;
}

static void print_walk(const struct directed *d, unsigned int reached)
{
	ksft_print_msg("%s: stopped %u times, ", d->name, reached);
	if (walker.result < 0)
		printf("%s\n", strerror(walker.error));
	else if (walker.how == BY_DIRECT_READ)
		printf("read %zd bytes\n", walker.result);
	else
		printf("found %#" PRIx64 " ... %#" PRIx64 ", expected %#" PRIx64
		       "%s\n", walker.first, walker.last, right_tag,
		       may_fault ? " or a fault" : "");
}

enum verdict { RIGHT, WRONG, INCONCLUSIVE };

/*
 * A walk that went on too early has every right to find what was there before. All
 * other trouble only makes it less likely that a wrong kernel is caught.
 */
static enum verdict judge(const struct directed *d, bool early)
{
	bool right = d->is_right ? d->is_right() : tag_is_right();

	if (early)
		return INCONCLUSIVE;
	if (!right)
		return WRONG;
	return trouble ? INCONCLUSIVE : RIGHT;
}

static enum verdict one_round(const struct directed *d)
{
	uint64_t timeouts = read_number(STALL_DIR "timeouts");
	enum verdict verdict;
	unsigned int reached;
	bool early = true;

	trouble = NULL;
	right_tag = 0;
	may_fault = false;
	d->prepare();
	if (d->needs & NEEDS_COLLAPSE && !drain_lru())
		in_trouble_errno("MADV_COLLAPSE, to drain");
	reached = drive(d);
	print_walk(d, reached);
	if (read_number(STALL_DIR "timeouts") != timeouts)
		trouble = "a stop took too long";
	else if (!reached)
		trouble = "the walk did not stop at the first step";
	else
		early = false;
	verdict = judge(d, early);
	free_reused();
	d->clean();
	return verdict;
}

static const char no_collapse[] = "MADV_COLLAPSE does not work here";

/* Why directed cases cannot be run here at all, or NULL. */
static const char *directed_obstacle(void)
{
	if (access(STALL_DIR "tid", W_OK))
		return "no " STALL_DIR ": the kernel has no CONFIG_DEBUG_GUP_FAST_STALL";
	if (nr_cpus < 2)
		return "a second CPU is needed";
	if (access(PVTLB_ENABLED, R_OK) || !read_number(PVTLB_ENABLED))
		return "flushes are interrupts here, and would wait for the walk";
	return NULL;
}

static const char *hugetlb_obstacle(void);
static const char *faults_obstacle(void);
static const char *disk_obstacle(void);

/* Why there is not what the case needs, NEEDS_*, or NULL. */
static const char *unmet(unsigned int needs)
{
	const char *why = NULL;

	if (needs & NEEDS_COLLAPSE && !can_collapse())
		why = no_collapse;
	if (!why && needs & NEEDS_HUGETLB)
		why = hugetlb_obstacle();
	if (!why && needs & NEEDS_FAULTS)
		why = faults_obstacle();
	if (!why && needs & NEEDS_DISK)
		why = disk_obstacle();
	return why;
}

static const char *obstacle(const struct directed *d)
{
	return directed_obstacle() ?: unmet(d->needs);
}

/* The case that failed, after which the kernel may not survive another one. */
static const char *failed;
static bool go_on;

static const char *too_dangerous(void)
{
	static char text[128];

	if (!failed || go_on)
		return NULL;
	snprintf(text, sizeof(text), "%s failed, what else would is not tried (-a)",
		 failed);
	return text;
}

static void test_directed(const struct directed *d)
{
	const char *why = obstacle(d) ?: too_dangerous();
	unsigned int done = 0, i;
	enum verdict verdict;

	if (why) {
		ksft_test_result_skip("%s: %s\n", d->name, why);
		return;
	}
	start_walker();
	for (i = 0; i < rounds * ATTEMPTS && done < rounds; i++) {
		fill_freed = !(done & 1);
		verdict = one_round(d);
		if (verdict == WRONG) {
			ksft_test_result_fail("%s\n", d->name);
			failed = d->name;
			return;
		}
		done += verdict == RIGHT;
		if (verdict == INCONCLUSIVE)
			ksft_print_msg("%s: inconclusive, once more: %s\n",
				       d->name, trouble);
	}
	if (done < rounds)
		ksft_test_result_error("%s: %s\n", d->name, trouble);
	else
		ksft_test_result_pass("%s\n", d->name);
}

/* Tables that are freed by munmap() */

#define WALKED		5	/* the page of a slot that is walked to */
#define OTHER_PAGE	9	/* one that is dropped to split a huge page */
#define TAGGED		16	/* pages of a slot that are filled */

static void fill_slot(char *addr, enum owner owner, unsigned int slot)
{
	unsigned int i;

	for (i = 0; i < TAGGED; i++)
		put_tag(addr + i * PAGE, tag(owner, slot, i));
}

static void unmap_arena(void)
{
	unmap(ARENA, GB);
}

static void prepare_munmap(void)
{
	map_anon(ARENA, GB);
	fill_slot(ARENA, SLOT_A, 0);
	target = ARENA + WALKED * PAGE;
	may_fault = true;
}

static void do_munmap(void)
{
	unmap_arena();
	reuse_freed();
}

/*
 * The table goes, the address stays: what is mapped there now is right, or
 * nothing. Its table may be the old one again where that was freed at once.
 */
static void do_munmap_mmap(void)
{
	unmap_arena();
	map_anon(ARENA, GB);
	fill_slot(ARENA, SLOT_B, 0);
	right_tag = tag(SLOT_B, 0, WALKED);
	may_fault = false;
	reuse_freed();
}

/* Another table, with other pages, is moved to where the walk is. */
static void do_mremap_over(void)
{
	char *from = ARENA + 4 * MB2;

	fill_slot(from, SLOT_B, 4);
	must(mremap(from, MB2, MB2, MREMAP_MAYMOVE | MREMAP_FIXED, ARENA) ==
	     ARENA, "mremap");
	right_tag = tag(SLOT_B, 4, WALKED);
	may_fault = false;
	reuse_freed();
}

static const char *faults_obstacle(void)
{
	if (access(FAIL_DIR "probability", W_OK))
		return "no " FAIL_DIR ": the kernel has no CONFIG_FAIL_PAGE_ALLOC";
	if (access("/proc/thread-self/make-it-fail", W_OK))
		return "no /proc/thread-self/make-it-fail";
	return NULL;
}

#define MANY_TIMES	1000000

/* All allocations of a page that may not wait; of threads that ask for it. */
static void set_up_faults(void)
{
	must(set(FAIL_DIR "task-filter", "1") && set(FAIL_DIR "verbose", "0") &&
	     set(FAIL_DIR "ignore-gfp-wait", "1") &&
	     set(FAIL_DIR "min-order", "0") && set(FAIL_DIR "interval", "1") &&
	     set(FAIL_DIR "space", "0") &&
	     set_number(FAIL_DIR "times", MANY_TIMES) &&
	     set(FAIL_DIR "probability", "100"), FAIL_DIR);
}

/* There is no memory for a batch of tables to be freed. */
static void unmap_without_memory(char *addr, size_t len)
{
	const char *make_it_fail = "/proc/thread-self/make-it-fail";
	uint64_t times = read_number(FAIL_DIR "times");

	must(write_file(make_it_fail, "1"), make_it_fail);
	unmap(addr, len);
	must(write_file(make_it_fail, "0"), make_it_fail);
	if (read_number(FAIL_DIR "times") == times)
		in_trouble("no allocation was made to fail");
}

static void prepare_fallback(void)
{
	set_up_faults();
	prepare_munmap();
}

static void do_munmap_without_memory(void)
{
	unmap_without_memory(ARENA, GB);
	reuse_freed();
}

static void clean_nothing(void)
{
}

/*
 * Collapse. A and B are neighbours: slots of 2 MiB whose entries are in the same
 * page of PMDs, so a table that is deposited for one of them is the next to be
 * taken when the other one is split (pgtable_trans_huge_withdraw()).
 */
#define A		(ARENA + 1 * MB2)
#define B		(ARENA + 2 * MB2)
#define X_PARKED	(ARENA + 6 * MB2 + WALKED * PAGE)

static void prepare_collapse(void)
{
	map_anon(ARENA, GB);
	fill_slot(A, SLOT_A, 1);
	target = A + WALKED * PAGE;
	right_tag = tag(SLOT_A, 1, WALKED);
}

static void must_collapse(char *addr)
{
	if (!collapse(addr))
		in_trouble_errno(addr == A ? "MADV_COLLAPSE of A" :
				 "MADV_COLLAPSE of B");
}

static void do_collapse(void)
{
	must_collapse(A);
	reuse_freed();
}

/*
 * X is a page of B, and never of A. Where collapse deposits the table T that the
 * walk is in, T can be made to hang at A whenever the walk looks at the pmd, and
 * at B, with X in it, whenever it looks at the pte:
 *
 *	pmd	T at A
 *		collapse A: T is deposited; split B: T is taken for B; X into B
 *	pte	X
 *		reference
 *		X to another slot, as its reference forbids collapse;
 *		collapse B: T is deposited; split A: T is taken for A
 *	pmd	T at A
 *		collapse A; split B; X back: the same entry
 *	pte	X
 *		X away; collapse B; split A
 *	pmd	T at A: GUP of A returns B's page
 */
static void prepare_deposit(void)
{
	prepare_collapse();
	fill_slot(B, SLOT_B, 2);
	must_collapse(B);
}

/* Any change of one page splits; this is one that splits no VMA. */
static void split(char *addr, unsigned int page)
{
	drop(addr + page * PAGE, PAGE);
}

static void to_b(void)
{
	must_collapse(A);
	split(B, WALKED);
	put_tag(B + WALKED * PAGE, tag(SLOT_B, 2, WALKED));
}

static void move_x(char *from, char *to, int flags)
{
	if (mremap(from, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED | flags, to) !=
	    to)
		in_trouble_errno("mremap of X");
}

/* B stays one VMA, with no page where X was. */
static void to_a(void)
{
	move_x(B + WALKED * PAGE, X_PARKED, MREMAP_DONTUNMAP);
	must_collapse(B);
	split(A, OTHER_PAGE);
}

static void to_b_again(void)
{
	must_collapse(A);
	split(B, WALKED);
	move_x(X_PARKED, B + WALKED * PAGE, 0);
}

/*
 * A trap is a page that is mapped nowhere but in freed tables: a pipe's page, taken
 * right after the table T of A was freed, is T itself if it was freed at once, and
 * is filled with entries for the trap. So T can be made a table of A again, or
 * hold the trap, whenever the walk looks at the pmd, or at the pte:
 *
 *	pmd	T at A
 *		free T; a pipe's page is T
 *	pte	the trap
 *		reference
 *		free the pipe's page; map A anew: T is its table
 *	pmd	T at A
 *		and so on: GUP of A returns the trap
 */
static char *trap;
static int trap_pipe[2];

static void set_up_trap(void)
{
	trap = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(trap != MAP_FAILED, "mmap");
	put_tag(trap, tag(TRAP, 0, 0));
}

/* With few pages: munmap() of more needs a page to list them, and frees it last. */
static void prepare_trap(void)
{
	map_anon(ARENA, GB);
	target = A + WALKED * PAGE;
	right_tag = tag(SLOT_A, 1, WALKED);
	put_tag(target, right_tag);
	put_tag(B, tag(SLOT_B, 2, 0));	/* the page of PMDs stays */
	may_fault = true;
	if (!frame_of(trap))
		in_trouble("/proc/self/pagemap shows no frames");
}

static void prepare_trap_fallback(void)
{
	set_up_faults();
	prepare_trap();
}

/*
 * Nothing else may take a page, or give one back, between T and its new use. A
 * pipe keeps one or two pages that were read, and frees the next ones at once.
 */
static uint64_t trap_page[PAGE / 8];
#define KEPT_BY_PIPE	2

static void write_trap(void)
{
	must(write(trap_pipe[1], trap_page, PAGE) == PAGE, "write to a pipe");
}

static void spring_trap(void (*free_table)(void))
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(trap_page); i++)
		trap_page[i] = frame_of(trap) * PAGE | (NO_PAGE & (PAGE - 1));
	must(!pipe2(trap_pipe, O_CLOEXEC), "pipe");
	for (i = 0; i < KEPT_BY_PIPE; i++)
		write_trap();
	free_table();
	write_trap();
}

static void unmap_a(void)
{
	unmap(A, MB2);
}

static void unmap_a_without_memory(void)
{
	unmap_without_memory(A, MB2);
}

static void collapse_a(void)
{
	must_collapse(A);
}

static void trap_munmap(void)
{
	spring_trap(unmap_a);
}

static void trap_fallback(void)
{
	spring_trap(unmap_a_without_memory);
}

static void trap_collapse(void)
{
	spring_trap(collapse_a);
}

/* The page that is freed last is the next to be a table. */
static void trap_to_table(void)
{
	unsigned int i;

	map_anon(A, MB2);
	for (i = 0; i <= KEPT_BY_PIPE; i++)
		must(read(trap_pipe[0], trap_page, PAGE) == PAGE, "read of a pipe");
	put_tag(target, right_tag);
	close(trap_pipe[0]);
	close(trap_pipe[1]);
}

/*
 * A page that a read by O_DIRECT has pinned must still be the one that is mapped
 * when the read is done: collapse must not have copied it meanwhile.
 */
static uint64_t disk_tag(unsigned int block)
{
	return tag(DISK, block, 0);
}

static bool data_arrived(void)
{
	uint64_t *page = (uint64_t *)target;

	if (walker.result == PAGE && page[0] == disk_tag(0) &&
	    page[PAGE / 8 - 1] == disk_tag(0))
		return true;
	ksft_print_msg("a read of %zd bytes left %#" PRIx64 " ... %#" PRIx64 "\n",
		       walker.result, page[0], page[PAGE / 8 - 1]);
	return false;
}

/* One of its pages has a reference too many: it had better not be collapsed. */
static void try_collapse(void)
{
	if (collapse(A))
		ksft_print_msg("collapsed although a page is pinned\n");
}

#define DISK_BLOCKS	64

static uint64_t *disk_page(void)
{
	static _Alignas(4096) uint64_t page[PAGE / 8];

	return page;
}

/* What this program writes to the disk is only written over zeros. */
static const char *check_disk(void)
{
	uint64_t *page = disk_page();
	unsigned int i, k;

	for (i = 0; i < DISK_BLOCKS; i++) {
		if (pread(disk, page, PAGE, i * PAGE) != PAGE)
			return RAM_DISK " cannot be read";
		for (k = 0; k < PAGE / 8; k++)
			if (page[k])
				return RAM_DISK " holds something";
	}
	return NULL;
}

static void write_disk(bool tags)
{
	uint64_t *page = disk_page();
	unsigned int i, k;

	for (i = 0; i < DISK_BLOCKS; i++) {
		for (k = 0; k < PAGE / 8; k++)
			page[k] = tags ? disk_tag(i) : 0;
		if (pwrite(disk, page, PAGE, i * PAGE) != PAGE && tags)
			die_errno("cannot write " RAM_DISK);
	}
}

static void clear_disk(void)
{
	if (disk >= 0)
		write_disk(false);
}

static const char *disk_obstacle(void)
{
	const char *why;

	if (disk >= 0)
		return NULL;
	disk = open(RAM_DISK, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (disk < 0)
		return RAM_DISK " cannot be opened with O_DIRECT";
	why = check_disk();
	if (why) {
		close(disk);
		disk = -1;
		return why;
	}
	write_disk(true);
	return NULL;
}

/*
 * Shared tables of huge pages. A and B, two processes here, map a file over the
 * same whole GiB: both use one table S of PMDs. When A stops sharing, S is B's
 * alone, which may put in it what it likes.
 */
#define SLOTS		(GB / MB2)
#define K		3	/* the slot that is walked to */
#define J		7	/* others, that only make the processes share */
#define M		11
#define K_ADDR		(SHARED + K * MB2)
#define K_PAGE		(K_ADDR + WALKED * PAGE)
#define POOL		16

static int file_f = -1, file_g = -1;

static int huge_file(const char *name, size_t len)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);

	if (fd >= 0)
		must(!ftruncate(fd, len), "ftruncate");
	return fd;
}

/* Before B is started, which needs the files too. */
static void open_huge_files(void)
{
	file_f = huge_file("walkers-f", GB);
	file_g = huge_file("walkers-g", MB2);
}

static const char *hugetlb_obstacle(void)
{
	static bool asked;

	if (file_f < 0 || file_g < 0)
		return "no files of huge pages (CONFIG_HUGETLBFS)";
	if (access(NR_HUGEPAGES, W_OK))
		return NR_HUGEPAGES " cannot be written";
	if (!asked)
		set_number(NR_HUGEPAGES, read_number(NR_HUGEPAGES) + POOL);
	asked = true;
	if (read_number(NR_HUGEPAGES) < POOL)
		return "not enough huge pages to be had";
	return NULL;
}

static void map_file(char *addr, size_t len, int fd)
{
	map_fixed(addr, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
}

static void b_map_f(void)
{
	map_file(SHARED, GB, file_f);
	put_tag(K_PAGE, tag(FILE_F, K, WALKED));
}

static void b_put_leaf(void)
{
	map_file(K_ADDR, MB2, file_g);
	put_tag(K_PAGE, tag(FILE_G, 0, WALKED));
}

static void b_put_table(void)
{
	map_anon(K_ADDR, MB2);
	put_tag(K_PAGE, tag(PROCESS_B, K, WALKED));
}

static void b_share_again(void)
{
	LOAD(SHARED + M * MB2);
}

static void b_take_page(void)
{
	map_file(OTHER_FILE, MB2, file_g);
	put_tag(OTHER_FILE + WALKED * PAGE, tag(FILE_G, 0, WALKED));
	between->frame = frame_of(OTHER_FILE);
}

static void b_unmap(void)
{
	unmap(SHARED, GB);
	unmap(OTHER_FILE, MB2);
}

/*
 * B maps first: when a hole is punched, the mappings are asked in this order, and
 * all but the last one just stop sharing.
 */
static void prepare_unshare(void)
{
	tell_b(b_map_f);
	map_file(SHARED, GB, file_f);
	LOAD(SHARED + J * MB2);
	target = K_PAGE;
	right_tag = tag(FILE_F, K, WALKED);
	if (!frame_of(K_ADDR))
		in_trouble("two mappings of a whole GiB do not share their table");
}

static void clean_unshare(void)
{
	unmap(SHARED, GB);
	tell_b(b_unmap);
	must(!ftruncate(file_f, 0) && !ftruncate(file_f, GB) &&
	     !ftruncate(file_g, 0) && !ftruncate(file_g, MB2), "ftruncate");
}

static void must_not_share(void)
{
	if (frame_of(K_ADDR))
		in_trouble("the table is still shared");
}

static void unshare_by_munmap(void)
{
	unmap(SHARED + (SLOTS - 1) * MB2, MB2);
	must_not_share();
}

static void munmap_leaf(void)
{
	unshare_by_munmap();
	tell_b(b_put_leaf);
}

static void munmap_table(void)
{
	unshare_by_munmap();
	tell_b(b_put_table);
}

static void unshare_by_mprotect(void)
{
	must(!mprotect(SHARED, GB, PROT_READ), "mprotect");
	must_not_share();
}

static void mprotect_leaf(void)
{
	unshare_by_mprotect();
	tell_b(b_put_leaf);
}

static void mprotect_table(void)
{
	unshare_by_mprotect();
	tell_b(b_put_table);
}

/* The whole mapping is moved: nothing is where the walk goes. */
static void mremap_leaf(void)
{
	must(mremap(SHARED, GB, GB, MREMAP_MAYMOVE | MREMAP_FIXED, PARKING) ==
	     PARKING, "mremap");
	unmap(PARKING, GB);
	tell_b(b_put_leaf);
	may_fault = true;
	right_tag = 0;
}

/*
 * For a kernel that looks at the pud before it looks at the leaf again: the page
 * of F is freed and becomes one of G, A and B share S again, and then all but A
 * look at S, with G's page in it, where F's page was.
 */
static void punch_hole(void)
{
	uint64_t frame = frame_of(K_ADDR);

	must(!fallocate(file_f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			K * MB2, MB2), "fallocate");
	right_tag = 0;
	tell_b(b_take_page);
	if (between->frame != frame)
		in_trouble("the other file got another page");
}

static void refill_after_pud(void)
{
	tell_b(b_share_again);
	unshare_by_munmap();
	tell_b(b_put_leaf);
}

/*
 * Those first in which a wrong kernel just returns a wrong page; then those that
 * it may not survive.
 */
static const struct directed directed[] = {
	{ "free-trap",
	  {{ PMD, trap_munmap }, { REFERENCE, trap_to_table },
	   { PMD_AGAIN, trap_munmap }, { LEAF_AGAIN, trap_to_table }},
	  prepare_trap, unmap_arena, NULL, BY_VMSPLICE, 0 },
	{ "batch-fallback-trap",
	  {{ PMD, trap_fallback }, { REFERENCE, trap_to_table },
	   { PMD_AGAIN, trap_fallback }, { LEAF_AGAIN, trap_to_table }},
	  prepare_trap_fallback, unmap_arena, NULL, BY_VMSPLICE, NEEDS_FAULTS },
	{ "collapse-free-trap",
	  {{ PMD, trap_collapse }, { REFERENCE, trap_to_table },
	   { PMD_AGAIN, trap_collapse }, { LEAF_AGAIN, trap_to_table }},
	  prepare_trap, unmap_arena, NULL, BY_VMSPLICE, NEEDS_COLLAPSE },
	{ "collapse-deposit",
	  {{ PMD, to_b }, { REFERENCE, to_a }, { PMD_AGAIN, to_b_again },
	   { LEAF_AGAIN, to_a }}, prepare_deposit, unmap_arena, NULL,
	  BY_VMSPLICE, NEEDS_COLLAPSE },
	{ "collapse-deposit-last",	/* the last look at the pmd is missing */
	  {{ PMD, to_b }, { REFERENCE, to_a }, { PMD_AGAIN, to_b_again }},
	  prepare_deposit, unmap_arena, NULL, BY_VMSPLICE, NEEDS_COLLAPSE },
	{ "collapse-deposit-first",	/* there is a last one only */
	  {{ PMD, to_b }, { LEAF_AGAIN, to_a }}, prepare_deposit, unmap_arena,
	  NULL, BY_VMSPLICE, NEEDS_COLLAPSE },
	{ "collapse-deposit-none",	/* there is none at all */
	  {{ PMD, to_b }}, prepare_deposit, unmap_arena, NULL, BY_VMSPLICE,
	  NEEDS_COLLAPSE },
	{ "collapse-copy-pte", {{ PTE, do_collapse }}, prepare_collapse, unmap_arena,
	  data_arrived, BY_DIRECT_READ, NEEDS_DISK | NEEDS_COLLAPSE },
	{ "collapse-copy-reference", {{ REFERENCE, try_collapse }}, prepare_collapse,
	  unmap_arena, data_arrived, BY_DIRECT_READ, NEEDS_DISK | NEEDS_COLLAPSE },
	{ "collapse-copy-pmd", {{ PMD_AGAIN, try_collapse }}, prepare_collapse,
	  unmap_arena, data_arrived, BY_DIRECT_READ, NEEDS_DISK | NEEDS_COLLAPSE },
	{ "collapse-copy-pinned", {{ PUD_AGAIN, try_collapse }}, prepare_collapse,
	  unmap_arena, data_arrived, BY_DIRECT_READ, NEEDS_DISK | NEEDS_COLLAPSE },
	{ "unshare-munmap-leaf", {{ PUD, munmap_leaf }}, prepare_unshare,
	  clean_unshare, NULL, BY_VMSPLICE, NEEDS_HUGETLB },
	{ "unshare-munmap-table", {{ PUD, munmap_table }}, prepare_unshare,
	  clean_unshare, NULL, BY_VMSPLICE, NEEDS_HUGETLB },
	{ "unshare-mprotect-leaf", {{ PUD, mprotect_leaf }}, prepare_unshare,
	  clean_unshare, NULL, BY_VMSPLICE, NEEDS_HUGETLB },
	{ "unshare-mprotect-table", {{ PUD, mprotect_table }}, prepare_unshare,
	  clean_unshare, NULL, BY_VMSPLICE, NEEDS_HUGETLB },
	{ "unshare-mremap-leaf", {{ PUD, mremap_leaf }}, prepare_unshare,
	  clean_unshare, NULL, BY_VMSPLICE, NEEDS_HUGETLB },
	{ "unshare-pud-first", {{ PMD, punch_hole }, { PUD_AGAIN, refill_after_pud }},
	  prepare_unshare, clean_unshare, NULL, BY_VMSPLICE, NEEDS_HUGETLB },
	{ "free-munmap", {{ PMD, do_munmap }}, prepare_munmap, clean_nothing,
	  NULL, BY_VMSPLICE, 0 },
	{ "free-munmap-pmd", {{ PUD, do_munmap }}, prepare_munmap, clean_nothing,
	  NULL, BY_VMSPLICE, 0 },
	{ "free-munmap-mmap", {{ PMD, do_munmap_mmap }}, prepare_munmap,
	  unmap_arena, NULL, BY_VMSPLICE, 0 },
	{ "free-mremap", {{ PMD, do_mremap_over }}, prepare_munmap, unmap_arena,
	  NULL, BY_VMSPLICE, 0 },
	{ "batch-fallback", {{ PMD, do_munmap_without_memory }},
	  prepare_fallback, clean_nothing, NULL, BY_VMSPLICE, NEEDS_FAULTS },
	{ "batch-fallback-pmd", {{ PUD, do_munmap_without_memory }},
	  prepare_fallback, clean_nothing, NULL, BY_VMSPLICE, NEEDS_FAULTS },
	{ "collapse-free", {{ PMD, do_collapse }}, prepare_collapse, unmap_arena,
	  NULL, BY_VMSPLICE, NEEDS_COLLAPSE },
};

/*
 * The order of flush and free: by probes on the kernel's functions, in a trace
 * instance of our own, of what the main thread calls.
 */
struct probe {
	const char *name;
	const char *definition;
};

static const struct probe probes[] = {
	{ "flush", "flush_tlb_mm_range mm=%di:x64" },
	{ "table", "tlb_remove_table page=%si:x64" },
	{ "sync", "tlb_remove_table_sync_one" },
	{ "rcu", "call_rcu head=%di:x64 func=%si:symbol" },
	{ "page", "free_page_and_swap_cache page=%di:x64" },
};

#define MAX_TABLES	2048

static struct {
	char group[32], instance[64], enable[128], on[128], trace[128];
	bool made;
} tracing;

static void write_probe(const char *name, const char *text)
{
	int fd = open(TRACEFS "/kprobe_events", O_WRONLY | O_APPEND | O_CLOEXEC);
	ssize_t len = strlen(text);

	if (fd < 0 || write(fd, text, len) != len)
		die_errno("cannot set the probe '%s'", name);
	close(fd);
}

/* Also in a signal handler. */
static void remove_trace(void)
{
	static char text[64];

	if (!tracing.made)
		return;
	tracing.made = false;
	write_file(tracing.enable, "0");
	rmdir(tracing.instance);
	snprintf(text, sizeof(text), "-:%s/", tracing.group);
	write_file(TRACEFS "/kprobe_events", text);
}

/*
 * What the main thread does itself, not what interrupts it: callbacks of RCU run
 * on its back (TRACE_FLAG_HARDIRQ, TRACE_FLAG_SOFTIRQ).
 */
static void set_filter(const char *event)
{
	char path[256], text[64];

	snprintf(path, sizeof(path), "%s/events/%s/%s/filter", tracing.instance,
		 tracing.group, event);
	snprintf(text, sizeof(text), "common_pid == %d && !(common_flags & 0x18)",
		 getpid());
	must(write_file(path, text), path);
}

static const char *set_up_trace(void)
{
	char text[256];
	unsigned int i;

	if (tracing.made)
		return NULL;
	if (access(TRACEFS "/instances", W_OK) &&
	    mount("tracefs", TRACEFS, "tracefs", 0, NULL))
		return "tracefs cannot be mounted at " TRACEFS;
	if (access(TRACEFS "/kprobe_events", W_OK))
		return "no kprobe_events (CONFIG_KPROBE_EVENTS)";
	snprintf(tracing.group, sizeof(tracing.group), "walkers_%d", getpid());
	snprintf(tracing.instance, sizeof(tracing.instance),
		 TRACEFS "/instances/%s", tracing.group);
	snprintf(tracing.enable, sizeof(tracing.enable), "%s/events/%s/enable",
		 tracing.instance, tracing.group);
	snprintf(tracing.on, sizeof(tracing.on), "%s/tracing_on",
		 tracing.instance);
	snprintf(tracing.trace, sizeof(tracing.trace), "%s/trace",
		 tracing.instance);
	tracing.made = true;
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		snprintf(text, sizeof(text), "p:%s/%s %s", tracing.group,
			 probes[i].name, probes[i].definition);
		write_probe(probes[i].name, text);
	}
	must(!mkdir(tracing.instance, 0700), tracing.instance);
	must(write_file(tracing.on, "0"), tracing.on);
	for (i = 0; i < ARRAY_SIZE(probes); i++)
		set_filter(probes[i].name);
	return NULL;
}

/*
 * Code that is patched while another CPU runs it kills nested guests. So the
 * others run a loop of user space while probes come and go.
 */
static pthread_t holders[MAX_CPUS];
static atomic_bool holding;
static atomic_uint held;

static void *hold(void *cpu)
{
	pin_to((int)(intptr_t)cpu);
	held++;
	while (holding)
		;
	return NULL;
}

static void switch_trace(const char *on)
{
	int i;

	held = 0;
	holding = true;
	for (i = 1; i < nr_cpus; i++) {
		errno = pthread_create(&holders[i], NULL, hold,
				       (void *)(intptr_t)cpus[i]);
		must(!errno, "pthread_create");
	}
	while (held != (unsigned int)nr_cpus - 1)
		usleep(100);
	must(write_file(tracing.enable, on), tracing.enable);
	holding = false;
	for (i = 1; i < nr_cpus; i++)
		pthread_join(holders[i], NULL);
}

/* What was called, in its order. */
struct calls {
	uint64_t tables[MAX_TABLES];
	unsigned int nr_tables;		/* handed over to be freed */
	unsigned int flushes;
	unsigned int deferred;		/* calls of call_rcu() for tables */
	unsigned int early;		/* of them before the flush */
	unsigned int at_once;		/* tables freed with no grace period */
	bool flushed, synced;		/* since the last table */
};

static bool frees_tables(const char *function)
{
	return strstr(function, "table") || strstr(function, "pte_free") ||
	       strstr(function, "ptdesc");
}

static void read_rcu(struct calls *c, const char *line)
{
	const char *function = strstr(line, "func=");

	if (!function || !frees_tables(function))
		return;
	c->deferred++;
	c->early += !c->flushed;
}

static uint64_t page_of(const char *line)
{
	const char *page = strstr(line, "page=");

	return page ? strtoull(page + strlen("page="), NULL, 16) : 0;
}

static void read_page(struct calls *c, const char *line)
{
	uint64_t page = page_of(line);
	unsigned int i;

	for (i = 0; i < c->nr_tables && c->tables[i] != page; i++)
		;
	if (i < c->nr_tables && !(c->flushed && c->synced))
		c->at_once++;
}

static void read_table(struct calls *c, const char *line)
{
	if (c->nr_tables < MAX_TABLES)
		c->tables[c->nr_tables++] = page_of(line);
	c->flushed = false;
	c->synced = false;
}

static void read_call(struct calls *c, const char *line)
{
	if (strstr(line, ": flush: (")) {
		c->flushes++;
		c->flushed = true;
	} else if (strstr(line, ": table: (")) {
		read_table(c, line);
	} else if (strstr(line, ": sync: (")) {
		c->synced = true;
	} else if (strstr(line, ": rcu: (")) {
		read_rcu(c, line);
	} else if (strstr(line, ": page: (")) {
		read_page(c, line);
	}
}

static void trace_calls(void (*act)(void), struct calls *c)
{
	FILE *file = fopen(tracing.trace, "we");
	char line[512];

	must(file, tracing.trace);	/* opened for writing: emptied */
	fclose(file);
	switch_trace("1");
	must(write_file(tracing.on, "1"), tracing.on);
	act();
	must(write_file(tracing.on, "0"), tracing.on);
	switch_trace("0");
	file = fopen(tracing.trace, "re");
	must(file, tracing.trace);
	memset(c, 0, sizeof(*c));
	while (fgets(line, sizeof(line), file))
		if (*line != '#')
			read_call(c, line);
	fclose(file);
}

struct order_test {
	const char *name;
	void (*prepare)(void);
	void (*act)(void);
	unsigned int least_tables;
	unsigned int needs;
};

/* More than a batch holds (MAX_TABLE_BATCH), each for a page of zeros. */
#define MANY_TABLES	600

static void prepare_few(void)
{
	map_anon(ARENA, GB);
	fill_slot(ARENA, SLOT_A, 0);
}

static void prepare_many(void)
{
	unsigned int i;

	map_anon(ARENA, MANY_TABLES * MB2);
	for (i = 0; i < MANY_TABLES; i++)
		LOAD(ARENA + i * MB2);
}

static void act_many(void)
{
	unmap(ARENA, MANY_TABLES * MB2);
}

static void prepare_order_fallback(void)
{
	set_up_faults();
	prepare_few();
}

static void act_fallback(void)
{
	unmap_without_memory(ARENA, GB);
}

static void act_collapse(void)
{
	must_collapse(A);
}

static const struct order_test order_tests[] = {
	{ "flush-order-munmap", prepare_few, unmap_arena, 1, 0 },
	{ "flush-order-many", prepare_many, act_many, MANY_TABLES, 0 },
	{ "flush-order-fallback", prepare_order_fallback, act_fallback, 1,
	  NEEDS_FAULTS },
	{ "flush-order-collapse", prepare_collapse, act_collapse, 0,
	  NEEDS_COLLAPSE },
};

static bool order_is_right(const struct order_test *t, const struct calls *c)
{
	if (trouble) {
		ksft_print_msg("%s: %s\n", t->name, trouble);
		return false;
	}
	return !c->early && !c->at_once && c->flushes &&
	       c->nr_tables >= t->least_tables;
}

static void test_order(const struct order_test *t)
{
	const char *why = unmet(t->needs) ?: set_up_trace();
	bool is_series = !access(PVTLB_ENABLED, R_OK);
	static struct calls c;

	if (why) {
		ksft_test_result_skip("%s: %s\n", t->name, why);
		return;
	}
	trouble = NULL;
	t->prepare();
	trace_calls(t->act, &c);
	unmap(ARENA, 2 * GB);
	ksft_print_msg("%s: %u tables, %u flushes; to RCU %u times, %u of these before the flush; freed at once %u\n",
		       t->name, c.nr_tables, c.flushes, c.deferred, c.early,
		       c.at_once);
	if (!is_series && !c.deferred && !c.at_once)
		ksft_test_result_skip("%s: this kernel frees no table by RCU here\n",
				      t->name);
	else
		ksft_test_result(order_is_right(t, &c) &&
				 (c.deferred || !is_series), "%s\n", t->name);
}

/*
 * The storm. A page at an address holds always the same tag, or zeros until it
 * is filled, whatever is done to its mapping; so a walk needs to know nothing of
 * what is done just then. Each slot has one thread that changes it.
 */
#define SLOTS_EACH	3
#define STORM_PAGES	16	/* of a slot, that are filled */

enum slot {
	UNMAPPED,				/* munmap, mmap */
	MOVED = UNMAPPED + SLOTS_EACH,		/* mremap there and back */
	COLLAPSED = MOVED + SLOTS_EACH,		/* collapse and split */
	READ_INTO = COLLAPSED + SLOTS_EACH,	/* the same, keeping what it holds */
	SHMEM = READ_INTO + SLOTS_EACH,		/* shared memory: munmap, mmap */
	SHMEM_COLLAPSED = SHMEM + SLOTS_EACH,	/* the same, and collapse */
	STORM_SLOTS = SHMEM_COLLAPSED + SLOTS_EACH,
	FILE_SLOT = STORM_SLOTS,		/* of the file that A and B share */
};

/* The first of each kind is alone in its GiB: its table of PMDs is freed too. */
static char *slot_addr(unsigned int slot)
{
	if (slot % SLOTS_EACH)
		return STORM + slot * MB2;
	return STORM + (slot / SLOTS_EACH + 1) * 2 * GB;
}

static char *parking(unsigned int slot)
{
	return PARKING + (slot_addr(slot) - STORM);
}

enum walk_kind { VMSPLICE, GUP_TEST, DIRECT_READ, FUTEX, WALKS };
enum change_kind {
	MUNMAP, MREMAP, COLLAPSE, SPLIT, SHMEM_COLLAPSE, SHARE, UNSHARE, FORK,
	CHANGES
};

static const char *const walk_names[] = {
	"vmsplice", "gup_test", "direct-read", "futex",
};

static const char *const change_names[] = {
	"munmap", "mremap", "collapse", "split", "shmem-collapse", "share",
	"unshare", "fork",
};

/* Shared by the processes. */
struct storm {
	atomic_bool stop;
	_Atomic uint64_t walks[WALKS];		/* that returned pages */
	_Atomic uint64_t failed[WALKS];		/* as nothing was mapped */
	_Atomic uint64_t wrong[WALKS];
	_Atomic uint64_t first_wrong[WALKS][3];	/* address, found, expected */
	_Atomic uint64_t changes[CHANGES];
	_Atomic unsigned int alone;	/* how often A left the table to B */
	_Atomic unsigned int eye;	/* the slot where most happens just now */
};

static struct storm *storm;
static bool storm_has_files;
static int gup_test_fd = -1;

static void wrong(enum walk_kind kind, const void *addr, uint64_t found,
		  uint64_t expected)
{
	if (storm->wrong[kind]++)
		return;
	storm->first_wrong[kind][0] = (uintptr_t)addr;
	storm->first_wrong[kind][1] = found;
	storm->first_wrong[kind][2] = expected;
}

static uint64_t storm_tag(unsigned int slot, unsigned int page)
{
	return tag(SLOT_A, slot, page);
}

static void fill_storm_slot(unsigned int slot, enum owner owner)
{
	char *addr = slot_addr(slot);
	unsigned int i;

	for (i = 0; i < STORM_PAGES; i++)
		put_tag(addr + i * PAGE, tag(owner, slot, i));
}

static void map_storm_slot(unsigned int slot)
{
	map_fixed(slot_addr(slot), MB2, PROT_READ | PROT_WRITE, MAP_ANONYMOUS |
		  (slot >= SHMEM ? MAP_SHARED : MAP_PRIVATE), -1);
	fill_storm_slot(slot, SLOT_A);
}

/* The file that A and B share in the storm: the slots that A looks at */

static char *file_page(unsigned int slot, unsigned int page)
{
	return STORM_SHARED + slot * MB2 + page * PAGE;
}

#define FILE_SLOTS	1

/* Walks */

struct thread {
	void (*run)(uint64_t *seed);
	int cpu;
	uint64_t seed;
	pthread_t thread;
};

static unsigned int up_to(uint64_t *seed, unsigned int n)
{
	return random_next(seed) % n;
}

static bool same_kind(unsigned int slot, unsigned int other)
{
	return slot / SLOTS_EACH == other / SLOTS_EACH;
}

/* A slot of the kind that begins with @first. */
static unsigned int any_slot(uint64_t *seed, unsigned int first)
{
	unsigned int eye = storm->eye;

	if (same_kind(eye, first) && up_to(seed, 4))
		return eye;
	return first + up_to(seed, SLOTS_EACH);
}

/* An address, and the tag that belongs there. */
static char *any_page(uint64_t *seed, uint64_t *expected)
{
	unsigned int n = FILE_SLOT + (storm_has_files ? SLOTS_EACH : 0);
	unsigned int slot = up_to(seed, 4) ? storm->eye : up_to(seed, n);
	unsigned int page = up_to(seed, STORM_PAGES);

	if (slot >= FILE_SLOT) {
		slot = up_to(seed, FILE_SLOTS);
		*expected = tag(FILE_F, slot, page);
		return file_page(slot, page);
	}
	if (slot >= READ_INTO && slot < SHMEM)
		slot = COLLAPSED + slot % SLOTS_EACH;
	*expected = storm_tag(slot, page);
	return slot_addr(slot) + page * PAGE;
}

static void walk_vmsplice(uint64_t *seed)
{
	uint64_t buffer[PAGE / 8], expected;
	int fds[2];
	char *addr;

	must(!pipe2(fds, O_CLOEXEC), "pipe");
	while (!storm->stop) {
		addr = any_page(seed, &expected);
		if (splice_page(fds, addr, buffer) < 0) {
			storm->failed[VMSPLICE]++;
			if (errno != EFAULT)
				die_errno("vmsplice failed");
			continue;
		}
		storm->walks[VMSPLICE]++;
		/* A page may be caught while it is filled. */
		if (buffer[0] && buffer[0] != expected)
			wrong(VMSPLICE, addr, buffer[0], expected);
		if (buffer[PAGE / 8 - 1] && buffer[PAGE / 8 - 1] != expected)
			wrong(VMSPLICE, addr, buffer[PAGE / 8 - 1], expected);
	}
	close(fds[0]);
	close(fds[1]);
}

/* As in mm/gup_test.h. */
struct gup_test {
	uint64_t get_delta_usec, put_delta_usec, addr, size;
	uint32_t nr_pages_per_call, gup_flags, test_flags, which_pages[8];
};

#define GUP_FAST_BENCHMARK	_IOWR('g', 1, struct gup_test)
#define PIN_FAST_BENCHMARK	_IOWR('g', 2, struct gup_test)
#define FOLL_WRITE		1

/* The kernel warns if what was pinned is not: the page of zeros never is. */
static void walk_gup_test(uint64_t *seed)
{
	struct gup_test t;
	uint64_t expected;
	bool pin;

	while (!storm->stop) {
		memset(&t, 0, sizeof(t));
		t.addr = (uintptr_t)any_page(seed, &expected);
		t.nr_pages_per_call = 1 + up_to(seed, 16);
		t.size = t.nr_pages_per_call * PAGE;
		pin = up_to(seed, 2);
		t.gup_flags = pin ? FOLL_WRITE : 0;
		must(!ioctl(gup_test_fd, pin ? PIN_FAST_BENCHMARK :
			    GUP_FAST_BENCHMARK, &t), "gup_test");
		storm->walks[GUP_TEST]++;
	}
}

/* Into pages that are always mapped, and that nobody else writes to. */
static void walk_direct_read(uint64_t *seed)
{
	static unsigned int block[SLOTS_EACH][STORM_PAGES];
	unsigned int slot, page;
	uint64_t *words;
	char *addr;
	bool fresh;

	memset(block, 0, sizeof(block));
	while (!storm->stop) {
		slot = any_slot(seed, READ_INTO) - READ_INTO;
		page = up_to(seed, STORM_PAGES);
		addr = slot_addr(READ_INTO + slot) + page * PAGE;
		words = (uint64_t *)addr;
		/* What was read before must have stayed. */
		fresh = !block[slot][page];
		if (!fresh && LOAD(words) != disk_tag(block[slot][page] - 1))
			wrong(DIRECT_READ, addr, LOAD(words),
			      disk_tag(block[slot][page] - 1));
		block[slot][page] = 1 + up_to(seed, DISK_BLOCKS);
		if (pread(disk, addr, PAGE, (block[slot][page] - 1) * PAGE) !=
		    PAGE)
			die_errno("reading " RAM_DISK " failed");
		storm->walks[DIRECT_READ]++;
		if (LOAD(words) != disk_tag(block[slot][page] - 1) ||
		    LOAD(words + PAGE / 8 - 1) != LOAD(words))
			wrong(DIRECT_READ, addr, LOAD(words),
			      disk_tag(block[slot][page] - 1));
	}
}

/* It never waits: the word is never what it is said to be. */
static void walk_futex(uint64_t *seed)
{
	char *addr;

	while (!storm->stop) {
		addr = slot_addr(any_slot(seed, up_to(seed, 2) ? SHMEM :
					  SHMEM_COLLAPSED)) +
			up_to(seed, STORM_PAGES) * PAGE;
		must(syscall(SYS_futex, addr, FUTEX_WAIT, 0x12345678, NULL) < 0,
		     "a futex that fails");
		if (errno == EFAULT)
			storm->failed[FUTEX]++;
		else if (errno != EAGAIN)
			wrong(FUTEX, addr, errno, EAGAIN);
		else
			storm->walks[FUTEX]++;
	}
}

/*
 * Changes. All share a CPU or two, so those of other kinds than the one in the eye
 * of the storm stay back.
 */
static bool my_turn(uint64_t *seed, unsigned int first)
{
	if (same_kind(storm->eye, first) || !up_to(seed, 8))
		return true;
	usleep(2000);
	return false;
}

static void pause_at_random(uint64_t *seed)
{
	if (up_to(seed, 2))
		usleep(up_to(seed, 2000));
}

/* The same, with what this CPU freed last in use for something else. */
static void pause_with_freed_filled(uint64_t *seed)
{
	int fds[2];

	must(!pipe2(fds, O_CLOEXEC), "pipe");
	must(write(fds[1], no_pages, sizeof(no_pages)) == sizeof(no_pages),
	     "write to a pipe");
	pause_at_random(seed);
	close(fds[0]);
	close(fds[1]);
}

static void change_munmap(uint64_t *seed)
{
	while (!storm->stop) {
		unsigned int first = up_to(seed, 2) ? UNMAPPED : SHMEM, slot;

		if (!my_turn(seed, first))
			continue;
		slot = any_slot(seed, first);
		unmap(slot_addr(slot), MB2);
		pause_with_freed_filled(seed);
		map_storm_slot(slot);
		storm->changes[MUNMAP]++;
		pause_at_random(seed);
	}
}

static void move(char *from, char *to)
{
	must(mremap(from, MB2, MB2, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to,
	     "mremap");
}

static void change_mremap(uint64_t *seed)
{
	while (!storm->stop) {
		unsigned int slot = any_slot(seed, MOVED);

		if (!my_turn(seed, MOVED))
			continue;
		move(slot_addr(slot), parking(slot));
		pause_at_random(seed);
		move(parking(slot), slot_addr(slot));
		storm->changes[MREMAP]++;
		pause_at_random(seed);
	}
}

/* A page that nobody looks at. */
#define UNUSED_PAGE	(STORM_PAGES + 1)

static void split_slot(unsigned int slot, uint64_t *seed)
{
	char *page = slot_addr(slot) + UNUSED_PAGE * PAGE;

	if (slot < READ_INTO && up_to(seed, 2)) {
		drop(slot_addr(slot) + up_to(seed, STORM_PAGES) * PAGE, PAGE);
		fill_storm_slot(slot, SLOT_A);
	} else {
		must(!mprotect(page, PAGE, PROT_READ) &&
		     !mprotect(page, PAGE, PROT_READ | PROT_WRITE), "mprotect");
	}
	storm->changes[SPLIT]++;
}

static void change_collapse(uint64_t *seed)
{
	bool huge[2 * SLOTS_EACH] = {0};

	while (!storm->stop) {
		unsigned int first = up_to(seed, 2) ? COLLAPSED : READ_INTO, i;

		if (!my_turn(seed, first))
			continue;
		i = any_slot(seed, first) - COLLAPSED;
		/* Several at a time, whose deposited tables are one list. */
		if (huge[i]) {
			split_slot(COLLAPSED + i, seed);
			huge[i] = false;
			continue;
		}
		/* In vain if a walk has a page just then. */
		huge[i] = !madvise(slot_addr(COLLAPSED + i), MB2, MADV_COLLAPSE);
		storm->changes[COLLAPSE] += huge[i];
		if (huge[i])
			pause_with_freed_filled(seed);
	}
}

/* A file's huge page is mapped in place of a table, which is freed. */
static void change_shmem(uint64_t *seed)
{
	while (!storm->stop) {
		unsigned int slot = any_slot(seed, SHMEM_COLLAPSED);

		if (!my_turn(seed, SHMEM_COLLAPSED))
			continue;
		map_storm_slot(slot);
		if (!madvise(slot_addr(slot), MB2, MADV_COLLAPSE))
			storm->changes[SHMEM_COLLAPSE]++;
		pause_with_freed_filled(seed);
	}
}

/* A: shares, and stops sharing in one of several ways */
static void change_share(uint64_t *seed)
{
	while (!storm->stop) {
		if (!my_turn(seed, FILE_SLOT))
			continue;
		map_file(STORM_SHARED, GB, file_f);
		pause_at_random(seed);
		/* A page that only B ever touches is there, too. */
		LOAD(file_page(0, 0));
		if (frame_of(file_page(FILE_SLOTS, 0)))
			storm->changes[SHARE]++;
		if (up_to(seed, 2))
			must(!mprotect(STORM_SHARED, GB, PROT_READ), "mprotect");
		else
			unmap(STORM_SHARED + (SLOTS - 1) * MB2, MB2);
		storm->changes[UNSHARE]++;
		storm->alone++;
		usleep(up_to(seed, 4000));
	}
}

/* B: shares, waits until it is alone, or for so long, and puts its own there */
static void b_storm(void)
{
	unsigned int i, alone;
	uint64_t seed = 4711;

	while (!storm->stop) {
		map_file(STORM_SHARED, GB, file_f);
		alone = storm->alone;
		LOAD(file_page(FILE_SLOTS, 0));
		for (i = 0; i < 100 && storm->alone == alone; i++)
			usleep(100);
		if (up_to(&seed, 2))
			map_file(STORM_SHARED, MB2, file_g);
		else
			map_anon(STORM_SHARED, MB2);
		for (i = 0; i < STORM_PAGES; i++)
			put_tag(file_page(0, i), tag(PROCESS_B, 0, i));
		usleep(up_to(&seed, 2000));
	}
	unmap(STORM_SHARED, GB);
}

static void b_fill_file(void)
{
	unsigned int slot, i;

	map_file(STORM_SHARED, GB, file_f);
	for (slot = 0; slot < FILE_SLOTS; slot++)
		for (i = 0; i < STORM_PAGES; i++)
			put_tag(file_page(slot, i), tag(FILE_F, slot, i));
}

/* The child's pages are not the parent's, and its tables are freed as it ends. */
static _Noreturn void be_child(void)
{
	unsigned int slot;

	for (slot = COLLAPSED; slot < READ_INTO; slot++)
		fill_storm_slot(slot, CHILD);
	_exit(0);
}

static void change_fork(uint64_t *seed)
{
	int status;
	pid_t child;

	while (!storm->stop) {
		if (!my_turn(seed, COLLAPSED))
			continue;
		child = fork();
		must(child >= 0, "fork");
		if (!child)
			be_child();
		must(waitpid(child, &status, 0) == child, "waitpid");
		if (status)
			die("a child of the storm died: status %#x", status);
		storm->changes[FORK]++;
		usleep(up_to(seed, 20000));
	}
}

static void *run_storm_thread(void *arg)
{
	struct thread *t = arg;

	pin_to(t->cpu);
	t->run(&t->seed);
	return NULL;
}

/*
 * Those that change on the first half of the CPUs, those that walk on the rest: a
 * walk that stops must not stop the change, and then only another CPU can make it.
 */
static struct thread storm_threads[16];
static unsigned int nr_walks, nr_storm_threads;

static void add_thread(void (*run)(uint64_t *seed), bool walks)
{
	struct thread *t = &storm_threads[nr_storm_threads++];
	unsigned int half = nr_cpus / 2, n = walks ? nr_walks++ :
		nr_storm_threads - nr_walks - 1;

	t->run = run;
	t->seed = nr_storm_threads;
	if (!half)
		t->cpu = cpus[0];
	else
		t->cpu = walks ? cpus[half + n % (nr_cpus - half)] :
				 cpus[n % half];
	errno = pthread_create(&t->thread, NULL, run_storm_thread, t);
	must(!errno, "pthread_create");
}

static const char *why_no_walk[WALKS], *why_no_change[CHANGES];

static bool storm_is_dangerous(void)
{
	const char *why = too_dangerous();
	unsigned int i;

	for (i = 0; i < WALKS; i++)
		why_no_walk[i] = why;
	for (i = 0; i < CHANGES; i++)
		why_no_change[i] = why;
	return why;
}

static void look_for_obstacles(void)
{
	why_no_walk[DIRECT_READ] = disk_obstacle();
	gup_test_fd = open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC);
	if (gup_test_fd < 0)
		why_no_walk[GUP_TEST] =
			"no /sys/kernel/debug/gup_test (CONFIG_GUP_TEST)";
	if (!can_collapse()) {
		why_no_change[COLLAPSE] = no_collapse;
		why_no_change[SPLIT] = no_collapse;
		why_no_change[SHMEM_COLLAPSE] = no_collapse;
	}
	why_no_change[SHARE] = hugetlb_obstacle();
	why_no_change[UNSHARE] = why_no_change[SHARE];
	storm_has_files = !why_no_change[SHARE];
}

static void begin_storm(void)
{
	unsigned int slot;

	for (slot = 0; slot < STORM_SLOTS; slot++)
		map_storm_slot(slot);
	if (storm_has_files) {
		tell_b(b_fill_file);
		begin_b(b_storm);
	}
	add_thread(walk_vmsplice, true);
	add_thread(walk_futex, true);
	if (!why_no_walk[GUP_TEST])
		add_thread(walk_gup_test, true);
	if (!why_no_walk[DIRECT_READ])
		add_thread(walk_direct_read, true);
	add_thread(change_munmap, false);
	add_thread(change_mremap, false);
	add_thread(change_collapse, false);
	add_thread(change_shmem, false);
	add_thread(change_fork, false);
	if (storm_has_files)
		add_thread(change_share, false);
}

static void end_storm(void)
{
	unsigned int i;

	storm->stop = true;
	for (i = 0; i < nr_storm_threads; i++)
		pthread_join(storm_threads[i].thread, NULL);
	if (storm_has_files)
		end_b();
	munmap(STORM, 512 * GB);
	munmap(STORM_SHARED, GB);
}

#define STALL_AT_RANDOM_USECS	5000
#define EYE_USECS		300000

/* Returns whether walks stop at random. */
static bool random_stops(bool on)
{
	if (access(STALL_DIR "random", W_OK))
		return false;
	must(set_number(STALL_DIR "tid", 0) &&
	     set_number(STALL_DIR "usecs", on ? STALL_AT_RANDOM_USECS :
			STALL_USECS) &&
	     set_number(STALL_DIR "steps", on ? ALL_STEPS : 0) &&
	     set_number(STALL_DIR "random", on), STALL_DIR);
	return true;
}

static void report_walk(enum walk_kind kind)
{
	const char *name = walk_names[kind];

	if (why_no_walk[kind]) {
		ksft_test_result_skip("storm-%s: %s\n", name, why_no_walk[kind]);
		return;
	}
	ksft_print_msg("storm-%s: %" PRIu64 " walks, %" PRIu64
		       " where nothing was mapped, %" PRIu64 " wrong\n", name,
		       storm->walks[kind], storm->failed[kind],
		       storm->wrong[kind]);
	if (storm->wrong[kind])
		ksft_print_msg("storm-%s: the first wrong one at %#" PRIx64
			       ": %#" PRIx64 ", right is %#" PRIx64 "\n", name,
			       storm->first_wrong[kind][0],
			       storm->first_wrong[kind][1],
			       storm->first_wrong[kind][2]);
	ksft_test_result(storm->walks[kind] && !storm->wrong[kind],
			 "storm-%s\n", name);
}

static void report_change(enum change_kind kind)
{
	const char *name = change_names[kind];

	if (why_no_change[kind]) {
		ksft_test_result_skip("storm-%s: %s\n", name,
				      why_no_change[kind]);
		return;
	}
	ksft_print_msg("storm-%s: %" PRIu64 "\n", name, storm->changes[kind]);
	ksft_test_result(storm->changes[kind], "storm-%s\n", name);
}

static void run_storm(void)
{
	uint64_t seed = 42, end;

	look_for_obstacles();
	if (!random_stops(true))
		ksft_print_msg("storm: no " STALL_DIR ": no walk is stopped\n");
	begin_storm();
	end = now_ns() + storm_seconds * NSEC_PER_SEC;
	while (now_ns() < end) {
		storm->eye = up_to(&seed, FILE_SLOT +
				   (storm_has_files ? SLOTS_EACH : 0));
		usleep(EYE_USECS);
	}
	random_stops(false);
	end_storm();
}

static void test_storm(void)
{
	unsigned int i;

	if (!storm_is_dangerous())
		run_storm();
	for (i = 0; i < WALKS; i++)
		report_walk(i);
	for (i = 0; i < CHANGES; i++)
		report_change(i);
}

/* The program */

static const char help[] =
"Usage: walkers [-n ROUNDS] [-S SECONDS] [-k CASE]... [-a] [-l]\n"
"Changes page tables while others walk them without locks, and fails when one of\n"
"them returns a page that was never there. Prints KTAP. What fails to be noticed\n"
"by its content is meant to end in an oops, or in a report of KASAN.\n"
"  -n ROUNDS   rounds of each directed case that are conclusive (2)\n"
"  -S SECONDS  how long the storm lasts (20); its walks stop at random if the\n"
"              kernel has CONFIG_DEBUG_GUP_FAST_STALL, which the directed cases\n"
"              cannot do without\n"
"  -k CASE     only cases whose name matches this shell pattern; may be repeated.\n"
"              The storm is one case, 'storm', with several results\n"
"  -a          all of them, also after one of the directed cases failed: the\n"
"              kernel may not survive it\n"
"  -l          list the cases\n"
"Uses " RAM_DISK " if it holds nothing. Status: 0 pass, 1 fail, 64 wrong usage.\n"
"A case that this machine cannot run is a SKIP with its reason. Needs root.\n";

static bool wanted(const char *name)
{
	unsigned int i;

	for (i = 0; i < nr_filters; i++)
		if (!fnmatch(filters[i], name, 0))
			return true;
	return !nr_filters;
}

static unsigned int count_name(const char *name, bool list)
{
	if (!wanted(name))
		return 0;
	if (list)
		puts(name);
	return 1;
}

/* How many results there will be. */
static unsigned int count_tests(bool list)
{
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(directed); i++)
		n += count_name(directed[i].name, list);
	for (i = 0; i < ARRAY_SIZE(order_tests); i++)
		n += count_name(order_tests[i].name, list);
	if (count_name("storm", list))
		n += WALKS + CHANGES;
	return n;
}

static bool read_options(int argc, char **argv)
{
	bool list = false;
	int c;

	help_option(argc, argv, help);
	while ((c = getopt(argc, argv, ":n:S:k:al")) != -1) {
		switch (c) {
		case 'n':
			rounds = parse_number("-n", optarg, 1, 100000);
			break;
		case 'S':
			storm_seconds = parse_number("-S", optarg, 1, 100000);
			break;
		case 'k':
			if (nr_filters == ARRAY_SIZE(filters))
				usage_error("too many -k");
			filters[nr_filters++] = optarg;
			break;
		case 'a':
			go_on = true;
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
	return list;
}

static void set_up(void)
{
	nr_cpus = allowed_cpus(cpus);
	main_cpu = cpus[0];
	walker_cpu = cpus[nr_cpus - 1 ? 1 : 0];
	storm = mmap(NULL, sizeof(*storm), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(storm != MAP_FAILED, "mmap");
	open_huge_files();
	start_b();
	at_end(put_back);
	pin_to(main_cpu);
	set_up_drain();
	set_up_trap();
	set_up_filling();
}

int main(int argc, char **argv)
{
	bool list = read_options(argc, argv);
	unsigned int i, n = count_tests(list);

	if (!n)
		usage_error("no case matches");
	if (list)
		return 0;
	set_up();
	ksft_print_header();
	ksft_set_plan(n);
	for (i = 0; i < ARRAY_SIZE(directed); i++)
		if (wanted(directed[i].name))
			test_directed(&directed[i]);
	for (i = 0; i < ARRAY_SIZE(order_tests); i++)
		if (wanted(order_tests[i].name))
			test_order(&order_tests[i]);
	if (wanted("storm"))
		test_storm();
	ksft_finished();
}
