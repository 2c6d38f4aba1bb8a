// SPDX-License-Identifier: GPL-2.0
#include "others.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tool.h"

#define READS		2000	/* of one that comes by */
#define POLL_US		500
#define SETTLE_US	20000	/* until a CPU without work is halted */
#define PATIENCE_NS	(60 * NSEC_PER_SEC)

struct other {
	int cpu;
	char state;
	pid_t id;		/* of the thread */
	pid_t child;		/* the other process */
	pthread_t thread;
};

/* Seen by the other processes as well. */
struct meeting {
	_Atomic uint32_t call[2];	/* a futex: for threads, for processes */
	_Atomic uint32_t arrived[2];
	_Atomic uint32_t spins[MAX_CPUS];
};

enum { THREADS, PROCESSES };

static struct meeting *meeting;
static struct other others[MAX_CPUS];
static unsigned int nr_others;
static const uint64_t *read_page;

static void must(bool done, const char *what)
{
	if (!done)
		die_errno("%s failed", what);
}

void others_check(const char *letters)
{
	if (!*letters || letters[strspn(letters, "rloi")])
		usage_error("states are letters out of rloi, not '%s'", letters);
}

unsigned int others_count(char letter)
{
	unsigned int i, n = 0;

	for (i = 0; i < nr_others; i++)
		n += others[i].state == letter;
	return n;
}

static bool has_child(const struct other *o)
{
	return o->state == 'o' || o->state == 'i';
}

/* Comes by whenever called; never returns. */
static void come_by(int who)
{
	uint32_t seen = 0;
	int i;

	for (;;) {
		while (meeting->call[who] == seen)
			syscall(SYS_futex, &meeting->call[who], FUTEX_WAIT, seen,
				NULL, NULL, 0);
		seen = meeting->call[who];
		for (i = 0; i < READS; i++)
			LOAD(read_page);
		meeting->arrived[who]++;
	}
}

static void *run_thread(void *arg)
{
	const struct sched_param first = { .sched_priority = 1 };
	struct other *o = arg;

	pin_to(o->cpu);
	o->id = gettid();
	if (o->state == 'r') {
		/* While a kernel thread runs, the CPU is a lazy one. */
		sched_setscheduler(0, SCHED_FIFO, &first);
		meeting->arrived[THREADS]++;
		for (;;)
			LOAD(read_page);
	}
	come_by(THREADS);
	return NULL;
}

static void run_child(struct other *o)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin_to(o->cpu);
	if (o->state == 'i')
		come_by(PROCESSES);
	for (;;)
		meeting->spins[o - others]++;
}

/* Waits until @word is @value. */
static void await(const _Atomic uint32_t *word, uint32_t value)
{
	uint64_t end = now_ns() + PATIENCE_NS;

	while (*word != value) {
		if (now_ns() > end)
			die("the other CPUs do not come to their states");
		usleep(POLL_US);
	}
}

static void call(int who, unsigned int nr)
{
	meeting->arrived[who] = 0;
	meeting->call[who]++;
	syscall(SYS_futex, &meeting->call[who], FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	await(&meeting->arrived[who], nr);
}

/* Sleeps means: has given up its CPU, or is just about to. */
static bool sleeps(pid_t id)
{
	char path[64], line[256], *state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", id);
	file = fopen(path, "re");
	must(file && fgets(line, sizeof(line), file), path);
	fclose(file);
	state = strrchr(line, ')');
	return state && !strncmp(state, ") S", 3);
}

static void await_sleep(pid_t id)
{
	uint64_t end = now_ns() + PATIENCE_NS;

	while (!sleeps(id)) {
		if (now_ns() > end)
			die("a thread that is to sleep runs");
		usleep(POLL_US);
	}
}

static void start_children(void)
{
	struct other *o;

	for (o = others; o < others + nr_others; o++) {
		if (!has_child(o))
			continue;
		o->child = fork();
		must(o->child >= 0, "fork");
		if (!o->child)
			run_child(o);
	}
}

static void start_threads(void)
{
	struct other *o;

	for (o = others; o < others + nr_others; o++) {
		errno = pthread_create(&o->thread, NULL, run_thread, o);
		must(!errno, "pthread_create");
	}
	await(&meeting->arrived[THREADS], others_count('r'));
}

void others_start(const char *letters, const void *page)
{
	int cpus[MAX_CPUS];
	int i, nr = allowed_cpus(cpus);

	meeting = mmap(NULL, sizeof(*meeting), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(meeting != MAP_FAILED, "mmap");
	read_page = page;
	nr_others = nr - 1;
	for (i = 0; i < nr - 1; i++) {
		others[i].cpu = cpus[i + 1];
		others[i].state = letters[i % strlen(letters)];
	}
	pin_to(cpus[0]);
	/* First, so that no fork write-protects what is measured. */
	start_children();
	start_threads();
}

void others_settle(void)
{
	struct other *o;
	uint32_t spins;

	call(THREADS, nr_others - others_count('r'));
	for (o = others; o < others + nr_others; o++)
		if (o->state != 'r')
			await_sleep(o->id);
	call(PROCESSES, others_count('i'));
	for (o = others; o < others + nr_others; o++) {
		if (o->state == 'i')
			await_sleep(o->child);
		if (o->state != 'o')
			continue;
		spins = meeting->spins[o - others];
		while (meeting->spins[o - others] == spins)
			usleep(POLL_US);
	}
	usleep(SETTLE_US);
}

/*
 * The hosts of the lab number virtual processors like APICs: the number in
 * /proc/cpuinfo, or -1.
 */
static int vp_number(int cpu)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	int current = -1, vp = -1;
	char line[4096];

	must(file, "/proc/cpuinfo");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "processor : %d", &current) == 1)
			continue;
		if (current == cpu && sscanf(line, "apicid : %d", &vp) == 1)
			break;
	}
	fclose(file);
	return vp;
}

void others_expect(const char *name, uint64_t min, uint64_t max)
{
	uint64_t cpus = 0, vps = 0, banks = 0;
	const struct other *o;
	int vp;

	for (o = others; o < others + nr_others; o++) {
		if (o->state != 'r')
			continue;
		vp = vp_number(o->cpu);
		if (o->cpu > 63 || vp < 0 || vp > 4095)
			die("CPU %d is VP %d: more than a mask can hold", o->cpu, vp);
		cpus |= 1ULL << o->cpu;
		banks |= 1ULL << (vp / 64);
		vps |= vp < 64 ? 1ULL << vp : 0;
	}
	printf("# expect %s min %" PRIu64 " max %" PRIu64 " cpus 0x%" PRIx64
	       " vps 0x%" PRIx64 " banks 0x%" PRIx64 "\n", name, min, max, cpus,
	       vps, banks);
}
