// SPDX-License-Identifier: GPL-2.0
/*
 * faults: does any flush get lost when a hypercall cannot be made, or fails?
 *
 * Makes flushes go wrong by the files in /sys/kernel/debug/pvtlb while `stale`,
 * which is linked into this program, looks for a CPU that was not flushed. A
 * row counts only if its fault was hit: the kernel has to say that it did
 * flushes by IPI, for the reason that belongs to the fault.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest.h"
#include "lab_mark.h"
#include "pvtlb.h"
#include "tool.h"

#define TOGGLE_US	3000
#define NO_RESULT	UINT64_MAX
#define MAX_ARGS	32

/* Completed repetitions of a hypercall's result; the status is below. */
#define REPS(n)		((uint64_t)(n) << 32)

/* Cases of stale: all kinds of flush, lists of one range, lists of several */
static const char *const any[] = {
	"madvise-1", "munmap-64", "protect-read-64", "thp-protect",
	"pageout-16", NULL
};

static const char *const lists[] = {
	"madvise-1", "munmap-2", "protect-read-1", NULL
};

static const char *const batches[] = { "pageout-clean-8-sparse", NULL };

struct row {
	const char *name;
	const char *fault;	/* directory of the attributes */
	uint64_t result;	/* of the hypercall that is not made */
	const char *reason;	/* whose count must grow */
	const char *const *cases;
};

/* The statuses are those that the TLFS lists for the flush calls. */
static const struct row rows[] = {
	{ "no-page", "fail_page", NO_RESULT, "no_page", any },
	{ "no-vp-number", "fail_vp", NO_RESULT, "vp_number", any },
	{ "invalid-hypercall-code", "fail_hypercall", 0x0002, "host_error", any },
	{ "invalid-hypercall-input", "fail_hypercall", 0x0003, "host_error", any },
	{ "invalid-alignment", "fail_hypercall", 0x0004, "host_error", any },
	{ "invalid-parameter", "fail_hypercall", 0x0005, "host_error", any },
	{ "access-denied", "fail_hypercall", 0x0006, "host_error", any },
	{ "invalid-partition-state", "fail_hypercall", 0x0007, "host_error", any },
	{ "operation-denied", "fail_hypercall", 0x0008, "host_error", any },
	{ "insufficient-memory", "fail_hypercall", 0x000b, "host_error", any },
	{ "invalid-partition-id", "fail_hypercall", 0x000d, "host_error", any },
	{ "invalid-vp-index", "fail_hypercall", 0x000e, "host_error", any },
	{ "time-out", "fail_hypercall", 0x0078, "host_error", any },
	{ "time-out-after-1", "fail_hypercall", REPS(1) | 0x0078, "host_error",
	  batches },
	{ "none-completed", "fail_hypercall", REPS(0), "host_error", lists },
	{ "one-completed", "fail_hypercall", REPS(1), "host_error", batches },
	{ "all-but-one-completed", "fail_hypercall", REPS(7), "host_error",
	  batches },
};

/*
 * How often a fault strikes. By chance and not by count: a case makes hypercalls of
 * several kinds in turn, and only some of them may be able to fail.
 */
static const unsigned int percent[] = { 100, 50 };

/* Two rows of their own. */
static const char no_fault[] = "no-fault";
static const char toggled[] = "switched-on-and-off";

static const char *rounds = "15";
static const char *filter = "*";

int stale_main(int argc, char **argv);

/* /sys/kernel/debug/pvtlb */

static void set(const char *dir, const char *file, uint64_t value)
{
	char path[128];

	snprintf(path, sizeof(path), PVTLB_DIR "%s%s%s", dir, *dir ? "/" : "",
		 file);
	if (!write_number(path, value))
		die_errno("cannot write %s", path);
}

/* Also in a signal handler: no more than opens and writes. */
static void disarm(void)
{
	write_file(PVTLB_DIR "inject", "0");
	write_file(PVTLB_DIR "fail_page/probability", "0");
	write_file(PVTLB_DIR "fail_vp/probability", "0");
	write_file(PVTLB_DIR "fail_hypercall/probability", "0");
	write_file(PVTLB_DIR "enabled", "1");
}

/* The attributes are those of the kernel's fault injection framework. */
static void arm(const struct row *row, unsigned int probability)
{
	char path[128];

	snprintf(path, sizeof(path), PVTLB_DIR "%s/times", row->fault);
	if (!write_file(path, "-1"))
		die_errno("cannot write %s", path);
	set(row->fault, "verbose", 0);
	set(row->fault, "space", 0);
	set(row->fault, "interval", 1);
	if (row->result != NO_RESULT)
		set(row->fault, "result", row->result);
	set(row->fault, "probability", probability);
	set("", "inject", 1);
}

/* What each CPU counted must add up to what all of them did. */
static uint64_t fallbacks(const char *reason)
{
	uint64_t n, sum, more;

	if (!pvtlb_fallbacks(reason, &n))
		die(PVTLB_DIR "fallbacks has no line '%s'", reason);
	if (!pvtlb_fallbacks_of_cpus(reason, &sum))
		die(PVTLB_DIR "counters has no column for '%s'", reason);
	if (!pvtlb_fallbacks(reason, &more) || sum < n || sum > more)
		die("the CPUs counted %" PRIu64 " for %s, and all of them %" PRIu64,
		    sum, reason, more);
	return n;
}

static uint64_t all_fallbacks(void)
{
	static const char *const reasons[] = {
		"no_page", "no_hypercall", "vp_number", "not_offered",
		"host_error", "context", "other",
	};
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(reasons); i++)
		sum += fallbacks(reasons[i]);
	return sum;
}

/* The stale test, in a process whose output is kept back */

struct run {
	pid_t child;
	int output;
};

static struct run start_stale(const char *const *cases)
{
	struct run run = { .output = memfd_create("stale", MFD_CLOEXEC) };
	const char *argv[MAX_ARGS] = { "stale", "-n", rounds };
	unsigned int n = 3;

	fflush(stdout);
	run.child = run.output < 0 ? -1 : fork();
	if (run.child < 0)
		die_errno("cannot start a process");
	if (!run.child) {
		dup2(run.output, STDOUT_FILENO);
		dup2(run.output, STDERR_FILENO);
		while (*cases) {
			argv[n++] = "-k";
			argv[n++] = *cases++;
		}
		execv("/proc/self/exe", (char *const *)argv);
		_exit(127);
	}
	return run;
}

static void print_output(int output)
{
	FILE *file = fdopen(output, "r");
	char line[512];

	rewind(file);
	while (fgets(line, sizeof(line), file))
		printf("#   %s", line);
	fclose(file);
}

/* How many cases passed; 0 if one failed, or all were left out. */
static unsigned int passed_cases(int output)
{
	unsigned int passed = 0, failed = 1;
	char text[65536], *totals;
	ssize_t len = pread(output, text, sizeof(text) - 1, 0);

	text[len < 0 ? 0 : len] = '\0';
	totals = strstr(text, "# Totals: ");
	if (!totals || sscanf(totals, "# Totals: pass:%u fail:%u", &passed,
			      &failed) != 2 || failed)
		return 0;
	return passed;
}

static bool end_stale(struct run *run, const char *name)
{
	unsigned int passed = 0;
	int status;

	if (waitpid(run->child, &status, 0) != run->child)
		die_errno("waitpid failed");
	if (!status)
		passed = passed_cases(run->output);
	if (passed)
		close(run->output);
	else
		print_output(run->output);
	ksft_print_msg("%s: %u cases of stale passed\n", name, passed);
	return passed;
}

static bool runs(pid_t child)
{
	siginfo_t info = { .si_pid = 0 };

	if (waitid(P_PID, child, &info, WEXITED | WNOHANG | WNOWAIT))
		die_errno("waitid failed");
	return !info.si_pid;
}

static bool wanted(const char *name)
{
	return !fnmatch(filter, name, 0);
}

static void name_row(char *name, size_t size, const struct row *row,
		     unsigned int probability)
{
	snprintf(name, size, "%s-%s", row->name,
		 probability == 100 ? "always" : "now-and-then");
}

static void test_fault(const struct row *row, unsigned int probability)
{
	uint64_t before, after;
	char name[64];
	struct run run;
	bool clean;

	name_row(name, sizeof(name), row, probability);
	if (!wanted(name))
		return;
	before = fallbacks(row->reason);
	arm(row, probability);
	run = start_stale(row->cases);
	clean = end_stale(&run, name);
	disarm();
	after = fallbacks(row->reason);
	ksft_print_msg("%s: %" PRIu64 " fallbacks for %s\n", name, after - before,
		       row->reason);
	ksft_test_result(clean && after > before, "%s\n", name);
}

/* Nothing goes wrong by itself, or after it was reset. */
static void test_no_fault(void)
{
	struct pvtlb_counters before, after;
	uint64_t fell_back;
	struct run run;
	bool clean;

	if (!wanted(no_fault))
		return;
	fell_back = all_fallbacks();
	pvtlb_counters(&before);
	run = start_stale(any);
	clean = end_stale(&run, no_fault);
	pvtlb_counters(&after);
	pvtlb_since(&after, &before);
	fell_back = all_fallbacks() - fell_back;
	ksft_print_msg("%s: hypercalls %" PRIu64 ", fallbacks %" PRIu64 "\n",
		       no_fault, after.hypercalls, fell_back);
	ksft_test_result(clean && after.hypercalls && !fell_back, "%s\n", no_fault);
}

/* Both ways to flush must have been used, and each often. */
static void test_toggled(void)
{
	struct pvtlb_counters before, after;
	uint64_t tlb_before, tlb_after;
	unsigned int switches = 0;
	struct run run;
	bool clean;

	if (!wanted(toggled))
		return;
	pvtlb_counters(&before);
	lab_irq_sum("TLB", &tlb_before);
	run = start_stale(any);
	while (runs(run.child)) {
		set("", "enabled", switches++ & 1);
		usleep(TOGGLE_US);
	}
	clean = end_stale(&run, toggled);
	disarm();
	lab_irq_sum("TLB", &tlb_after);
	pvtlb_counters(&after);
	pvtlb_since(&after, &before);
	ksft_print_msg("%s: switched %u times, hypercalls %" PRIu64
		       ", TLB interrupts %" PRIu64 "\n", toggled, switches,
		       after.hypercalls, tlb_after - tlb_before);
	ksft_test_result(clean && switches > 10 && after.hypercalls > 10 &&
			 tlb_after - tlb_before > 10, "%s\n", toggled);
}

static const char help[] =
"Usage: faults [-n ROUNDS] [-k ROW]\n"
"Makes flushes by hypercall fail in every way that /sys/kernel/debug/pvtlb can\n"
"inject, always and in one of two cases by chance, switches them off and on, and\n"
"looks with the program stale for a CPU that was not flushed. Fails also if a\n"
"fault was not hit. Prints KTAP.\n"
"  -n ROUNDS  of stale, for each of its cases (15)\n"
"  -k ROW     only rows whose name matches this shell pattern\n"
"Status: 0 pass, 1 fail, 4 the kernel injects no faults, 64 wrong usage. Needs\n"
"root.\n";

static void read_options(int argc, char **argv)
{
	int c;

	help_option(argc, argv, help);
	while ((c = getopt(argc, argv, ":n:k:")) != -1) {
		switch (c) {
		case 'n':
			parse_number("-n", optarg, 1, 1000000);
			rounds = optarg;
			break;
		case 'k':
			filter = optarg;
			break;
		default:
			bad_option(c, argv);
		}
	}
	if (optind < argc)
		usage_error("'%s' is not an option", argv[optind]);
}

static unsigned int count_rows(void)
{
	unsigned int i, k, n = wanted(no_fault) + wanted(toggled);
	char name[64];

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		for (k = 0; k < ARRAY_SIZE(percent); k++) {
			name_row(name, sizeof(name), &rows[i], percent[k]);
			n += wanted(name);
		}
	}
	if (!n)
		usage_error("no row matches '%s'", filter);
	return n;
}

int main(int argc, char **argv)
{
	struct pvtlb_counters c;
	unsigned int i, k, n;

	if (!strcmp(program_invocation_short_name, "stale"))
		return stale_main(argc, argv);
	read_options(argc, argv);
	n = count_rows();
	if (access(PVTLB_DIR "inject", W_OK) || !pvtlb_counters(&c)) {
		puts("this kernel has no " PVTLB_DIR "inject");
		return KSFT_SKIP;
	}
	at_end(disarm);
	disarm();
	ksft_print_header();
	ksft_set_plan(n);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		for (k = 0; k < ARRAY_SIZE(percent); k++)
			test_fault(&rows[i], percent[k]);
	test_toggled();
	test_no_fault();
	ksft_finished();
}
