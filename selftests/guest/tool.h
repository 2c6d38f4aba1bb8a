/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs of the guest share: how they refuse a command line, read
 * numbers, pin themselves and measure time.
 */
#ifndef _PVTLB_TOOL_H
#define _PVTLB_TOOL_H

#include <stdbool.h>
#include <stdint.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(arr) (sizeof(arr) / sizeof((arr)[0]))
#endif

/* One access, exactly here: neither merged, nor left out, nor moved. */
#define LOAD(p)		__atomic_load_n(p, __ATOMIC_RELAXED)
#define STORE(p, v)	__atomic_store_n(p, v, __ATOMIC_RELAXED)

#define EX_USAGE	64
#define MAX_CPUS	1024
#define NSEC_PER_SEC	1000000000ULL

/* One line on stderr that says what is wrong, status 64. */
[[gnu::format(printf, 1, 2)]] _Noreturn void usage_error(const char *fmt, ...);

/* One line on stderr, status 1; die_errno() appends what errno says. */
[[gnu::format(printf, 1, 2)]] _Noreturn void die(const char *fmt, ...);
[[gnu::format(printf, 1, 2)]] _Noreturn void die_errno(const char *fmt, ...);

/* The whole of @text as a number within [@min, @max], or usage_error(). */
uint64_t parse_number(const char *what, const char *text, uint64_t min,
		      uint64_t max);

/* Prints @help and ends the program if --help is among the arguments. */
void help_option(int argc, char **argv, const char *help);

/* getopt() gave ':' or '?': says which option and why, with usage_error(). */
_Noreturn void bad_option(int result, char **argv);

/* Fills @cpus with the CPUs this process may use; returns their number. */
int allowed_cpus(int cpus[MAX_CPUS]);

/* Binds the calling thread to @cpu. */
void pin_to(int cpu);

/*
 * @undo runs when the program ends, also by SIGINT, SIGTERM or SIGHUP: it may
 * use only what is safe in a signal handler.
 */
void at_end(void (*undo)(void));

/* Reads @p: is it mapped, so that this takes no page fault? */
bool read_without_fault(const char *p);

uint64_t now_ns(void);

/* splitmix64: every seed, also 0 and neighbours, gives an independent row. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

#endif /* _PVTLB_TOOL_H */
