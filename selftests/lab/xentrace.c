// SPDX-License-Identifier: GPL-2.0
/*
 * xentrace TRACE <MARKS: the marks of a guest once more, each followed by
 * cumulative counts of what Xen had done for the guest by then: lines
 * "host KEY NUMBER". TRACE is what Xen's own tool xentrace has written in dom0.
 *
 * A mark's place in the trace: a PVH guest has executed a CPUID that Xen traces,
 * a PV guest has sent its time-stamp counter, which is Xen's.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../guest/lab_mark.h"

/* Events, without the flag that says that an address has 64 bits. */
#define FLAG_64		0x100
#define LOST_RECORDS	0x0001f001
#define WRAP_BUFFER	0x0001f002
#define CPU_CHANGE	0x0001f003
#define VMEXIT		0x00081002
#define HVM_CPUID	0x0008200e
#define VMMCALL		0x00082012
#define PV_TRAP		0x00201003
#define PV_PAGE_FAULT	0x00201004
#define PV_PRIVOP	0x00201006
#define PV_HYPERCALL	0x0020100d
#define PV_SUBCALL	0x0020200e

/* A record: event, number of words that follow, and whether by a time. */
#define EVENT(word)	((word) & 0x0fffffff)
#define WORDS(word)	((word) >> 28 & 7)
#define HAS_TIME(word)	((word) >> 31)

#define OP(word)	((word) & 0xfffff)
#define MAX_MARKS	65536
#define MAX_CALLS	64

static const char * const calls[MAX_CALLS] = {
	[0] = "set_trap_table", [1] = "mmu_update", [2] = "set_gdt",
	[3] = "stack_switch", [5] = "fpu_taskswitch", [7] = "platform_op",
	[8] = "set_debugreg", [9] = "get_debugreg", [10] = "update_descriptor",
	[12] = "memory_op", [13] = "multicall", [14] = "update_va_mapping",
	[15] = "set_timer_op", [17] = "xen_version", [18] = "console_io",
	[20] = "grant_table_op", [21] = "vm_assist", [23] = "iret",
	[24] = "vcpu_op", [25] = "set_segment_base", [26] = "mmuext_op",
	[29] = "sched_op", [32] = "event_channel_op", [33] = "physdev_op",
	[34] = "hvm_op", [35] = "sysctl", [36] = "domctl",
};

/* What is counted; exits are all ways into Xen. */
enum { EXITS, TRAP, PAGE_FAULT, PRIVOP, LOST, CALL, SUBCALL = CALL + MAX_CALLS,
       NR_KEYS = SUBCALL + MAX_CALLS };

static const char * const keys[CALL] = {
	"exits", "xen_trap", "xen_page_fault", "xen_privop", "xen_lost",
};

struct mark {
	uint64_t time;
	uint64_t count[NR_KEYS];	/* since the mark before */
};

static struct mark *marks;
static uint64_t *cpuids;
static size_t nr_marks, nr_cpuids;
static uint32_t *trace;
static size_t trace_words;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "xentrace: %s\n", what);
	exit(1);
}

/* All of a file, with a word of zeros behind it. */
static void *read_all(FILE *file, size_t *size)
{
	size_t room = 1 << 20, n;
	char *data = NULL;

	*size = 0;
	do {
		room *= 2;
		data = realloc(data, room + 4);
		if (!data)
			die("no memory");
		n = fread(data + *size, 1, room - *size, file);
		*size += n;
	} while (*size == room);
	memset(data + *size, 0, 4);
	return data;
}

static void find_marks(const char *text)
{
	for (; text; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (strncmp(text, "tsc ", 4))
			continue;
		if (nr_marks == MAX_MARKS)
			die("too many marks");
		marks[nr_marks++].time = strtoull(text + 4, NULL, 10);
	}
}

/* visit(event, words, time) of each record; CPUs come one after another. */
static void each_record(void (*visit)(uint32_t, const uint32_t *, uint64_t))
{
	uint64_t time = 0;
	size_t i = 0, next;

	for (; i < trace_words; i = next) {
		uint32_t head = trace[i], event = EVENT(head);

		next = i + 1 + 2 * HAS_TIME(head) + WORDS(head);
		if (next > trace_words)
			break;
		if (HAS_TIME(head))
			time = trace[i + 1] | (uint64_t)trace[i + 2] << 32;
		if (event != CPU_CHANGE && event != WRAP_BUFFER)
			visit(event & ~FLAG_64, trace + next - WORDS(head), time);
	}
}

static void find_cpuid(uint32_t event, const uint32_t *words, uint64_t time)
{
	if (event == HVM_CPUID && words[0] == LAB_CPUID && nr_cpuids < MAX_MARKS)
		cpuids[nr_cpuids++] = time;
}

static int by_time(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void place_marks(void)
{
	size_t i;

	each_record(find_cpuid);
	if (!nr_cpuids)
		return;
	if (nr_cpuids != nr_marks)
		die("Xen's trace does not have all marks");
	qsort(cpuids, nr_cpuids, sizeof(*cpuids), by_time);
	for (i = 0; i < nr_marks; i++)
		marks[i].time = cpuids[i];
}

/* The first mark at or after @time, or the end. */
static struct mark *mark_of(uint64_t time)
{
	size_t low = 0, high = nr_marks;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (marks[mid].time < time)
			low = mid + 1;
		else
			high = mid;
	}
	return &marks[low];
}

static int key_of(uint32_t event, const uint32_t *words)
{
	switch (event) {
	case VMEXIT:		return EXITS;
	case VMMCALL:		return CALL + OP(words[0]) % MAX_CALLS;
	case PV_HYPERCALL:	return CALL + OP(words[0]) % MAX_CALLS;
	case PV_SUBCALL:	return SUBCALL + OP(words[0]) % MAX_CALLS;
	case PV_TRAP:		return TRAP;
	case PV_PAGE_FAULT:	return PAGE_FAULT;
	case PV_PRIVOP:		return PRIVOP;
	case LOST_RECORDS:	return LOST;
	default:		return -1;
	}
}

static void count(uint32_t event, const uint32_t *words, uint64_t time)
{
	int key = key_of(event, words);
	uint64_t *count = mark_of(time)->count;

	if (key < 0)
		return;
	count[key] += key == LOST ? words[0] : 1;
	if (event >= PV_TRAP && event <= PV_HYPERCALL)
		count[EXITS]++;
}

static void print_counts(const uint64_t *sum)
{
	int i;

	for (i = 0; i < CALL; i++)
		printf("host %s %" PRIu64 "\n", keys[i], sum[i]);
	for (i = 0; i < MAX_CALLS; i++) {
		if (!calls[i])
			continue;
		printf("host xen_%s %" PRIu64 "\n", calls[i], sum[CALL + i]);
		printf("host xen_sub_%s %" PRIu64 "\n", calls[i],
		       sum[SUBCALL + i]);
	}
}

static void print_marks(char *text)
{
	static uint64_t sum[NR_KEYS];
	const struct mark *mark = marks;
	char *line;
	int i;

	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (!strncmp(line, "tsc ", 4)) {
			for (i = 0; i < NR_KEYS; i++)
				sum[i] += mark->count[i];
			mark++;
			print_counts(sum);
			continue;
		}
		puts(line);
	}
}

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
	size_t size;
	char *text;

	if (!file)
		die("usage: xentrace TRACE <MARKS, and TRACE must be readable");
	marks = calloc(MAX_MARKS + 1, sizeof(*marks));
	cpuids = calloc(MAX_MARKS, sizeof(*cpuids));
	if (!marks || !cpuids)
		die("no memory");
	text = read_all(stdin, &size);
	trace = read_all(file, &size);
	trace_words = size / sizeof(*trace);
	find_marks(text);
	place_marks();
	each_record(count);
	print_marks(text);
	return 0;
}
