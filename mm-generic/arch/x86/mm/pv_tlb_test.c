// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of pv_tlb.c, which includes this file: who is flushed, and what?
 *
 * No backend is needed, and none that there is gets to see anything of this.
 */
#include <kunit/test.h>
#include <linux/align.h>
#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/hardirq.h>
#include <linux/jiffies.h>
#include <linux/jump_label.h>
#include <linux/kthread.h>
#include <linux/math.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/pgtable.h>
#include <linux/prandom.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

#include <asm/mmu_context.h>
#include <asm/pgalloc.h>
#include <asm/pv_tlb_soft_host.h>

#define PV_TLB_SEED	20170803
#define PV_TLB_CASES	200000

/* Identities only. */
static struct mm_struct *const pv_tlb_mm_a = (struct mm_struct *)0xa000;
static struct mm_struct *const pv_tlb_mm_b = (struct mm_struct *)0xb000;

static const struct pv_tlb_range_case {
	const char		*name;
	unsigned long		start;
	unsigned long		end;
	bool			from_top;	/* both count from TASK_SIZE_MAX */
	unsigned int		stride_shift;
	struct pv_tlb_limits	limits;
	struct pv_tlb_range	want;		/* no pages: a full flush */
} pv_tlb_range_cases[] = {
	{ "1 page", 0x1000, 0x2000, 0, 12, { 15, 12 }, { 0x1000, 1 } },
	{ "first page", 0, 0x1000, 0, 12, { 15, 12 }, { 0, 1 } },
	{ "in a page", 0x1001, 0x1002, 0, 12, { 15, 12 }, { 0x1000, 1 } },
	{ "unaligned start", 0x1fff, 0x3000, 0, 12, { 15, 12 }, { 0x1000, 2 } },
	{ "unaligned end", 0x1000, 0x2001, 0, 12, { 15, 12 }, { 0x1000, 2 } },
	{ "unaligned", 0x1fff, 0x2001, 0, 12, { 15, 12 }, { 0x1000, 2 } },

	{ "empty", 0x1000, 0x1000, 0, 12, { 15, 12 } },
	{ "backwards", 0x3000, 0x1000, 0, 12, { 15, 12 } },
	{ "everything", 0, TLB_FLUSH_ALL, 0, 12, { 15, 12 } },
	{ "from somewhere", 0x1000, TLB_FLUSH_ALL, 0, 12, { 15, 12 } },
	{ "everything, 2 MiB", 0, TLB_FLUSH_ALL, 0, 21, { 15, 12, true } },

	{ "end of user space", -0x3000, 0, 1, 12, { 15, 12 }, { -0x3000, 3 } },
	{ "past it", -0x3000, 1, 1, 12, { 15, 12 } },
	{ "a page past it", -0x3000, 0x1000, 1, 12, { 15, 12 } },
	{ "behind it", 0, 0x1000, 1, 12, { 15, 12 } },
	{ "2 MiB past it", -0x1ff000, 0, 1, 21, { 15, 12, true } },
	{ "to the 2 MiB before it", -0x3ff000, -0x1ff000, 1, 21,
	  { 15, 12, true }, { -0x3ff000, 1 } },
	{ "not canonical", BIT(62), BIT(62) + 0x1000, 0, 12, { 15, 12 } },
	{ "user to not canonical", 0x1000, BIT(62), 0, 12, { ~0U, 12 } },
	{ "user to kernel", 0x1000, 0xffff888000001000, 0, 12, { ~0U, 12 } },
	{ "kernel", 0xffff888000000000, 0xffff888000001000, 0, 12, { 15, 12 } },
	{ "last page", 0xfffffffffffff000, 0, 0, 12, { 15, 12 } },
	{ "last but one", 0xffffffffffffe000, 0xfffffffffffff000, 0, 12,
	  { 15, 12 } },
	{ "last page rounded", 0xffffffffffffe000, 0xfffffffffffff001, 0, 12,
	  { 15, 12 } },
	{ "user, wraps", 0x1000, 0xfffffffffffff001, 0, 12, { ~0U, 12 } },

	{ "1 entry", 0, 4096 * 0x1000, 0, 12, { 1, 12 }, { 0, 4096 } },
	{ "1 entry and a page", 0, 4097 * 0x1000, 0, 12, { 1, 12 } },
	{ "15 entries", 0, 15 * 0x1000000, 0, 12, { 15, 12 },
	  { 0, 15 * 4096 } },
	{ "15 entries and a byte", 0, 15 * 0x1000000 + 1, 0, 12, { 15, 12 } },
	{ "15 entries unaligned", 0x800, 15 * 0x1000000 + 0x800, 0, 12,
	  { 15, 12 } },
	{ "no entries", 0x1000, 0x2000, 0, 12, { 0, 12 } },
	{ "33 of 1 page", 0, 33 * 0x1000, 0, 12, { 33, 0 }, { 0, 33 } },
	{ "34 of 1 page", 0, 34 * 0x1000, 0, 12, { 33, 0 } },

	{ "2 MiB", 0x200000, 0x400000, 0, 21, { 15, 12 } },
	{ "2 MiB, huge entries", 0x200000, 0x400000, 0, 21, { 15, 12, true },
	  { 0x200000, 1 } },
	{ "2 MiB, unaligned start", 0x201000, 0x400000, 0, 21,
	  { 15, 12, true }, { 0x200000, 1 } },
	{ "2 MiB, unaligned", 0x3ff000, 0x401000, 0, 21, { 15, 12, true },
	  { 0x200000, 2 } },
	{ "15 times 2 MiB", 0, 15 * 0x200000, 0, 21, { 15, 12, true },
	  { 0, 15 } },
	{ "16 times 2 MiB", 0, 16 * 0x200000, 0, 21, { 15, 12, true } },
	{ "4K, huge entries", 0x1000, 0x2000, 0, 12, { 15, 12, true },
	  { 0x1000, 1 } },
	{ "1 GiB", 0x40000000, 0x80000000, 0, 30, { 15, 12 } },
	{ "1 GiB, huge entries", 0x40000000, 0x80000000, 0, 30,
	  { 15, 12, true } },
	{ "no stride", 0x1000, 0x2000, 0, 0, { 15, 12 } },
	{ "no stride, huge entries", 0x1000, 0x2000, 0, 0, { 15, 12, true } },
};

KUNIT_ARRAY_PARAM_DESC(pv_tlb_range_case, pv_tlb_range_cases, name);

static void pv_tlb_range_test(struct kunit *test)
{
	const struct pv_tlb_range_case *c = test->param_value;
	unsigned long base = c->from_top ? TASK_SIZE_MAX : 0;
	const struct flush_tlb_info info = {
		.start		= base + c->start,
		.end		= base + c->end,
		.stride_shift	= c->stride_shift,
	};
	struct pv_tlb_range range;
	bool list;

	list = pv_tlb_get_range(&range, &c->limits, &info);
	KUNIT_ASSERT_EQ(test, list, !!c->want.nr_pages);
	if (list) {
		KUNIT_EXPECT_EQ(test, range.start, base + c->want.start);
		KUNIT_EXPECT_EQ(test, range.nr_pages, c->want.nr_pages);
	}
}

/* One entry after the other. Returns what is left of @room, or -1. */
static long pv_tlb_naive_room(const struct pv_tlb_limits *limits, long room,
			      unsigned long nr_pages, unsigned int shift)
{
	unsigned long n = shift == 12 ? 1UL << limits->entry_shift : 1;

	while (nr_pages && room >= 0) {
		nr_pages -= min(nr_pages, n);
		room--;
	}

	return room;
}

/* In pages, whose number is far from what could wrap. */
static bool pv_tlb_naive_range(struct pv_tlb_range *range,
			       const struct pv_tlb_limits *limits,
			       const struct flush_tlb_info *info)
{
	unsigned int shift = info->stride_shift;
	unsigned long first = info->start >> shift;
	unsigned long end = (info->end >> shift) +
			    !!(info->end & ((1UL << shift) - 1));

	if (shift != 12 && (shift != 21 || !limits->huge_entries))
		return false;
	if (first >= end || end > TASK_SIZE_MAX >> shift)
		return false;

	range->start = first << shift;
	range->nr_pages = end - first;

	return pv_tlb_naive_room(limits, limits->max_entries, end - first,
				 shift) >= 0;
}

static unsigned long pv_tlb_random_addr(struct rnd_state *rnd)
{
	u32 r = prandom_u32_state(rnd);
	unsigned long low = r >> 8 & (r & 1 ? 0xffffff : 0x3ff000);

	switch (r >> 1 & 7) {
	case 0:
		return -low;
	case 1:
		return TASK_SIZE_MAX + low;
	case 2:
		return TASK_SIZE_MAX - low;
	case 3:
		return (unsigned long)prandom_u32_state(rnd) << 32 | low;
	default:
		return low;
	}
}

static void pv_tlb_random_range_test(struct kunit *test)
{
	static const unsigned int shifts[] = { 12, 12, 12, 21, 21, 30 };
	struct flush_tlb_info info = {};
	unsigned int i, lists = 0;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, PV_TLB_SEED);
	for (i = 0; i < PV_TLB_CASES; i++) {
		u32 r = prandom_u32_state(&rnd);
		struct pv_tlb_limits limits = {
			.max_entries	= r & 0x1f,
			.entry_shift	= r & 0x20 ? 12 : r >> 6 & 3,
			.huge_entries	= r & 0x100,
		};
		struct pv_tlb_range range, naive;
		bool list;

		info.stride_shift = shifts[(r >> 9 & 0xff) %
					   ARRAY_SIZE(shifts)];
		info.start = pv_tlb_random_addr(&rnd);
		info.end = pv_tlb_random_addr(&rnd);
		if (r & 0x60000)
			info.end = info.start + (info.end & 0x3ffffff);

		list = pv_tlb_get_range(&range, &limits, &info);
		KUNIT_ASSERT_EQ_MSG(test, list,
				    pv_tlb_naive_range(&naive, &limits, &info),
				    "case %u: %lx to %lx, stride %u, %u entries",
				    i, info.start, info.end, info.stride_shift,
				    limits.max_entries);
		if (!list)
			continue;
		lists++;
		KUNIT_ASSERT_EQ_MSG(test, range.start, naive.start, "case %u", i);
		KUNIT_ASSERT_EQ_MSG(test, range.nr_pages, naive.nr_pages,
				    "case %u", i);
	}
	kunit_info(test, "seed %u: %u cases, %u lists", PV_TLB_SEED, i, lists);
	KUNIT_EXPECT_GT(test, lists, i / 16);
}

static const struct pv_tlb_kernel_case {
	const char		*name;
	unsigned long		start;
	unsigned long		end;
	struct pv_tlb_limits	limits;
	unsigned long		want;		/* pages; none: a full flush */
} pv_tlb_kernel_cases[] = {
	{ "1 page", 0xffffc90000001000, 0xffffc90000002000, { 15, 12 }, 1 },
	{ "in a page", 0xffffc90000001001, 0xffffc90000001fff, { 15, 12 }, 1 },
	{ "unaligned", 0xffffc90000001fff, 0xffffc90000002001, { 15, 12 }, 2 },
	{ "33 of 1 page", 0xffffc90000000000, 0xffffc90000021000, { 33, 0 }, 33 },
	{ "34 of 1 page", 0xffffc90000000000, 0xffffc90000022000, { 33, 0 } },
	{ "last page", 0xfffffffffffff000, 0, { 15, 12 }, 1 },
	{ "last two pages, rounded", 0xffffffffffffe000, 0xfffffffffffff001,
	  { 15, 12 }, 2 },
	{ "into user space", 0xfffffffffffff000, 0x1000, { 15, 12 } },
	{ "empty", 0xffffc90000001000, 0xffffc90000001000, { 15, 12 } },
	{ "backwards", 0xffffc90000003000, 0xffffc90000001000, { 15, 12 } },
	{ "everything", 0, TLB_FLUSH_ALL, { 15, 12 } },
	{ "from somewhere", 0xffffc90000001000, TLB_FLUSH_ALL, { ~0U, 12 } },
	{ "user", 0x1000, 0x2000, { 15, 12 } },
	{ "user to kernel", 0x1000, 0xffffc90000001000, { ~0U, 12 } },
	{ "not canonical", BIT(62), BIT(62) + 0x1000, { 15, 12 } },
};

KUNIT_ARRAY_PARAM_DESC(pv_tlb_kernel_case, pv_tlb_kernel_cases, name);

static void pv_tlb_kernel_range_test(struct kunit *test)
{
	const struct pv_tlb_kernel_case *c = test->param_value;
	const struct flush_tlb_info info = {
		.start	= c->start,
		.end	= c->end,
	};
	struct pv_tlb_range range;
	bool list;

	list = pv_tlb_get_kernel_range(&range, &c->limits, &info);
	KUNIT_ASSERT_EQ(test, list, !!c->want);
	if (list) {
		KUNIT_EXPECT_EQ(test, range.start, c->start & PAGE_MASK);
		KUNIT_EXPECT_EQ(test, range.nr_pages, c->want);
	}
}

#define PV_TLB_REMAPS	100	/* of each kind */

/* One address, two pages in turn, each with the number of its turn in it. */
struct pv_tlb_remap {
	struct page	*pages[2];
	unsigned long	*addr;
	pte_t		*pte;
	unsigned long	flushed;	/* turn whose flush is done */
	unsigned long	read;		/* last turn that was read */
	unsigned long	stale;		/* reads of a turn before @flushed */
};

/* Stays in the kernel, on its CPU, and so keeps the translation that it has. */
static int pv_tlb_remap_reader(void *data)
{
	struct pv_tlb_remap *r = data;

	while (!kthread_should_stop()) {
		unsigned long flushed, turn;
		unsigned int i;

		for (i = 0; i < 10000; i++) {
			/* Before the read: pairs with pv_tlb_remap_turn(). */
			flushed = smp_load_acquire(&r->flushed);
			turn = READ_ONCE(*r->addr);
			if (turn < flushed)
				r->stale++;
			/* After it: the next turn writes to the other page. */
			smp_store_release(&r->read, turn);
		}
		cond_resched();
	}

	return 0;
}

static bool pv_tlb_remap_turn(struct pv_tlb_remap *r, unsigned long turn,
			      bool range)
{
	struct page *page = r->pages[turn & 1];
	unsigned long end = jiffies + 10 * HZ;

	WRITE_ONCE(*(unsigned long *)page_address(page), turn);
	set_pte(r->pte, mk_pte(page, PAGE_KERNEL));
	if (range)
		flush_tlb_kernel_range((unsigned long)r->addr,
				       (unsigned long)r->addr + PAGE_SIZE);
	else
		flush_tlb_all();
	/* After the flush: whoever sees this must see the page. */
	smp_store_release(&r->flushed, turn);

	/* Before the next turn: pairs with pv_tlb_remap_reader(). */
	while (smp_load_acquire(&r->read) < turn) {
		if (time_after(jiffies, end))
			return false;
		cond_resched();
	}

	return true;
}

static unsigned long pv_tlb_interrupts(int cpu)
{
	const irq_cpustat_t *stat = per_cpu_ptr(&irq_stat, cpu);

	return READ_ONCE(stat->irq_call_count) + READ_ONCE(stat->irq_tlb_count);
}

/* Are flushes of all CPUs hypercalls here, and not interrupts, as the software host's? */
static bool pv_tlb_flushes_by_call(void)
{
	return pv_tlb_is_registered() && static_key_enabled(&pv_tlb_enabled) &&
	       pv_tlb_limits.min_targets < num_online_cpus() &&
	       !pv_tlb_soft_host(PV_TLB_SOFT_HYPERV) &&
	       !pv_tlb_soft_host(PV_TLB_SOFT_XEN_PV);
}

/*
 * Some turns, of flushes that are all ranges or all of everything. None interrupts
 * @cpu if it is a hypercall, and each does if not, which shows that the test sees it.
 * Half of them: others may interrupt it too, and it may find out without.
 */
static bool pv_tlb_remap_turns(struct kunit *test, struct pv_tlb_remap *r, int cpu,
			       bool range)
{
	unsigned long interrupts = pv_tlb_interrupts(cpu);
	unsigned long end = r->flushed + PV_TLB_REMAPS;

	while (r->flushed < end) {
		if (!pv_tlb_remap_turn(r, r->flushed + 1, range)) {
			KUNIT_FAIL(test, "turn %lu is never seen", r->flushed);
			return false;
		}
	}

	interrupts = pv_tlb_interrupts(cpu) - interrupts;
	kunit_info(test, "%d flushes, %lu interrupts", PV_TLB_REMAPS, interrupts);
	if (pv_tlb_flushes_by_call())
		KUNIT_EXPECT_LT(test, interrupts, PV_TLB_REMAPS / 2);
	else
		KUNIT_EXPECT_GT(test, interrupts, PV_TLB_REMAPS / 2);

	return true;
}

static void pv_tlb_remap_under_reader(struct kunit *test, struct pv_tlb_remap *r,
				      int cpu)
{
	struct task_struct *reader;

	reader = kthread_run_on_cpu(pv_tlb_remap_reader, r, cpu, "pv_tlb_test/%u");
	if (IS_ERR(reader)) {
		KUNIT_FAIL(test, "no thread: %ld", PTR_ERR(reader));
		return;
	}

	/* The first turn ends when the reader runs. */
	if (!pv_tlb_remap_turn(r, 1, true))
		KUNIT_FAIL(test, "the reader does not run");
	else if (pv_tlb_remap_turns(test, r, cpu, true))
		pv_tlb_remap_turns(test, r, cpu, false);
	kthread_stop(reader);
	KUNIT_EXPECT_EQ(test, r->stale, 0);
}

/* Is the kernel's half flushed on a CPU that is busy there, and how? */
static void pv_tlb_remap_test(struct kunit *test)
{
	struct pv_tlb_remap *r;
	int cpu;

	r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, r);
	r->pages[0] = alloc_page(GFP_KERNEL | __GFP_ZERO);
	r->pages[1] = alloc_page(GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_TRUE(test, r->pages[0] && r->pages[1]);
	r->addr = vmap(r->pages, 1, VM_MAP, PAGE_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, r->addr);
	r->pte = virt_to_kpte((unsigned long)r->addr);

	/* The reader is to stay on its CPU, and the flushes are to come from another. */
	cpu_hotplug_disable();
	migrate_disable();
	cpu = cpumask_any_but(cpu_online_mask, smp_processor_id());
	if (cpu < nr_cpu_ids)
		pv_tlb_remap_under_reader(test, r, cpu);
	migrate_enable();
	cpu_hotplug_enable();

	vunmap(r->addr);
	__free_page(r->pages[0]);
	__free_page(r->pages[1]);
	if (cpu >= nr_cpu_ids)
		kunit_skip(test, "needs 2 CPUs");
}

static void pv_tlb_entries_test(struct kunit *test)
{
	static const unsigned int entry_shifts[] = { 0, 3, 12 };
	struct pv_tlb_limits limits = {};
	unsigned int i, shift;
	unsigned long nr;
	long room, got;

	for (i = 0; i < ARRAY_SIZE(entry_shifts); i++) {
		limits.entry_shift = entry_shifts[i];
		for (shift = 12; shift <= 30; shift += 9)
			for (room = 0; room < 4; room++)
				for (nr = 1; nr < 3 * 4096 + 2; nr++) {
					got = pv_tlb_take_entries(&limits, room,
								  nr, shift);
					KUNIT_ASSERT_EQ(test, max(got, -1L),
							pv_tlb_naive_room(&limits,
									  room,
									  nr,
									  shift));
				}
		for (nr = 1; nr < 64; nr++)
			KUNIT_ASSERT_LT(test,
					pv_tlb_take_entries(&limits, 509,
							    ULONG_MAX / nr, 12),
					0);
	}
}

static const struct pv_tlb_batch_case {
	const char	*name;
	char		pages[16];	/* of mm A, of mm B if in upper case */
	char		ranges[16];	/* first and last of each */
	bool		many_mms;
} pv_tlb_batch_cases[] = {
	{ "nothing", "", "" },
	{ "1 page", "c", "cc" },
	{ "run", "cdef", "cf" },
	{ "2 runs", "cdehij", "cehj" },
	{ "run and hole", "cdf", "cdff" },
	{ "downwards", "dc", "ddcc" },
	{ "before a run", "deb", "debb" },
	{ "into a run", "cdd", "cddd" },
	{ "runs that meet", "decde", "dece" },
	{ "another mm", "cD", "cc", true },
	{ "another mm goes on", "cdDe", "cd", true },
	{ "and back", "cDd", "cc", true },
	{ "only the other mm", "CD", "cd" },
};

KUNIT_ARRAY_PARAM_DESC(pv_tlb_batch_case, pv_tlb_batch_cases, name);

static void pv_tlb_record_letter(struct arch_tlbflush_unmap_batch *batch,
				 char letter)
{
	pv_tlb_batch_record(batch, letter < 'a' ? pv_tlb_mm_b : pv_tlb_mm_a,
			    (unsigned long)(letter & 0x1f) << PAGE_SHIFT);
}

static void pv_tlb_batch_test(struct kunit *test)
{
	const struct pv_tlb_batch_case *c = test->param_value;
	struct arch_tlbflush_unmap_batch *batch;
	const struct pv_tlb_range *range;
	unsigned int i;

	batch = kunit_kzalloc(test, sizeof(*batch), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, batch);
	for (i = 0; c->pages[i]; i++)
		pv_tlb_record_letter(batch, c->pages[i]);

	KUNIT_EXPECT_EQ(test, batch->pages.many_mms, c->many_mms);
	KUNIT_EXPECT_FALSE(test, batch->pages.overflow);
	if (c->many_mms)
		return;

	KUNIT_ASSERT_EQ(test, batch->pages.nr_ranges, strlen(c->ranges) / 2);
	if (c->pages[0])
		KUNIT_EXPECT_PTR_EQ(test, batch->pages.mm,
				    c->pages[0] < 'a' ? pv_tlb_mm_b :
							pv_tlb_mm_a);
	for (i = 0; i < batch->pages.nr_ranges; i++) {
		range = &batch->pages.ranges[i];
		KUNIT_EXPECT_EQ(test, range->start >> PAGE_SHIFT,
				c->ranges[2 * i] & 0x1f);
		KUNIT_EXPECT_EQ(test, range->nr_pages,
				c->ranges[2 * i + 1] - c->ranges[2 * i] + 1);
	}
}

static void pv_tlb_batch_overflow_test(struct kunit *test)
{
	const struct pv_tlb_limits limits = { 509, 12 };
	struct arch_tlbflush_unmap_batch *arch_batch;
	struct pv_tlb_batch *batch, full;
	unsigned long page;

	arch_batch = kunit_kzalloc(test, sizeof(*arch_batch), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, arch_batch);
	batch = &arch_batch->pages;

	for (page = 1; page <= 2 * PV_TLB_BATCH_RANGES; page += 2)
		pv_tlb_batch_record(arch_batch, pv_tlb_mm_a, page << PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, batch->nr_ranges, PV_TLB_BATCH_RANGES);
	KUNIT_EXPECT_FALSE(test, batch->overflow);

	/* The last range still grows. */
	page--;
	pv_tlb_batch_record(arch_batch, pv_tlb_mm_a, page << PAGE_SHIFT);
	KUNIT_EXPECT_FALSE(test, batch->overflow);
	KUNIT_EXPECT_EQ(test, batch->ranges[PV_TLB_BATCH_RANGES - 1].nr_pages,
			2);
	KUNIT_EXPECT_TRUE(test, pv_tlb_batch_has_list(batch, &limits));

	full = *batch;
	pv_tlb_batch_record(arch_batch, pv_tlb_mm_a, (page + 2) << PAGE_SHIFT);
	KUNIT_EXPECT_TRUE(test, batch->overflow);
	KUNIT_EXPECT_FALSE(test, batch->many_mms);
	KUNIT_EXPECT_FALSE(test, pv_tlb_batch_has_list(batch, &limits));
	KUNIT_EXPECT_MEMEQ(test, batch->ranges, full.ranges,
			   sizeof(full.ranges));

	/* That the targets are those of many mms is not to be missed now. */
	pv_tlb_batch_record(arch_batch, pv_tlb_mm_b, (page + 3) << PAGE_SHIFT);
	KUNIT_EXPECT_TRUE(test, batch->many_mms);
	KUNIT_EXPECT_FALSE(test, pv_tlb_batch_has_list(batch, &limits));
}

/* Any pages of a few, in any order: are they, and only they, in the ranges? */
static void pv_tlb_batch_random_test(struct kunit *test)
{
	struct arch_tlbflush_unmap_batch *arch_batch;
	DECLARE_BITMAP(asked, 64);
	DECLARE_BITMAP(named, 64);
	unsigned int i, n, lists = 0;
	struct pv_tlb_batch *batch;
	struct rnd_state rnd;

	arch_batch = kunit_kzalloc(test, sizeof(*arch_batch), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, arch_batch);
	batch = &arch_batch->pages;

	prandom_seed_state(&rnd, PV_TLB_SEED);
	for (i = 0; i < PV_TLB_CASES / 4; i++) {
		unsigned int page = 0, runs = 0;
		bool many_mms = false;

		memset(batch, 0, sizeof(*batch));
		bitmap_zero(asked, 64);
		bitmap_zero(named, 64);
		for (n = prandom_u32_state(&rnd) % 48; n; n--) {
			u32 r = prandom_u32_state(&rnd);
			unsigned int next = r & 3 ? (page + 1) % 64 :
						    r >> 2 & 63;
			bool other = runs && !(r & 0x3ff00);

			if (!runs || next != page + 1)
				runs++;
			page = next;
			many_mms |= other;
			__set_bit(page, asked);
			pv_tlb_batch_record(arch_batch,
					    other ? pv_tlb_mm_b : pv_tlb_mm_a,
					    (unsigned long)page << PAGE_SHIFT);
		}

		KUNIT_ASSERT_EQ_MSG(test, batch->many_mms, many_mms, "case %u",
				    i);
		if (batch->many_mms || batch->overflow) {
			KUNIT_ASSERT_TRUE_MSG(test, many_mms || runs > 15,
					      "case %u", i);
			continue;
		}
		lists++;
		for (n = 0; n < batch->nr_ranges; n++)
			bitmap_set(named, batch->ranges[n].start >> PAGE_SHIFT,
				   batch->ranges[n].nr_pages);
		KUNIT_ASSERT_LE_MSG(test, batch->nr_ranges, runs, "case %u", i);
		KUNIT_ASSERT_TRUE_MSG(test, bitmap_equal(asked, named, 64),
				      "case %u", i);
	}
	kunit_info(test, "seed %u: %u cases, %u lists", PV_TLB_SEED, i, lists);
	KUNIT_EXPECT_TRUE(test, lists && lists < i);
}

static const struct pv_tlb_has_list_case {
	const char	*name;
	unsigned int	nr_ranges;
	unsigned long	nr_pages;	/* of each */
	bool		many_mms;
	bool		overflow;
	unsigned int	max_entries;
	bool		want;
} pv_tlb_has_list_cases[] = {
	{ "1 of 1", 1, 1, false, false, 1, true },
	{ "1 of 0", 1, 1, false, false, 0, false },
	{ "15 of 15", 15, 1, false, false, 15, true },
	{ "15 of 14", 15, 1, false, false, 14, false },
	{ "15 long of 15", 15, 4096, false, false, 15, true },
	{ "15 longer of 29", 15, 4097, false, false, 29, false },
	{ "15 longer of 30", 15, 4097, false, false, 30, true },
	{ "many mms", 1, 1, true, false, 15, false },
	{ "overflow", 15, 1, false, true, 15, false },
	{ "both", 15, 1, true, true, 15, false },
};

KUNIT_ARRAY_PARAM_DESC(pv_tlb_has_list_case, pv_tlb_has_list_cases, name);

static void pv_tlb_has_list_test(struct kunit *test)
{
	const struct pv_tlb_has_list_case *c = test->param_value;
	const struct pv_tlb_limits limits = {
		.max_entries	= c->max_entries,
		.entry_shift	= 12,
	};
	struct pv_tlb_batch batch = {
		.mm		= pv_tlb_mm_a,
		.nr_ranges	= c->nr_ranges,
		.many_mms	= c->many_mms,
		.overflow	= c->overflow,
	};
	unsigned int i;

	for (i = 0; i < c->nr_ranges; i++)
		batch.ranges[i].nr_pages = c->nr_pages;
	KUNIT_EXPECT_EQ(test, pv_tlb_batch_has_list(&batch, &limits), c->want);
}

/* Not lazy and has it loaded, or might have: everybody else can do without. */
static const struct pv_tlb_state {
	const char		*name;
	const struct mm_struct	*loaded_mm;
	bool			is_lazy;
	bool			of_a;	/* is a target of a flush of mm A, */
	bool			of_any;	/* of any mm */
} pv_tlb_states[] = {
	{ "mm", (void *)0xa000, false, true, true },
	{ "other mm", (void *)0xb000, false, false, true },
	{ "init_mm", &init_mm, false, false, true },
	{ "switching", LOADED_MM_SWITCHING, false, true, true },
	{ "mm, lazy", (void *)0xa000, true, false, false },
	{ "other mm, lazy", (void *)0xb000, true, false, false },
	{ "init_mm, lazy", &init_mm, true, false, false },
	{ "switching, lazy", LOADED_MM_SWITCHING, true, false, false },
};

KUNIT_ARRAY_PARAM_DESC(pv_tlb_state, pv_tlb_states, name);

static void pv_tlb_state_test(struct kunit *test)
{
	const struct pv_tlb_state *s = test->param_value;

	KUNIT_EXPECT_EQ(test, s->of_a,
			pv_tlb_state_is_target(s->loaded_mm, s->is_lazy,
					       pv_tlb_mm_a));
	KUNIT_EXPECT_EQ(test, s->of_any,
			pv_tlb_state_is_target(s->loaded_mm, s->is_lazy, NULL));
}

/* The same, read from a CPU: one that is offline, and kept so. */
static void pv_tlb_offline_state_test(struct kunit *test)
{
	const struct pv_tlb_state *s = test->param_value;
	bool of_a = false, of_any = false, freed_a = false, freed_any = false;
	struct mm_struct *loaded_mm;
	unsigned int cpu;
	bool is_lazy;

	cpus_read_lock();
	for_each_possible_cpu(cpu)
		if (!cpu_online(cpu))
			break;
	if (cpu < nr_cpu_ids) {
		loaded_mm = per_cpu(cpu_tlbstate.loaded_mm, cpu);
		is_lazy = per_cpu(cpu_tlbstate_shared.is_lazy, cpu);
		per_cpu(cpu_tlbstate.loaded_mm, cpu) = (void *)s->loaded_mm;
		per_cpu(cpu_tlbstate_shared.is_lazy, cpu) = s->is_lazy;

		preempt_disable();
		of_a = pv_tlb_is_target(cpu, pv_tlb_mm_a, false);
		of_any = pv_tlb_is_target(cpu, NULL, false);
		freed_a = pv_tlb_is_target(cpu, pv_tlb_mm_a, true);
		freed_any = pv_tlb_is_target(cpu, NULL, true);
		preempt_enable();

		per_cpu(cpu_tlbstate.loaded_mm, cpu) = loaded_mm;
		per_cpu(cpu_tlbstate_shared.is_lazy, cpu) = is_lazy;
	}
	cpus_read_unlock();

	if (cpu >= nr_cpu_ids)
		kunit_skip(test, "all possible CPUs are online");
	KUNIT_EXPECT_EQ(test, of_a, s->of_a);
	KUNIT_EXPECT_EQ(test, of_any, s->of_any);
	KUNIT_EXPECT_TRUE(test, freed_a);
	KUNIT_EXPECT_TRUE(test, freed_any);
}

struct pv_tlb_select_test {
	struct cpumask	cpus;		/* to select from */
	struct cpumask	want;
	struct cpumask	targets;
	const char	*wrong;
};

static int pv_tlb_select_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct pv_tlb_select_test),
				   GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, test->priv);

	return 0;
}

/* Preemption is disabled, so what is wrong is reported later. */
static void pv_tlb_try(struct pv_tlb_select_test *t, const char *what,
		       const struct mm_struct *mm, bool freed_tables,
		       bool want_self)
{
	bool any, self = !want_self;

	/* Left over from another flush. */
	cpumask_setall(&t->targets);
	any = pv_tlb_select(&t->targets, &self, &t->cpus, mm, freed_tables);
	if (self != want_self || any == cpumask_empty(&t->want) ||
	    !cpumask_equal(&t->targets, &t->want))
		t->wrong = what;
}

static void pv_tlb_select_nobody_test(struct kunit *test)
{
	struct pv_tlb_select_test *t = test->priv;

	cpus_read_lock();
	preempt_disable();
	pv_tlb_try(t, "empty, any mm", NULL, false, false);
	pv_tlb_try(t, "empty, any mm, freed", NULL, true, false);
	pv_tlb_try(t, "empty, freed", pv_tlb_mm_a, true, false);

	/* In the mask of a batch, but gone since, or never there. */
	cpumask_andnot(&t->cpus, cpu_all_mask, cpu_online_mask);
	pv_tlb_try(t, "offline, any mm", NULL, false, false);
	pv_tlb_try(t, "offline, any mm, freed", NULL, true, false);
	pv_tlb_try(t, "offline, freed", pv_tlb_mm_a, true, false);
	preempt_enable();
	cpus_read_unlock();

	KUNIT_EXPECT_STREQ(test, t->wrong ?: "", "");
}

static void pv_tlb_select_freed_test(struct kunit *test)
{
	struct pv_tlb_select_test *t = test->priv;
	unsigned int this_cpu;

	cpus_read_lock();
	preempt_disable();
	this_cpu = smp_processor_id();

	cpumask_set_cpu(this_cpu, &t->cpus);
	pv_tlb_try(t, "only the caller", pv_tlb_mm_a, true, true);

	cpumask_setall(&t->cpus);
	cpumask_copy(&t->want, cpu_online_mask);
	cpumask_clear_cpu(this_cpu, &t->want);
	pv_tlb_try(t, "everybody", pv_tlb_mm_a, true, true);
	pv_tlb_try(t, "everybody, any mm", NULL, true, true);

	cpumask_clear_cpu(this_cpu, &t->cpus);
	pv_tlb_try(t, "all but the caller", pv_tlb_mm_a, true, false);
	preempt_enable();
	cpus_read_unlock();

	KUNIT_EXPECT_STREQ(test, t->wrong ?: "", "");
}

/* An mm that can be loaded, which in a Xen PV guest takes more than memory. */
static struct mm_struct *pv_tlb_mm_alloc(void)
{
	struct mm_struct *mm = mm_alloc();

	if (mm)
		paravirt_enter_mmap(mm);

	return mm;
}

/* The caller alone, with an mm and without. */
static void pv_tlb_select_self_test(struct kunit *test)
{
	struct pv_tlb_select_test *t = test->priv;
	struct mm_struct *mm = pv_tlb_mm_alloc();

	KUNIT_ASSERT_NOT_NULL(test, mm);
	kthread_use_mm(mm);
	preempt_disable();
	cpumask_set_cpu(smp_processor_id(), &t->cpus);
	pv_tlb_try(t, "mm", mm, false, true);
	pv_tlb_try(t, "any mm", NULL, false, true);
	pv_tlb_try(t, "other mm", pv_tlb_mm_a, false, false);
	pv_tlb_try(t, "other mm, freed", pv_tlb_mm_a, true, true);

	kthread_unuse_mm(mm);
	pv_tlb_try(t, "lazy, mm", mm, false, false);
	pv_tlb_try(t, "lazy, any mm", NULL, false, false);
	pv_tlb_try(t, "lazy, mm, freed", mm, true, true);
	preempt_enable();
	mmput(mm);

	KUNIT_EXPECT_STREQ(test, t->wrong ?: "", "");
}

struct pv_tlb_remote {
	struct mm_struct	*mm;
	bool			lazy;
	struct completion	ready;
	bool			done;
};

/* Stays in one state until it is told to go. */
static int pv_tlb_remote(void *data)
{
	struct pv_tlb_remote *remote = data;

	kthread_use_mm(remote->mm);
	preempt_disable();
	if (remote->lazy)
		kthread_unuse_mm(remote->mm);
	complete(&remote->ready);
	while (!READ_ONCE(remote->done))
		cpu_relax();
	preempt_enable();
	if (!remote->lazy)
		kthread_unuse_mm(remote->mm);

	return 0;
}

static void pv_tlb_select_remote(struct kunit *test, unsigned int cpu,
				 struct mm_struct *mm, bool lazy)
{
	struct pv_tlb_remote remote = { .mm = mm, .lazy = lazy };
	struct pv_tlb_select_test *t = test->priv;
	struct task_struct *task;

	init_completion(&remote.ready);
	task = kthread_run_on_cpu(pv_tlb_remote, &remote, cpu, "pv_tlb/%u");
	if (IS_ERR(task)) {
		KUNIT_FAIL(test, "no thread");
		return;
	}
	get_task_struct(task);
	wait_for_completion(&remote.ready);

	preempt_disable();
	cpumask_clear(&t->want);
	pv_tlb_try(t, "other mm", pv_tlb_mm_a, false, false);
	if (!lazy)
		cpumask_set_cpu(cpu, &t->want);
	pv_tlb_try(t, "mm", mm, false, false);
	pv_tlb_try(t, "any mm", NULL, false, false);
	cpumask_set_cpu(cpu, &t->want);
	pv_tlb_try(t, "mm, freed", mm, true, false);
	pv_tlb_try(t, "other mm, freed", pv_tlb_mm_a, true, false);
	preempt_enable();

	WRITE_ONCE(remote.done, true);
	kthread_stop_put(task);
	KUNIT_EXPECT_STREQ_MSG(test, t->wrong ?: "", "", "lazy %d", lazy);
}

/* Another CPU, in the states that it can be kept in. */
static void pv_tlb_select_remote_test(struct kunit *test)
{
	struct pv_tlb_select_test *t = test->priv;
	struct mm_struct *mm = pv_tlb_mm_alloc();
	unsigned int cpu;

	KUNIT_ASSERT_NOT_NULL(test, mm);
	cpus_read_lock();
	migrate_disable();
	cpu = cpumask_any_but(cpu_online_mask, smp_processor_id());
	if (cpu < nr_cpu_ids) {
		cpumask_set_cpu(cpu, &t->cpus);
		pv_tlb_select_remote(test, cpu, mm, false);
		pv_tlb_select_remote(test, cpu, mm, true);
	}
	migrate_enable();
	cpus_read_unlock();
	mmput(mm);

	if (cpu >= nr_cpu_ids)
		kunit_skip(test, "needs two CPUs");
}

/* Who flushes the caller? Nobody else does it where the answer is the call. */
static void pv_tlb_caller_test(struct kunit *test)
{
	static const struct {
		enum pv_tlb_caller	caller;
		bool			remote;
		bool			few;
		bool			alone;
		bool			by_call;
	} cases[] = {
		{ PV_TLB_CALLER_NATIVE, 0, 0, 1, 0 },
		{ PV_TLB_CALLER_NATIVE, 1, 0, 1, 0 },
		{ PV_TLB_CALLER_NATIVE, 1, 1, 1, 0 },
		{ PV_TLB_CALLER_IMPLIED, 0, 0, 1, 0 },
		{ PV_TLB_CALLER_IMPLIED, 1, 0, 0, 1 },
		{ PV_TLB_CALLER_IMPLIED, 1, 0, 1, 1 },
		{ PV_TLB_CALLER_IMPLIED, 1, 1, 1, 0 },
		{ PV_TLB_CALLER_TARGET, 0, 0, 0, 0 },
		{ PV_TLB_CALLER_TARGET, 0, 0, 1, 1 },
		{ PV_TLB_CALLER_TARGET, 1, 0, 0, 1 },
		{ PV_TLB_CALLER_TARGET, 1, 0, 1, 1 },
		{ PV_TLB_CALLER_TARGET, 1, 1, 0, 0 },
		{ PV_TLB_CALLER_TARGET, 1, 1, 1, 0 },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		KUNIT_EXPECT_EQ_MSG(test, cases[i].by_call,
				    pv_tlb_call_has_caller(cases[i].caller,
							   cases[i].remote,
							   cases[i].few,
							   cases[i].alone),
				    "case %d", i);
}

/* A batch of one page is a list for a caller that flushes itself, on any backend. */
static void pv_tlb_caller_entries_test(struct kunit *test)
{
	struct pv_tlb_backend backend = { .dfl_caller_entries = 6 };

	backend.caller = PV_TLB_CALLER_TARGET;
	KUNIT_EXPECT_EQ(test, pv_tlb_caller_entries(&backend), 6);

	backend.dfl_caller_entries = 0;
	backend.caller = PV_TLB_CALLER_NATIVE;
	KUNIT_EXPECT_GE(test, pv_tlb_caller_entries(&backend),
			PV_TLB_BATCH_RANGES);
	backend.caller = PV_TLB_CALLER_IMPLIED;
	KUNIT_EXPECT_GE(test, pv_tlb_caller_entries(&backend),
			PV_TLB_BATCH_RANGES);
}

/*
 * Page tables of the kernel are freed by RCU, which is seen by when they lose a
 * reference: the test has another. False if the grace period was over too soon to
 * tell.
 */
static bool pv_tlb_free_kernel_tables(struct kunit *test, bool with_pmd)
{
	pud_t *pud = (pud_t *)get_zeroed_page(GFP_KERNEL);
	pte_t *pte = pte_alloc_one_kernel(&init_mm);
	pmd_t *pmd = pmd_alloc_one(&init_mm, VMALLOC_START);
	int pte_refs, pmd_refs, freed;
	unsigned long gp;
	bool in_time;

	KUNIT_ASSERT_NOT_NULL(test, pud);
	KUNIT_ASSERT_NOT_NULL(test, pte);
	KUNIT_ASSERT_NOT_NULL(test, pmd);
	get_page(virt_to_page(pte));
	get_page(virt_to_page(pmd));
	set_pmd(pmd, __pmd(__pa(pte) | _KERNPG_TABLE));
	set_pud(pud, __pud(__pa(pmd) | _KERNPG_TABLE));

	gp = get_state_synchronize_rcu();
	freed = with_pmd ? pud_free_pmd_page(pud, VMALLOC_START) :
			   pmd_free_pte_page(pmd, VMALLOC_START);
	pte_refs = page_count(virt_to_page(pte));
	pmd_refs = page_count(virt_to_page(pmd));
	in_time = !poll_state_synchronize_rcu(gp);

	KUNIT_EXPECT_EQ(test, freed, 1);
	KUNIT_EXPECT_TRUE(test, pmd_none(*pmd));
	if (in_time) {
		KUNIT_EXPECT_EQ(test, pte_refs, 2);
		KUNIT_EXPECT_EQ(test, pmd_refs, 2);
	}
	rcu_barrier();
	KUNIT_EXPECT_EQ(test, page_count(virt_to_page(pte)), 1);
	KUNIT_EXPECT_EQ(test, page_count(virt_to_page(pmd)), with_pmd ? 1 : 2);

	if (!with_pmd)
		pmd_free(&init_mm, pmd);
	put_page(virt_to_page(pmd));
	put_page(virt_to_page(pte));
	free_page((unsigned long)pud);
	return in_time;
}

static void pv_tlb_kernel_tables_test(struct kunit *test)
{
	int with_pmd, tries;

	for (with_pmd = 0; with_pmd < 2; with_pmd++) {
		for (tries = 0; tries < 100; tries++) {
			if (pv_tlb_free_kernel_tables(test, with_pmd))
				break;
		}
		KUNIT_EXPECT_LT_MSG(test, tries, 100,
				    "grace periods always over, pmd %d",
				    with_pmd);
	}
}

/* How often @cpu executed INVLPG for the kernel, or what takes its place. */
static unsigned long pv_tlb_invlpgs(int cpu)
{
#if defined(CONFIG_DEBUG_TLBFLUSH) && defined(CONFIG_VM_EVENT_COUNTERS)
	return per_cpu(vm_event_states, cpu).event[NR_TLB_LOCAL_FLUSH_ONE];
#else
	return 0;
#endif
}

/*
 * When a table of tables goes, a host is told all that they led to. Where there is none,
 * an INVLPG on each CPU is enough, and takes no other translations with it.
 */
static void pv_tlb_kernel_tables_range_test(struct kunit *test)
{
	bool counting = static_key_enabled(&pv_tlb_counting);
	unsigned long full, invlpgs;
	struct pv_tlb_counters *n;
	pud_t *pud;
	pmd_t *pmd;
	int cpu;

	if (num_online_cpus() == 1)
		kunit_skip(test, "needs 2 CPUs");
	if (!pv_tlb_flushes_by_call() &&
	    (pv_tlb_is_registered() || !IS_ENABLED(CONFIG_DEBUG_TLBFLUSH) ||
	     !IS_ENABLED(CONFIG_VM_EVENT_COUNTERS)))
		kunit_skip(test, "neither hypercalls nor INVLPG are counted");
	pud = (pud_t *)get_zeroed_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pud);
	pmd = pmd_alloc_one(&init_mm, VMALLOC_START);
	KUNIT_ASSERT_NOT_NULL(test, pmd);
	set_pud(pud, __pud(__pa(pmd) | _KERNPG_TABLE));

	if (!counting)
		static_branch_enable(&pv_tlb_counting);
	migrate_disable();
	cpu = smp_processor_id();
	n = per_cpu_ptr(&pv_tlb_counters, cpu);
	full = READ_ONCE(n->full);
	invlpgs = pv_tlb_invlpgs(cpu);
	KUNIT_EXPECT_EQ(test, pud_free_pmd_page(pud, VMALLOC_START), 1);
	full = READ_ONCE(n->full) - full;
	invlpgs = pv_tlb_invlpgs(cpu) - invlpgs;
	migrate_enable();
	if (!counting)
		static_branch_disable(&pv_tlb_counting);
	free_page((unsigned long)pud);

	kunit_info(test, "%lu full flushes, %lu INVLPG", full, invlpgs);
	if (pv_tlb_flushes_by_call())
		KUNIT_EXPECT_GE(test, full, 1);
	else
		KUNIT_EXPECT_GE(test, invlpgs, 1);
}

/* A page of the vmalloc area, the table that leads to it, and what replaces both. */
struct pv_tlb_vmap {
	void			*area;
	const unsigned long	*addr;
	pmd_t			*pmd;
	struct page		*page, *new_page;
	struct page		*table;
	pte_t			*new_table;
	unsigned long		value;		/* what another CPU reads there */
	bool			watched;	/* it waits for the table to go */
	bool			watch_ended;
	bool			freed_early;
};

static void pv_tlb_vmap_read(void *data)
{
	struct pv_tlb_vmap *v = data;

	v->value = READ_ONCE(*v->addr);
}

/*
 * For the end of this, every flush by interrupt has to wait. So as long as it goes on,
 * the table must not be given to RCU. A hypercall does not wait.
 */
static void pv_tlb_vmap_watch(void *data)
{
	struct pv_tlb_vmap *v = data;
	void *before = v->table->rcu_head.func;
	unsigned int us;

	pv_tlb_vmap_read(v);
	/* After the read: pairs with pv_tlb_vmap_free(). */
	smp_store_release(&v->watched, true);
	for (us = 0; us < USEC_PER_SEC && !pmd_none(pmdp_get(v->pmd)); us += 5)
		udelay(5);
	mdelay(2);
	/* A race in a kernel that frees it too early, which is then found out. */
	v->freed_early = data_race(v->table->rcu_head.func != before);
	/* After that look: pairs with pv_tlb_vmap_free(). */
	smp_store_release(&v->watch_ended, true);
}

static void pv_tlb_vmap_free(struct pv_tlb_vmap *v, int cpu)
{
	smp_call_function_single(cpu, pv_tlb_vmap_watch, v, false);
	/* The table goes after it was used there: pairs with pv_tlb_vmap_watch(). */
	while (!smp_load_acquire(&v->watched))
		cpu_relax();
	pmd_free_pte_page(v->pmd, (unsigned long)v->addr);
	/* Before what was seen there is used: pairs with pv_tlb_vmap_watch(). */
	while (!smp_load_acquire(&v->watch_ended))
		cpu_relax();
}

static void pv_tlb_vmap_init(struct kunit *test, struct pv_tlb_vmap *v)
{
	unsigned int i, nr = 2 * PTRS_PER_PTE;
	struct page **pages = kunit_kcalloc(test, nr, sizeof(*pages), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pages);
	v->new_table = pte_alloc_one_kernel(&init_mm);
	KUNIT_ASSERT_NOT_NULL(test, v->new_table);
	v->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, v->page);
	v->new_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, v->new_page);
	*(unsigned long *)page_address(v->page) = 1;
	*(unsigned long *)page_address(v->new_page) = 2;
	set_pte(v->new_table, mk_pte(v->new_page, PAGE_KERNEL));

	for (i = 0; i < nr; i++)
		pages[i] = v->page;
	v->area = vmap(pages, nr, VM_MAP, PAGE_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, v->area);
	/* A whole table that no other area has a part of. */
	v->addr = PTR_ALIGN(v->area, PMD_SIZE);
	v->pmd = pmd_off_k((unsigned long)v->addr);
	v->table = pmd_page(*v->pmd);
}

/* Such a table takes its translations with it, and only then is freed. */
static void pv_tlb_kernel_tables_order_test(struct kunit *test)
{
	struct pv_tlb_vmap *v;
	unsigned long value = 0;
	int cpu;

	if (cpu_feature_enabled(X86_FEATURE_XENPV))
		kunit_skip(test, "a Xen PV guest maps nothing big, and frees no tables");
	v = kunit_kzalloc(test, sizeof(*v), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, v);
	pv_tlb_vmap_init(test, v);

	cpu = cpumask_any_but(cpu_online_mask, get_cpu());
	if (cpu < nr_cpu_ids) {
		pv_tlb_vmap_free(v, cpu);
		value = v->value;
		pmd_populate_kernel(&init_mm, v->pmd, v->new_table);
		smp_call_function_single(cpu, pv_tlb_vmap_read, v, true);
	}
	put_cpu();

	vunmap(v->area);
	__free_page(v->page);
	__free_page(v->new_page);
	if (cpu >= nr_cpu_ids) {
		pte_free_kernel(&init_mm, v->new_table);
		kunit_skip(test, "needs 2 CPUs");
	}
	KUNIT_EXPECT_EQ(test, value, 1);
	KUNIT_EXPECT_EQ(test, v->value, 2);
	if (!pv_tlb_flushes_by_call())
		KUNIT_EXPECT_FALSE(test, v->freed_early);
}

static struct kunit_case pv_tlb_test_cases[] = {
	KUNIT_CASE_PARAM(pv_tlb_range_test, pv_tlb_range_case_gen_params),
	KUNIT_CASE(pv_tlb_random_range_test),
	KUNIT_CASE_PARAM(pv_tlb_kernel_range_test, pv_tlb_kernel_case_gen_params),
	KUNIT_CASE(pv_tlb_remap_test),
	KUNIT_CASE(pv_tlb_entries_test),
	KUNIT_CASE_PARAM(pv_tlb_batch_test, pv_tlb_batch_case_gen_params),
	KUNIT_CASE(pv_tlb_batch_overflow_test),
	KUNIT_CASE(pv_tlb_batch_random_test),
	KUNIT_CASE_PARAM(pv_tlb_has_list_test, pv_tlb_has_list_case_gen_params),
	KUNIT_CASE_PARAM(pv_tlb_state_test, pv_tlb_state_gen_params),
	KUNIT_CASE_PARAM(pv_tlb_offline_state_test, pv_tlb_state_gen_params),
	KUNIT_CASE(pv_tlb_caller_test),
	KUNIT_CASE(pv_tlb_caller_entries_test),
	KUNIT_CASE(pv_tlb_kernel_tables_test),
	KUNIT_CASE(pv_tlb_kernel_tables_range_test),
	KUNIT_CASE(pv_tlb_kernel_tables_order_test),
	{}
};

static struct kunit_suite pv_tlb_test_suite = {
	.name		= "pv_tlb",
	.test_cases	= pv_tlb_test_cases,
};

static struct kunit_case pv_tlb_select_test_cases[] = {
	KUNIT_CASE(pv_tlb_select_nobody_test),
	KUNIT_CASE(pv_tlb_select_freed_test),
	KUNIT_CASE(pv_tlb_select_self_test),
	KUNIT_CASE(pv_tlb_select_remote_test),
	{}
};

static struct kunit_suite pv_tlb_select_test_suite = {
	.name		= "pv_tlb_select",
	.init		= pv_tlb_select_init,
	.test_cases	= pv_tlb_select_test_cases,
};

kunit_test_suites(&pv_tlb_test_suite, &pv_tlb_select_test_suite);
