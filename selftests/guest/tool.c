// SPDX-License-Identifier: GPL-2.0
#include "tool.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static void complain(const char *fmt, va_list ap)
{
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, fmt, ap);
}

void usage_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	fprintf(stderr, " (see %s --help)\n", program_invocation_short_name);
	exit(EX_USAGE);
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void die_errno(const char *fmt, ...)
{
	const char *reason = strerror(errno);
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", reason);
	exit(1);
}

uint64_t parse_number(const char *what, const char *text, uint64_t min,
		      uint64_t max)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' ||
	    value < min || value > max)
		usage_error("%s is '%s', must be a number from %llu to %llu",
			    what, text, (unsigned long long)min,
			    (unsigned long long)max);
	return value;
}

void help_option(int argc, char **argv, const char *help)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--help")) {
			fputs(help, stdout);
			exit(0);
		}
	}
	opterr = 0;
}

void bad_option(int result, char **argv)
{
	if (result == ':')
		usage_error("option -%c needs a value", optopt);
	if (optopt && optopt != '-')
		usage_error("option -%c is not known", optopt);
	usage_error("option %s is not known", argv[optind - 1]);
}

int allowed_cpus(int cpus[MAX_CPUS])
{
	cpu_set_t *set = CPU_ALLOC(MAX_CPUS);
	int cpu, nr = 0;

	if (!set || sched_getaffinity(0, CPU_ALLOC_SIZE(MAX_CPUS), set))
		die_errno("cannot read this process's CPU affinity");
	for (cpu = 0; cpu < MAX_CPUS; cpu++)
		if (CPU_ISSET_S(cpu, CPU_ALLOC_SIZE(MAX_CPUS), set))
			cpus[nr++] = cpu;
	CPU_FREE(set);
	return nr;
}

void pin_to(int cpu)
{
	cpu_set_t *set = CPU_ALLOC(MAX_CPUS);
	size_t size = CPU_ALLOC_SIZE(MAX_CPUS);

	if (!set)
		die_errno("cannot allocate a CPU mask");
	CPU_ZERO_S(size, set);
	CPU_SET_S(cpu, size, set);
	if (sched_setaffinity(0, size, set))
		die_errno("cannot run on CPU %d", cpu);
	CPU_FREE(set);
}

static void (*undo_at_end)(void);

static void on_end_signal(int sig)
{
	undo_at_end();
	_exit(128 + sig);
}

void at_end(void (*undo)(void))
{
	undo_at_end = undo;
	atexit(undo);
	signal(SIGINT, on_end_signal);
	signal(SIGTERM, on_end_signal);
	signal(SIGHUP, on_end_signal);
}

bool read_without_fault(const char *p)
{
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	LOAD(p);
	getrusage(RUSAGE_SELF, &after);
	return before.ru_minflt == after.ru_minflt;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}
