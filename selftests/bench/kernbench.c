// SPDX-License-Identifier: GPL-2.0
/*
 * kernbench: times `make -j N` in the current directory at several loads, each
 * after a `make clean`. Options and output have the form of kernbench 0.50; what
 * is built is whatever the Makefile there says.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lab_mark.h"
#include "tool.h"

#define LOG_FILE	"kernbench.log"
#define SETTLE_SECONDS	5
#define FAST_RUNS	3
#define UNLIMITED	UINT64_MAX
#define LOW_MEMORY	(4ULL << 30)

enum figure { ELAPSED, USER, SYSTEM, PERCENT, SWITCHES, SLEEPS, NR_FIGURES };

static const char * const figure_names[NR_FIGURES] = {
	"Elapsed Time", "User Time", "System Time", "Percent CPU",
	"Context Switches", "Sleeps",
};

struct load {
	const char *mark;
	const char *title;
	uint64_t jobs;
	bool wanted;
};

enum { SINGLE, HALF, OPTIMAL, MAXIMAL, NR_LOADS };

static struct load loads[NR_LOADS] = {
	[SINGLE] = { "single", "Single threaded", 1, false },
	[HALF] = { "half", "Half load", 0, true },
	[OPTIMAL] = { "optimal", "Optimal load", 0, true },
	[MAXIMAL] = { "maximal", "Maximal load", UNLIMITED, true },
};

static uint64_t runs;
static bool fast;

/* Runs make with one argument and returns what it and its children used. */
static void make(const char *arg, double figures[NR_FIGURES])
{
	const char *program = getenv("MAKE");
	struct rusage ru;
	uint64_t began = now_ns();
	int status;
	pid_t child;

	if (!program)
		program = "make";
	child = fork();
	if (child < 0)
		die_errno("fork failed");
	if (!child) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		execlp(program, program, arg, NULL);
		fprintf(stderr, "kernbench: cannot run %s: %s\n", program,
			strerror(errno));
		_exit(127);
	}
	while (wait4(child, &status, 0, &ru) < 0)
		if (errno != EINTR)
			die_errno("wait4 failed");
	if (status)
		die("'%s %s' failed in the current directory: see its output above",
		    program, arg);
	figures[ELAPSED] = (double)(now_ns() - began) / NSEC_PER_SEC;
	figures[USER] = ru.ru_utime.tv_sec + ru.ru_utime.tv_usec / 1e6;
	figures[SYSTEM] = ru.ru_stime.tv_sec + ru.ru_stime.tv_usec / 1e6;
	figures[PERCENT] = floor((figures[USER] + figures[SYSTEM]) * 100 /
				 figures[ELAPSED]);
	figures[SWITCHES] = ru.ru_nivcsw;
	figures[SLEEPS] = ru.ru_nvcsw;
}

static void jobs_option(char *text, size_t size, uint64_t jobs)
{
	if (jobs == UNLIMITED)
		snprintf(text, size, "-j");
	else
		snprintf(text, size, "-j%" PRIu64, jobs);
}

static void load_name(char *text, size_t size, const struct load *load)
{
	if (load->jobs == 1 && load == &loads[SINGLE])
		snprintf(text, size, "%s", load->title);
	else if (load->jobs == UNLIMITED)
		snprintf(text, size, "%s -j", load->title);
	else
		snprintf(text, size, "%s -j %" PRIu64, load->title, load->jobs);
}

/* Mean and sample standard deviation; one run has no deviation. */
static void print_figure(FILE *out, const char *name, const double *values)
{
	double sum = 0, squares = 0, mean;
	uint64_t i;

	for (i = 0; i < runs; i++)
		sum += values[i];
	mean = sum / (double)runs;
	for (i = 0; i < runs; i++)
		squares += (values[i] - mean) * (values[i] - mean);
	fprintf(out, "%s %g", name, mean);
	if (runs > 1)
		fprintf(out, " (%g)", sqrt(squares / (double)(runs - 1)));
	fputc('\n', out);
}

static void print_load(FILE *out, const char *name, double *values[NR_FIGURES])
{
	int f;

	fprintf(out, "Average %s Run (std deviation):\n", name);
	for (f = 0; f < NR_FIGURES; f++)
		print_figure(out, figure_names[f], values[f]);
	fputc('\n', out);
	fflush(out);
}

static void run_load(const struct load *load, FILE *log)
{
	double *values[NR_FIGURES], figures[NR_FIGURES];
	char option[32], name[64];
	uint64_t i;
	int f;

	for (f = 0; f < NR_FIGURES; f++) {
		values[f] = calloc(runs, sizeof(double));
		if (!values[f])
			die("no memory for %" PRIu64 " runs", runs);
	}
	jobs_option(option, sizeof(option), load->jobs);
	load_name(name, sizeof(name), load);
	lab_mark(load->mark);
	for (i = 0; i < runs; i++) {
		printf("%s run number %" PRIu64 "...\n", name, i + 1);
		make("clean", figures);
		sync();
		if (!fast)
			sleep(SETTLE_SECONDS);
		make(option, figures);
		for (f = 0; f < NR_FIGURES; f++)
			values[f][i] = figures[f];
	}
	print_load(stdout, name, values);
	print_load(log, name, values);
	for (f = 0; f < NR_FIGURES; f++)
		free(values[f]);
}

static FILE *open_log(const char *release)
{
	FILE *log = fopen(LOG_FILE, "ae");
	time_t now = time(NULL);

	if (!log)
		die_errno("cannot write " LOG_FILE " in the current directory");
	fprintf(log, "%s%s\n", ctime(&now), release);
	return log;
}

static void announce(uint64_t cpus, const char *release)
{
	char option[32];
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) *
			  (uint64_t)sysconf(_SC_PAGESIZE);
	int i;

	printf("%" PRIu64 " cpus found\nKernel %s\nPerforming %" PRIu64 " runs of\n",
	       cpus, release, runs);
	for (i = 0; i < NR_LOADS; i++) {
		if (!loads[i].wanted)
			continue;
		jobs_option(option, sizeof(option), loads[i].jobs);
		printf("make %s\n", i == SINGLE ? "" : option);
	}
	printf("\nAll data logged to " LOG_FILE "\n");
	if (loads[MAXIMAL].wanted && memory < LOW_MEMORY)
		fprintf(stderr, "kernbench: less than 4 GiB of memory: the maximal load may swap (-M leaves it out)\n");
}

static const char help[] =
"Usage: kernbench [-n RUNS] [-o JOBS] [-s] [-H] [-O] [-M] [-f] [-h] [-v]\n"
"Times `make -j N` after `make clean` in the current directory.\n"
"  -n RUNS  runs per load (5; with -f 3)\n"
"  -o JOBS  jobs of the optimal load (4 per CPU)\n"
"  -s       the single threaded load too\n"
"  -H       without the half load (one job per two CPUs)\n"
"  -O       without the optimal load\n"
"  -M       without the maximal load (no limit)\n"
"  -f       fast: no warm-up run, no pause before each run\n"
"  -h       this text\n"
"  -v       the version\n"
"The make that is used is named by MAKE in the environment, or make.\n"
"Means and standard deviations also go to kernbench.log there.\n";

static void read_options(int argc, char **argv, uint64_t cpus)
{
	int c;

	loads[HALF].jobs = cpus > 1 ? cpus / 2 : 1;
	loads[OPTIMAL].jobs = 4 * cpus;
	help_option(argc, argv, help);
	while ((c = getopt(argc, argv, ":n:o:sHOMfhv")) != -1) {
		switch (c) {
		case 'n':
			runs = parse_number("-n", optarg, 1, 1000);
			break;
		case 'o':
			loads[OPTIMAL].jobs = parse_number("-o", optarg, 1, 65536);
			break;
		case 's':
			loads[SINGLE].wanted = true;
			break;
		case 'H':
			loads[HALF].wanted = false;
			break;
		case 'O':
			loads[OPTIMAL].wanted = false;
			break;
		case 'M':
			loads[MAXIMAL].wanted = false;
			break;
		case 'f':
			fast = true;
			break;
		case 'h':
			fputs(help, stdout);
			exit(0);
		case 'v':
			puts("kernbench 0.50-compatible, of pvtlb");
			exit(0);
		default:
			bad_option(c, argv);
		}
	}
	if (optind < argc)
		usage_error("'%s' is not an option", argv[optind]);
	if (!runs)
		runs = fast ? FAST_RUNS : 5;
}

int main(int argc, char **argv)
{
	uint64_t cpus = sysconf(_SC_NPROCESSORS_ONLN);
	double figures[NR_FIGURES];
	struct utsname host;
	bool any = false;
	char option[32];
	FILE *log;
	int i;

	read_options(argc, argv, cpus);
	for (i = 0; i < NR_LOADS; i++)
		any |= loads[i].wanted;
	if (!any)
		usage_error("no load is left to run");
	if (access("Makefile", R_OK) && access("makefile", R_OK) &&
	    access("GNUmakefile", R_OK))
		die("no Makefile here: change to the directory that is to be built");
	setvbuf(stdout, NULL, _IOLBF, 0);
	uname(&host);
	log = open_log(host.release);
	announce(cpus, host.release);
	if (!fast) {
		puts("Warmup run...");
		make("clean", figures);
		jobs_option(option, sizeof(option), loads[OPTIMAL].jobs);
		make(option, figures);
	}
	for (i = 0; i < NR_LOADS; i++)
		if (loads[i].wanted)
			run_load(&loads[i], log);
	lab_mark("gap");
	fclose(log);
	return 0;
}
