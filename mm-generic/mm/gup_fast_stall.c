// SPDX-License-Identifier: GPL-2.0
/*
 * A GUP-fast that stops where it is told to, so that tests can change page
 * tables under it at this point and no other: in debugfs, gup_fast_stall/.
 *
 *  tid       this thread stops at each step in @steps, until @stalled is set
 *            to 0 or @usecs are over. 0: none
 *  random    all threads stop now and then at these steps, for a time of up to
 *            @usecs; @tid does not matter
 *  steps     the steps, BIT(enum gup_fast_step)
 *  usecs     the longest stop, in microseconds
 *  stalled   the step at which the thread is, 0 if it is at none
 *  timeouts  how often a thread went on because @usecs were over
 *
 * A CPU that stops has interrupts disabled and serves nobody: whoever waits for
 * it, waits until then. That is what a virtual CPU is like that its host does
 * not run.
 */
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/preempt.h>
#include <linux/processor.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/time64.h>

#include "gup_fast_stall.h"

/* With nobody there to look after the CPU, RCU complains after 21 s. */
#define GUP_FAST_STALL_MAX_USECS	(10 * USEC_PER_SEC)

/* One in so many steps, at random. */
#define GUP_FAST_STALL_ODDS		8

static u32 gup_fast_stall_tid;
static bool gup_fast_stall_random;
static u32 gup_fast_stall_steps;
static u32 gup_fast_stall_usecs = USEC_PER_SEC;
static u32 gup_fast_stall_stalled;
static u32 gup_fast_stall_timeouts;

static u64 gup_fast_stall_end(u32 usecs)
{
	usecs = min(usecs, GUP_FAST_STALL_MAX_USECS);

	return local_clock() + (u64)usecs * NSEC_PER_USEC;
}

static void gup_fast_stall_at_random(void)
{
	u32 most = READ_ONCE(gup_fast_stall_usecs);
	u64 end;

	if (get_random_u32_below(GUP_FAST_STALL_ODDS))
		return;

	end = gup_fast_stall_end(get_random_u32_inclusive(0, most));
	while (local_clock() < end)
		cpu_relax();
}

static void gup_fast_stall_until_told(enum gup_fast_step step)
{
	u64 end = gup_fast_stall_end(READ_ONCE(gup_fast_stall_usecs));

	WRITE_ONCE(gup_fast_stall_stalled, step);
	while (READ_ONCE(gup_fast_stall_stalled) == step) {
		if (local_clock() >= end) {
			WRITE_ONCE(gup_fast_stall_timeouts,
				   gup_fast_stall_timeouts + 1);
			break;
		}
		cpu_relax();
	}
	WRITE_ONCE(gup_fast_stall_stalled, 0);
}

/**
 * gup_fast_stall - stop here, if a test wants it
 * @step: how far this walk is
 *
 * Context: interrupts disabled, in the walk of the current thread. Does nothing in
 * an NMI, as perf walks in one.
 */
void gup_fast_stall(enum gup_fast_step step)
{
	if (likely(!(READ_ONCE(gup_fast_stall_steps) & BIT(step))) || in_nmi())
		return;

	if (READ_ONCE(gup_fast_stall_random))
		gup_fast_stall_at_random();
	else if (READ_ONCE(gup_fast_stall_tid) == current->pid)
		gup_fast_stall_until_told(step);
}

/**
 * gup_fast_check_table - complain if a walk reads in a table that was freed
 * @entry: the entry that it reads
 *
 * Notices it as long as nobody else has got the page. KASAN does the same, with
 * more certainty and at a price.
 *
 * Context: interrupts disabled, in a walk.
 */
void gup_fast_check_table(const void *entry)
{
	WARN_ONCE(!page_ref_count(virt_to_page(entry)),
		  "GUP-fast reads in a page table that was freed\n");
}

static int __init gup_fast_stall_init(void)
{
	struct dentry *dir = debugfs_create_dir("gup_fast_stall", NULL);

	debugfs_create_u32("tid", 0600, dir, &gup_fast_stall_tid);
	debugfs_create_bool("random", 0600, dir, &gup_fast_stall_random);
	debugfs_create_u32("steps", 0600, dir, &gup_fast_stall_steps);
	debugfs_create_u32("usecs", 0600, dir, &gup_fast_stall_usecs);
	debugfs_create_u32("stalled", 0600, dir, &gup_fast_stall_stalled);
	debugfs_create_u32("timeouts", 0600, dir, &gup_fast_stall_timeouts);

	return 0;
}
late_initcall(gup_fast_stall_init);
