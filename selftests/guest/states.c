// SPDX-License-Identifier: GPL-2.0
/*
 * states: are translations right while the machine changes its state?
 *
 * A CPU goes and comes back, the machine sleeps, hibernates, starts another
 * kernel, crashes. Meanwhile two other processes run. The judge is the program
 * stale, again and again: a worker on every CPU, and each sees at once when it
 * was not flushed. The storm has a thread on every CPU that replaces pages of
 * its own: so CPUs that come and go send flushes as well as receive them, and
 * there is always one under way when the state changes.
 *
 * A thread that is bound to a CPU loses its binding when the CPU goes. It is
 * bound again when the CPU is back, from outside: with the first instruction
 * there it uses addresses whose pages were replaced many times in between.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/reboot.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest.h"
#include "lab_mark.h"
#include "tool.h"

#define PAGE		4096UL
#define STORM_PAGES	64
#define STORM_BURST	4
#define STORM_PAUSE_US	2000
#define MAX_THREADS	(2 * MAX_CPUS)

/* Seconds of the guest; an emulated one needs a tenth of them. @slower times that. */
#define JUDGE_LIMIT	150
#define STORM_LIMIT	20
#define START_LIMIT	20

#define KERNEL_IMAGE	"/lab/bzImage"
#define NEXT_INITRD	"/run/next.cpio"
#define FIRST_KERNEL	"/lab/first"	/* what it leaves for the second */
#define SECOND_KERNEL	"states.second"	/* on its command line */
#define RAM_DISK	"/dev/ram0"

#define SYSLOG_READ_ALL	3
#define SYSLOG_SIZE	10

struct state {
	const char *name;
	uint64_t times;
	void (*run)(void);
};

static int cpus[MAX_CPUS];
static unsigned int nr_cpus;
static uint64_t times, slower = 1;
static int hot_cpu = -1;
static const char *more_args = "";

/* Files and the kernel's log */

static bool read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return n >= 0;
}

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ssize_t len = strlen(text);
	bool done = fd >= 0 && write(fd, text, len) == len;
	int err = errno;

	if (fd >= 0)
		close(fd);
	errno = err;
	return done;
}

static void must_write(const char *path, const char *text)
{
	if (!write_text(path, text))
		die_errno("cannot write '%s' to %s", text, path);
}

static void must_run(const char *command)
{
	int status = system(command);

	if (status)
		die("status %d of: %s", status, command);
}

/* What it says from the last @since on, or all of it. */
static const char *kernel_log(const char *since)
{
	static char *log;
	int size = klogctl(SYSLOG_SIZE, NULL, 0);
	const char *from, *next;

	free(log);
	log = size < 0 ? NULL : calloc(1, size + 1);
	if (!log || klogctl(SYSLOG_READ_ALL, log, size) < 0)
		die_errno("cannot read the kernel's log");
	from = log;
	while (since && (next = strstr(from + 1, since)))
		from = next;
	return from;
}

/*
 * Flushes that the series did by IPI although it meant to make a hypercall.
 * Returns false where no kernel counts them.
 */
static bool count_fallbacks(uint64_t *sum)
{
	FILE *file = fopen("/sys/kernel/debug/pvtlb/fallbacks", "re");
	uint64_t value;

	if (!file)
		return false;
	*sum = 0;
	while (fscanf(file, "%*s %" SCNu64, &value) == 1)
		*sum += value;
	fclose(file);
	return true;
}

/* Threads of other processes */

/* Which CPU @tid is bound to, or -1. */
static int bound_to(pid_t tid)
{
	cpu_set_t set;
	int cpu;

	if (sched_getaffinity(tid, sizeof(set), &set) || CPU_COUNT(&set) != 1)
		return -1;
	for (cpu = 0; !CPU_ISSET(cpu, &set); cpu++)
		;
	return cpu;
}

/* Appends to @tids those bound to @cpu, or all when it is -1. */
static unsigned int find_threads(pid_t pid, int cpu, pid_t *tids, unsigned int nr)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return nr;
	while ((entry = readdir(dir))) {
		pid_t tid = atoi(entry->d_name);

		if (tid && nr < MAX_THREADS && (cpu < 0 || bound_to(tid) == cpu))
			tids[nr++] = tid;
	}
	closedir(dir);
	return nr;
}

static cpu_set_t set_of(const int *list, unsigned int nr)
{
	cpu_set_t set;
	unsigned int i;

	CPU_ZERO(&set);
	for (i = 0; i < nr; i++)
		CPU_SET(list[i], &set);
	return set;
}

static void bind_again(const pid_t *tids, unsigned int nr, int cpu)
{
	cpu_set_t set = set_of(&cpu, 1);
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (sched_setaffinity(tids[i], sizeof(set), &set) && errno != ESRCH)
			die_errno("cannot bind thread %d to CPU %d", tids[i], cpu);
}

/* A child that was not waited for yet. */
static bool is_alive(pid_t pid)
{
	siginfo_t info = { };

	return !waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
	       !info.si_pid;
}

/* Until @pid has a thread on each CPU: then no thread binds itself any more. */
static void await_bound(pid_t pid, const int *list, unsigned int nr)
{
	uint64_t end = now_ns() + slower * START_LIMIT * NSEC_PER_SEC;
	pid_t tids[MAX_THREADS];
	unsigned int i, bound;

	do {
		for (i = 0, bound = 0; i < nr; i++)
			bound += find_threads(pid, list[i], tids, 0) > 0;
		if (bound == nr)
			return;
		usleep(1000);
	} while (now_ns() < end && is_alive(pid));
	ksft_print_msg("process %d has threads on %u CPUs, not on %u\n", pid, bound,
		       nr);
}

/* A process of our own, that ends when this one does. */
static pid_t start_process(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die_errno("cannot fork");
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* The storm */

struct storm {
	pthread_barrier_t ready;
	atomic_bool calm;
	struct {
		_Alignas(64) _Atomic uint64_t calls;
	} of[MAX_CPUS];
};

static struct storm *storm;
static char *storm_pages;
static pid_t storm_pid;

static void replace_pages(char *pages, uint64_t random)
{
	size_t len = (1 + (random >> 8) % STORM_PAGES) * PAGE;
	const int rw = PROT_READ | PROT_WRITE;
	bool done = true;
	size_t i;

	for (i = 0; i < len; i += PAGE)
		STORE(pages + i, 1);
	switch (random % 3) {
	case 0:
		done = !madvise(pages, len, MADV_DONTNEED);
		break;
	case 1:
		done = !mprotect(pages, len, PROT_READ) && !mprotect(pages, len, rw);
		break;
	case 2:
		done = !munmap(pages, len) &&
		       mmap(pages, len, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			    -1, 0) == pages;
		break;
	}
	if (!done)
		die_errno("the storm cannot replace %zu bytes", len);
}

/* Nobody else may map anything, it could get what is unmapped here. */
static void *storm_on(void *arg)
{
	unsigned int self = (uintptr_t)arg;
	char *pages = storm_pages + self * STORM_PAGES * PAGE;
	uint64_t random = self;
	unsigned int i;

	pin_to(cpus[self]);
	pthread_barrier_wait(&storm->ready);
	for (;;) {
		for (i = 0; i < STORM_BURST && !storm->calm; i++) {
			replace_pages(pages, random_next(&random));
			storm->of[self].calls++;
		}
		usleep(STORM_PAUSE_US);
	}
	return NULL;
}

static void *map_memory(size_t len, int flags)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS,
		       -1, 0);

	if (p == MAP_FAILED)
		die_errno("cannot map %zu bytes", len);
	return p;
}

static void start_storm(void)
{
	pthread_t thread;
	unsigned int i;

	storm = map_memory(sizeof(*storm), MAP_SHARED);
	storm_pages = map_memory(nr_cpus * STORM_PAGES * PAGE, MAP_PRIVATE);
	storm_pid = start_process();
	if (storm_pid) {
		await_bound(storm_pid, cpus, nr_cpus);
		return;
	}
	pthread_barrier_init(&storm->ready, NULL, nr_cpus);
	for (i = 1; i < nr_cpus; i++) {
		errno = pthread_create(&thread, NULL, storm_on, (void *)(uintptr_t)i);
		if (errno)
			die_errno("cannot start a thread");
	}
	storm_on(NULL);
}

static uint64_t storm_calls(void)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < nr_cpus; i++)
		sum += storm->of[i].calls;
	return sum;
}

/* Does every thread of it still replace pages? */
static bool storm_goes_on(void)
{
	uint64_t end = now_ns() + slower * STORM_LIMIT * NSEC_PER_SEC;
	uint64_t before[MAX_CPUS];
	unsigned int i;

	for (i = 0; i < nr_cpus; i++)
		before[i] = storm->of[i].calls;
	for (i = 0; i < nr_cpus; i++) {
		while (storm->of[i].calls == before[i]) {
			if (now_ns() > end || !is_alive(storm_pid)) {
				ksft_print_msg("the storm on CPU %d is over\n", cpus[i]);
				return false;
			}
			usleep(1000);
		}
	}
	return true;
}

/* The judge */

static struct {
	char program[256];
	char *args[10];
	pid_t pid;		/* 0: not running */
	int pair[2];
	uint64_t began;
	uint64_t longest;
	int out;
	unsigned int runs;
	unsigned int cases;
	bool failed;
} judge = {
	/* Twice each way in which its workers touch what is replaced. */
	.args = { "stale", "-n", "8", "-k", "m*-1*", "-k", "protect-*-1",
		  "-k", "fork-1" },
};

/* It lies where this program does. */
static void find_judge(void)
{
	ssize_t n = readlink("/proc/self/exe", judge.program,
			     sizeof(judge.program) - sizeof("stale"));
	char *slash = n < 0 ? NULL : strrchr(judge.program, '/');

	if (!slash)
		die_errno("cannot read /proc/self/exe");
	memcpy(slash + 1, "stale", sizeof("stale"));
	if (access(judge.program, X_OK))
		die_errno("%s is needed, too", judge.program);
	judge.out = memfd_create("judge", MFD_CLOEXEC);
	if (judge.out < 0)
		die_errno("no memfd");
}

/*
 * Every other run is on two CPUs only, the first and the one that comes and goes
 * or the last: they wait for nobody else and judge many times more often, where a
 * guest has more CPUs than the machine it is emulated on.
 */
static void start_judge(void)
{
	bool pair = judge.runs % 2;
	const int *list = pair ? judge.pair : cpus;
	unsigned int nr = pair ? ARRAY_SIZE(judge.pair) : nr_cpus;
	cpu_set_t set = set_of(list, nr);

	if (ftruncate(judge.out, 0) || lseek(judge.out, 0, SEEK_SET))
		die_errno("cannot empty the judge's output");
	judge.began = now_ns();
	judge.pid = start_process();
	if (judge.pid) {
		await_bound(judge.pid, list, nr);
		return;
	}
	if (sched_setaffinity(0, sizeof(set), &set))
		die_errno("cannot choose the judge's CPUs");
	if (dup2(judge.out, STDOUT_FILENO) < 0 || dup2(judge.out, STDERR_FILENO) < 0)
		_exit(1);
	execv(judge.program, judge.args);
	die_errno("cannot run %s", judge.program);
}

/* Counts what it found; shows it if something was wrong. */
static void read_judge(bool show)
{
	FILE *file;
	char line[512];
	int fd = dup(judge.out);

	file = fd < 0 ? NULL : fdopen(fd, "r");
	if (!file)
		die_errno("cannot read the judge's output");
	rewind(file);
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, "ok ", 3) && !strstr(line, "# SKIP"))
			judge.cases++;
		if (show)
			ksft_print_msg("stale: %s", line);
	}
	fclose(file);
}

/* True when a run has ended. */
static bool judge_ended(void)
{
	uint64_t took = now_ns() - judge.began;
	bool hangs = took > slower * JUDGE_LIMIT * NSEC_PER_SEC;
	int status;

	if (hangs)
		kill(judge.pid, SIGKILL);
	if (waitpid(judge.pid, &status, hangs ? 0 : WNOHANG) != judge.pid)
		return false;
	judge.pid = 0;
	judge.runs++;
	if (took > judge.longest)
		judge.longest = took;
	if (hangs)
		ksft_print_msg("stale does not end within %" PRIu64 " s\n",
			       slower * JUDGE_LIMIT);
	else if (status)
		ksft_print_msg("stale ended with status 0x%x\n", status);
	read_judge(hangs || status);
	if (hangs || status)
		judge.failed = true;
	return true;
}

/* There is to be a run under way whenever the state changes. */
static void keep_judging(void)
{
	if (!judge.pid || judge_ended())
		start_judge();
}

/*
 * In the calm: what the storm makes a CPU do, make calls of its own and serve
 * those of others, flushes it as well and hides what was forgotten.
 */
static void finish_judging(void)
{
	if (storm)
		storm->calm = true;
	while (judge.pid && !judge_ended())
		usleep(10000);
	if (storm)
		storm->calm = false;
}

static void judge_once(void)
{
	start_judge();
	finish_judging();
}

static void report_judge(void)
{
	ksft_print_msg("%u runs of stale, %u cases passed, longest run %" PRIu64 " ms\n",
		       judge.runs, judge.cases, judge.longest / 1000000);
	ksft_print_msg("%" PRIu64 " calls by the storm\n", storm_calls());
	ksft_test_result(!judge.failed && judge.cases, "no stale translation\n");
}

static void report_fallbacks(void)
{
	static const char name[] = "no flush fell back to interrupts";
	uint64_t sum;

	if (!count_fallbacks(&sum)) {
		ksft_test_result_skip("%s: this kernel does not count them\n", name);
		return;
	}
	if (sum)
		ksft_print_msg("%" PRIu64 " flushes fell back\n", sum);
	ksft_test_result(!sum, "%s\n", name);
}

/* A first run alone, then the storm. */
static void begin(unsigned int nr_results)
{
	ksft_print_header();
	ksft_set_plan(nr_results);
	lab_mark("before");
	judge_once();
	start_storm();
	keep_judging();
}

/* What is still under way ends, and a last run of each kind follows. */
static void end(void)
{
	finish_judging();
	lab_mark("after");
	judge_once();
	judge_once();
	report_judge();
}

/* One CPU goes and comes back */

#define HOTPLUG_OFF_US		20000
#define HOTPLUG_CALM_US		60000
#define HOTPLUG_STORM_US	20000

static char online_path[64];

static bool switch_cpu(const char *on)
{
	if (write_text(online_path, on))
		return true;
	ksft_print_msg("%s to %s: %s\n", on, online_path, strerror(errno));
	return false;
}

static bool off_and_on(unsigned int off_us)
{
	pid_t tids[MAX_THREADS];
	unsigned int nr;

	nr = find_threads(judge.pid, hot_cpu, tids, 0);
	nr = find_threads(storm_pid, hot_cpu, tids, nr);
	if (!switch_cpu("0"))
		return false;
	usleep(off_us);
	if (!switch_cpu("1"))
		return false;
	bind_again(tids, nr, hot_cpu);
	return true;
}

static void hotplug(void)
{
	uint64_t random = 0, began, i;
	bool done = true;

	snprintf(online_path, sizeof(online_path),
		 "/sys/devices/system/cpu/cpu%d/online", hot_cpu);
	if (access(online_path, W_OK))
		ksft_exit_skip("CPU %d cannot go: no %s\n", hot_cpu, online_path);
	begin(3);
	lab_mark("hotplug");
	began = now_ns();
	for (i = 0; done && i < times; i++) {
		keep_judging();
		done = off_and_on(random_next(&random) % HOTPLUG_OFF_US) &&
		       storm_goes_on();
		storm->calm = true;
		usleep(HOTPLUG_CALM_US);
		storm->calm = false;
		usleep(random_next(&random) % HOTPLUG_STORM_US);
		if ((i + 1) % 50 == 0 || !done)
			ksft_print_msg("%" PRIu64 " times in %" PRIu64 " ms\n",
				       i + 1, (now_ns() - began) / 1000000);
	}
	ksft_test_result(done, "CPU %d off and on %" PRIu64 " times\n", hot_cpu, times);
	end();
	report_fallbacks();
	ksft_finished();
}

/* The machine sleeps */

#define PM_TEST		"/sys/power/pm_test"
#define PM_DELAY	"/sys/module/suspend/parameters/pm_test_delay"
#define WAKE_ALARM	"/sys/class/rtc/rtc0/wakealarm"
/*
 * Far more than the way down takes: past that nothing would wake it up. @slower
 * times that.
 */
#define SLEEP_SECONDS	8

static void need_word(const char *path, const char *word)
{
	char text[256];

	read_text(path, text, sizeof(text));
	if (!strstr(text, word))
		ksft_exit_skip("no '%s' in %s\n", word, path);
}

static void set_alarm(void)
{
	char text[32];

	snprintf(text, sizeof(text), "+%" PRIu64, slower * SLEEP_SECONDS);
	write_text(WAKE_ALARM, "0");
	must_write(WAKE_ALARM, text);
}

/*
 * Under way: the judge, the storm. Then nobody may have been left behind, and a
 * run that has seen both ends.
 */
static bool sleep_once(const char *how, bool alarm)
{
	usleep(500000);
	keep_judging();
	if (alarm)
		set_alarm();
	if (!write_text("/sys/power/state", how)) {
		ksft_print_msg("%s to /sys/power/state: %s\n", how, strerror(errno));
		return false;
	}
	if (!storm_goes_on())
		return false;
	finish_judging();
	return true;
}

/*
 * The way down to where only one CPU is left, interrupts are off and the
 * hypercall page is gone, and back.
 */
static void test_core(const char *how)
{
	uint64_t i;
	bool done = true;

	must_write(PM_DELAY, "1");
	must_write(PM_TEST, "core");
	for (i = 0; done && i < times; i++)
		done = sleep_once(how, false);
	must_write(PM_TEST, "none");
	ksft_test_result(done, "to %s and back without sleeping, %" PRIu64 " times\n",
			 how, times);
}

static bool sleep_and_wake(void)
{
	return sleep_once("mem", true) &&
	       strstr(kernel_log("PM: suspend entry"), "Low-level resume complete");
}

/*
 * A virtual CPU that wakes up has been reset, and QEMU resets the MSRs of Hyper-V
 * with it. Without the guest's identity KVM takes no Hyper-V hypercall.
 */
static void report_awake(uint64_t before)
{
	static const char name[] = "hypercalls after sleep";
	uint64_t after;

	if (!count_fallbacks(&after)) {
		ksft_test_result_skip("%s: this kernel does not count fallbacks\n", name);
		return;
	}
	if (after != before)
		ksft_print_msg("%" PRIu64 " flushes fell back\n", after - before);
	ksft_test_result(after == before, "%s\n", name);
}

static void suspend(void)
{
	uint64_t i, fallen = 0;
	bool done = true;

	need_word("/sys/power/state", "mem");
	need_word("/sys/power/mem_sleep", "deep");
	need_word(PM_TEST, "core");
	if (access(WAKE_ALARM, W_OK))
		ksft_exit_skip("nothing to wake it up: no %s\n", WAKE_ALARM);
	begin(5);
	must_write("/sys/power/mem_sleep", "deep");
	lab_mark("core");
	test_core("mem");
	report_fallbacks();
	count_fallbacks(&fallen);
	lab_mark("sleep");
	for (i = 0; done && i < times; i++)
		done = sleep_and_wake();
	ksft_test_result(done, "asleep and woken, %" PRIu64 " times\n", times);
	end();
	report_awake(fallen);
	ksft_finished();
}

/*
 * The image goes to a RAM disk, which is part of what it is an image of. That
 * is no problem: all of it has been read before the memory is overwritten, and
 * then the disk is empty again, as it was when the image was made.
 */
static bool hibernate_and_resume(void)
{
	const char *log;

	if (!sleep_once("disk", false))
		return false;
	/* The log comes from the image: it cannot say that it was written. */
	log = kernel_log("hibernation entry");
	if (strstr(log, "Need to copy") && !strstr(log, "Image saving done"))
		return true;
	ksft_print_msg("no image was restored\n");
	return false;
}

static void hibernate(void)
{
	bool done = true;
	uint64_t i;

	need_word("/sys/power/state", "disk");
	need_word("/sys/power/disk", "test_resume");
	need_word(PM_TEST, "core");
	must_run("mkswap " RAM_DISK " >/dev/null && swapon " RAM_DISK);
	must_write("/sys/power/image_size", "0");
	begin(4);
	lab_mark("core");
	test_core("disk");
	lab_mark("hibernate");
	must_write("/sys/power/disk", "test_resume");
	for (i = 0; done && i < times; i++)
		done = hibernate_and_resume();
	ksft_test_result(done, "hibernated and resumed, %" PRIu64 " times\n", times);
	end();
	report_fallbacks();
	ksft_finished();
}

/* Another kernel */

static const char * const announcements[] = {
	"Hypervisor detected: Microsoft Hyper-V",
	"Hypervisor detected: KVM",
	"backend, page tables freed by RCU",
	"Hyper-V: Using hypercall for remote TLB flush",
	"KVM setup pv remote TLB flush",
};

/* Which of them this kernel has made, a bit each. */
static unsigned int announced(void)
{
	const char *log = kernel_log(NULL);
	unsigned int i, made = 0;

	for (i = 0; i < ARRAY_SIZE(announcements); i++)
		if (strstr(log, announcements[i]))
			made |= 1U << i;
	return made;
}

static void load_kernel(unsigned long flags)
{
	char line[4096];
	int kernel = open(KERNEL_IMAGE, O_RDONLY | O_CLOEXEC);
	int initrd = open(NEXT_INITRD, O_RDONLY | O_CLOEXEC);
	size_t len;

	if (kernel < 0 || initrd < 0)
		die_errno("cannot read " KERNEL_IMAGE " and " NEXT_INITRD);
	if (!read_text("/proc/cmdline", line, sizeof(line)))
		die_errno("cannot read /proc/cmdline");
	len = strcspn(line, "\n");
	snprintf(line + len, sizeof(line) - len, " %s%s %s", SECOND_KERNEL,
		 flags ? " crashkernel=0" : "", more_args);
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(line) + 1, line, flags)) {
		if (errno == ENOEXEC)
			ksft_exit_skip("only relocatable kernels can be loaded\n");
		die_errno("kexec_file_load failed");
	}
	close(kernel);
	close(initrd);
}

/* The second kernel's user space is this one's, with what this one knows. */
static void prepare_kernel(unsigned long flags)
{
	char text[64];

	snprintf(text, sizeof(text), "%u\n", announced());
	must_write(FIRST_KERNEL, text);
	must_run("cd / && find . -xdev ! -path './run/*' ! -path ." KERNEL_IMAGE
		 " | cpio -o -H newc >" NEXT_INITRD " 2>/dev/null");
	load_kernel(flags);
}

static void into_storm(void)
{
	start_storm();
	keep_judging();
	usleep(1000000);
	if (!storm_goes_on())
		exit(1);
}

static void first_kernel(unsigned long flags)
{
	if (access("/sys/kernel/kexec_loaded", F_OK))
		ksft_exit_skip("this kernel has no kexec\n");
	ksft_print_msg("first kernel\n");
	judge_once();
	if (judge.failed)
		die("there are stale translations before kexec");
	prepare_kernel(flags);
	into_storm();
}

static void second_kernel(const char *left)
{
	unsigned int before = strtoul(left, NULL, 10), now = announced(), i;
	char line[4096];

	read_text("/proc/cmdline", line, sizeof(line));
	ksft_print_header();
	ksft_set_plan(4);
	ksft_test_result(strstr(line, " " SECOND_KERNEL), "a second kernel\n");
	for (i = 0; i < ARRAY_SIZE(announcements); i++)
		if ((before ^ now) & 1U << i)
			ksft_print_msg("only the %s kernel says: %s\n",
				       before & 1U << i ? "first" : "second",
				       announcements[i]);
	ksft_test_result(before == now, "the same hypervisor and backend\n");
	judge_once();
	start_storm();
	keep_judging();
	usleep(500000);
	end();
	report_fallbacks();
	ksft_finished();
}

/* Are we in the second kernel? Then what the first one left. */
static void if_second(void)
{
	char left[64];

	if (!access(FIRST_KERNEL, F_OK) && read_text(FIRST_KERNEL, left, sizeof(left)))
		second_kernel(left);
}

static void kexec(void)
{
	if_second();
	first_kernel(0);
	fflush(stdout);
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		LINUX_REBOOT_CMD_KEXEC, NULL);
	die_errno("this kernel goes on");
}

/* CPU 0, since a kernel that is started by a crash is started on this CPU. */
static _Noreturn void crash_now(void)
{
	pin_to(cpus[0]);
	fflush(stdout);
	must_write("/proc/sysrq-trigger", "c");
	die("the kernel goes on after a crash");
}

static void crash(void)
{
	if_second();
	first_kernel(2 /* KEXEC_FILE_ON_CRASH */);
	crash_now();
}

static void panic(void)
{
	into_storm();
	crash_now();
}

static const struct state states[] = {
	{ "hotplug", 200, hotplug },
	{ "suspend", 2, suspend },
	{ "hibernate", 2, hibernate },
	{ "kexec", 1, kexec },
	{ "crash", 1, crash },
	{ "panic", 1, panic },
};

static const char help[] =
"Usage: states [-n TIMES] [-c CPU] [-a ARGS] [-r ROUNDS] [-k CASE]\n"
"              [-s FACTOR] STATE\n"
"Changes the state of this machine while processes replace pages on all CPUs,\n"
"and fails when a CPU uses a translation that was replaced. Prints KTAP.\n"
"  hotplug    CPU off and on\n"
"  suspend    to RAM, as far as goes without sleeping, then really; the RTC\n"
"             wakes it up\n"
"  hibernate  the same with an image in /dev/ram0, which needs 256 MB\n"
"  kexec      start /lab/bzImage with a copy of this user space, in which this\n"
"             program has to be started again: it then judges\n"
"  crash      the same by a crash: needs crashkernel=\n"
"  panic      crash\n"
"  -n TIMES   how often (hotplug: 200, suspend and hibernate: 2)\n"
"  -c CPU     which CPU (hotplug: the last)\n"
"  -a ARGS    more parameters for the second kernel (kexec and crash)\n"
"  -r ROUNDS, -k CASE\n"
"             what the program stale does, which lies in the same directory:\n"
"             its -n (8) and -k (those that replace one page)\n"
"  -s FACTOR  how many times as long all may take, as in a kernel with KASAN\n"
"Status: 0 pass, 1 fail, 4 not possible here, 64 wrong usage. Needs root.\n";

static const struct state *find_state(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(states); i++)
		if (!strcmp(name, states[i].name))
			return &states[i];
	usage_error("no state '%s'", name);
}

int main(int argc, char **argv)
{
	const struct state *state;
	int c;

	help_option(argc, argv, help);
	nr_cpus = allowed_cpus(cpus);
	while ((c = getopt(argc, argv, "+:n:c:a:r:k:s:")) != -1) {
		switch (c) {
		case 'n':
			times = parse_number("-n", optarg, 1, 1000000);
			break;
		case 'c':
			hot_cpu = parse_number("-c", optarg, 0, MAX_CPUS - 1);
			break;
		case 'a':
			more_args = optarg;
			break;
		case 'r':
			judge.args[2] = optarg;
			break;
		case 'k':
			judge.args[4] = optarg;
			judge.args[5] = NULL;
			break;
		case 's':
			slower = parse_number("-s", optarg, 1, 100);
			break;
		default:
			bad_option(c, argv);
		}
	}
	if (argc - optind != 1)
		usage_error("%d states given, exactly one is needed", argc - optind);
	state = find_state(argv[optind]);
	if (nr_cpus < 2)
		ksft_exit_skip("a second CPU is needed\n");
	if (!times)
		times = state->times;
	if (hot_cpu < 0)
		hot_cpu = cpus[nr_cpus - 1];
	if (hot_cpu == cpus[0] || hot_cpu > cpus[nr_cpus - 1])
		usage_error("CPU %d is the one that stays, or none", hot_cpu);
	judge.pair[0] = cpus[0];
	judge.pair[1] = hot_cpu;
	find_judge();
	state->run();
	return 0;
}
