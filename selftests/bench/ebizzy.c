// SPDX-License-Identifier: GPL-2.0
/*
 * ebizzy: threads that allocate a chunk, fill it from one of several sources,
 * look a record up in it and free it again. Options and output have the form of
 * ebizzy 0.3. Every finished record is counted by its own thread, and the time
 * that they are divided by ends when the last thread has ended.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lab_mark.h"
#include "tool.h"

struct settings {
	bool touch_only;
	bool own_copy;
	bool always_mmap;
	bool never_mmap;
	bool alternate_rights;
	bool leave_holes;
	bool random_size;
	bool linear;
	unsigned int verbose;
	uint64_t chunks;
	uint64_t chunk_size;
	uint64_t seconds;
	uint64_t threads;
};

struct thread {
	_Alignas(64) uint64_t records;
	uint64_t random;
	pthread_t id;
};

static struct settings set = {
	.chunks = 10,
	.chunk_size = 64 * 1024 * sizeof(size_t),
	.seconds = 10,
};

static size_t page_size;
static size_t **sources;
static pthread_barrier_t start;
static atomic_bool stop;

static void *allocate(size_t size)
{
	void *p;

	if (set.always_mmap) {
		p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			p = NULL;
	} else {
		p = malloc(size);
	}
	if (!p)
		die("no memory for %zu bytes: use smaller -n, -s or -t", size);
	return p;
}

static void release(void *p, size_t size)
{
	if (!set.always_mmap)
		free(p);
	else if (munmap(p, size))
		die_errno("munmap failed");
}

/* Record i of every source has the value i: sorted, and known to be there. */
static void make_sources(void)
{
	void **holes = calloc(set.chunks, sizeof(*holes));
	uint64_t i, k;

	sources = calloc(set.chunks, sizeof(*sources));
	if (!sources || !holes)
		die("no memory for %" PRIu64 " chunks: use smaller -n", set.chunks);
	for (i = 0; i < set.chunks; i++) {
		sources[i] = allocate(set.chunk_size);
		if (set.leave_holes)
			holes[i] = allocate(page_size);
		for (k = 0; k < set.chunk_size / sizeof(size_t); k++)
			sources[i][k] = k;
	}
	for (i = 0; i < set.chunks; i++) {
		if (set.leave_holes)
			release(holes[i], page_size);
		if (set.alternate_rights && i % 2 == 0) {
			uintptr_t from = ((uintptr_t)sources[i] + page_size - 1) &
					 -page_size;
			uintptr_t to = ((uintptr_t)sources[i] + set.chunk_size) &
				       -page_size;

			if (from < to &&
			    mprotect((void *)from, to - from, PROT_READ))
				die_errno("mprotect failed");
		}
	}
	free(holes);
}

static void copy_by_hand(void *to, const void *from, size_t size)
{
	const char *s = from;
	char *d = to;

	while (size--)
		STORE(d++, LOAD(s++));
}

static void touch(char *p, size_t size)
{
	size_t i;

	for (i = 0; i < size; i += page_size)
		STORE(p + i, 1);
}

static const size_t *search(const size_t *base, size_t n, size_t key)
{
	size_t low = 0, high = n;

	if (set.linear) {
		for (low = 0; low < n; low++)
			if (base[low] == key)
				return &base[low];
		return NULL;
	}
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (base[mid] == key)
			return &base[mid];
		if (base[mid] < key)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static void one_record(struct thread *t)
{
	const size_t *source = sources[random_next(&t->random) % set.chunks];
	size_t size = set.chunk_size;
	size_t key, *copy;

	if (set.random_size)
		size = (random_next(&t->random) % (size / sizeof(size_t)) + 1) *
		       sizeof(size_t);
	copy = allocate(size);
	if (set.touch_only) {
		touch((char *)copy, size);
	} else {
		if (set.own_copy)
			copy_by_hand(copy, source, size);
		else
			memcpy(copy, source, size);
		key = random_next(&t->random) % (size / sizeof(size_t));
		if (set.verbose > 2)
			printf("Search key %zu, copy size %zu\n", key, size);
		if (!search(copy, size / sizeof(size_t), key))
			die("record %zu is not where it was written", key);
	}
	release(copy, size);
}

static void *run(void *arg)
{
	struct thread *t = arg;

	if (set.verbose > 1)
		puts("Thread started");
	pthread_barrier_wait(&start);
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		one_record(t);
		t->records++;
	}
	if (set.verbose > 1)
		puts("Thread finished");
	return NULL;
}

static void sleep_until(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = ns / NSEC_PER_SEC,
		.tv_nsec = ns % NSEC_PER_SEC,
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static double used(struct timeval end, struct timeval begin)
{
	return (double)(end.tv_sec - begin.tv_sec) +
	       (double)(end.tv_usec - begin.tv_usec) / 1e6;
}

static void measure(void)
{
	struct thread *threads = aligned_alloc(64, set.threads * sizeof(*threads));
	struct rusage before, after;
	uint64_t i, began, records = 0;
	double elapsed;

	if (!threads || pthread_barrier_init(&start, NULL, set.threads + 1))
		die("no memory for %" PRIu64 " threads", set.threads);
	for (i = 0; i < set.threads; i++) {
		threads[i].records = 0;
		threads[i].random = i;
		errno = pthread_create(&threads[i].id, NULL, run, &threads[i]);
		if (errno)
			die_errno("cannot start thread %" PRIu64, i);
	}
	lab_mark("ebizzy");
	getrusage(RUSAGE_SELF, &before);
	began = now_ns();
	pthread_barrier_wait(&start);
	sleep_until(began + set.seconds * NSEC_PER_SEC);
	stop = true;
	for (i = 0; i < set.threads; i++) {
		pthread_join(threads[i].id, NULL);
		records += threads[i].records;
	}
	elapsed = (double)(now_ns() - began) / NSEC_PER_SEC;
	getrusage(RUSAGE_SELF, &after);
	lab_mark("gap");

	printf("%" PRIu64 " records/s\n", (uint64_t)((double)records / elapsed));
	printf("real %5.2f s\n", elapsed);
	printf("user %5.2f s\n", used(after.ru_utime, before.ru_utime));
	printf("sys  %5.2f s\n", used(after.ru_stime, before.ru_stime));
}

static const char help[] =
"Usage: ebizzy [options]\n"
"Threads allocate, fill, search and free chunks of memory; prints how many per\n"
"second.\n"
"  -T          only touch the pages of a new chunk: no copy, no search\n"
"  -l          copy by a loop of its own, not by the C library\n"
"  -m          every chunk by mmap and munmap\n"
"  -M          no chunk by mmap\n"
"  -n NUMBER   number of source chunks (10)\n"
"  -p          keep sources from merging by alternating access rights\n"
"  -P          keep sources from merging by holes between them\n"
"  -R          chunks of random size\n"
"  -s SIZE     size of a chunk in bytes (524288)\n"
"  -S SECONDS  how long to run (10)\n"
"  -t NUMBER   number of threads (2 per CPU)\n"
"  -v          verbose; -vv, -vvv: more\n"
"  -z          linear search instead of binary search\n";

static void read_options(int argc, char **argv)
{
	int c;

	set.threads = 2 * sysconf(_SC_NPROCESSORS_ONLN);
	help_option(argc, argv, help);
	while ((c = getopt(argc, argv, ":TlmMn:pPRs:S:t:vz")) != -1) {
		switch (c) {
		case 'T':
			set.touch_only = true;
			break;
		case 'l':
			set.own_copy = true;
			break;
		case 'm':
			set.always_mmap = true;
			break;
		case 'M':
			set.never_mmap = true;
			break;
		case 'n':
			set.chunks = parse_number("-n", optarg, 1, 1 << 24);
			break;
		case 'p':
			set.alternate_rights = true;
			break;
		case 'P':
			set.leave_holes = true;
			break;
		case 'R':
			set.random_size = true;
			break;
		case 's':
			set.chunk_size = parse_number("-s", optarg,
						      sizeof(size_t), 1ULL << 40);
			break;
		case 'S':
			set.seconds = parse_number("-S", optarg, 1, 86400);
			break;
		case 't':
			set.threads = parse_number("-t", optarg, 1, 65536);
			break;
		case 'v':
			set.verbose++;
			break;
		case 'z':
			set.linear = true;
			break;
		default:
			bad_option(c, argv);
		}
	}
	if (optind < argc)
		usage_error("'%s' is not an option", argv[optind]);
	if (set.always_mmap && set.never_mmap)
		usage_error("-m and -M exclude each other");
}

static void show_settings(void)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "always_mmap", set.always_mmap },
		{ "never_mmap", set.never_mmap },
		{ "chunks", set.chunks },
		{ "prevent coalescing using permissions", set.alternate_rights },
		{ "prevent coalescing using holes", set.leave_holes },
		{ "random_size", set.random_size },
		{ "chunk_size", set.chunk_size },
		{ "seconds", set.seconds },
		{ "threads", set.threads },
		{ "verbose", set.verbose },
		{ "linear", set.linear },
		{ "touch_pages", set.touch_only },
		{ "page size", page_size },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		printf("%s %" PRIu64 "\n", rows[i].name, rows[i].value);
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	page_size = sysconf(_SC_PAGESIZE);
	if (set.verbose)
		show_settings();
	if (set.never_mmap)
		mallopt(M_MMAP_MAX, 0);
	make_sources();
	measure();
	return 0;
}
