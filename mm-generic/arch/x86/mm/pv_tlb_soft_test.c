// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of flushes through the software host, which includes this file: is what
 * was asked for flushed, and nothing else?
 *
 * Each round fills the TLBs of all CPUs with a window of pages, changes all of its
 * page table entries, has a random part of it flushed by a function that the kernel
 * has for this, and looks. A page that was named and is still used as before is too
 * little. A page that was not, and is not used as before, is too much.
 *
 * The CPUs that look are kept from anything else by kernel threads that run with
 * preemption disabled, so that no translation goes by itself; some go idle instead,
 * with the mm loaded lazily, and look when they come back.
 */
#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/cpu.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/moduleparam.h>
#include <linux/pgtable.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#include <asm/hardirq.h>
#include <asm/tlb.h>

#define PV_SOFT_SLOTS		64	/* pages of a window, bits of a word */
#define PV_SOFT_ROUNDS		256	/* until the CPUs may do something else */
#define PV_SOFT_ENOUGH		4096	/* flushes, for each case to have come up */
#define PV_SOFT_ALL_THERE	(-1)	/* missing: and nobody leaves any more */
#define PV_SOFT_ALL		(~0ULL)

static unsigned long pv_soft_flushes = 4096;
module_param_named(flushes, pv_soft_flushes, ulong, 0644);

static unsigned int pv_soft_seed = 1;
module_param_named(seed, pv_soft_seed, uint, 0644);

static unsigned int pv_soft_seeds = 1;
module_param_named(seeds, pv_soft_seeds, uint, 0644);

/**
 * enum pv_soft_mode - how entries are changed, and how a new translation shows
 * @PV_SOFT_REMAP: another page; what is read is in that page
 * @PV_SOFT_PROTECT: read-only; a write fails
 * @PV_SOFT_CLEAN: not dirty; a write sets the bit
 * @PV_SOFT_OLD: not accessed; a read sets the bit
 * @PV_SOFT_NR_MODES: their number
 */
enum pv_soft_mode {
	PV_SOFT_REMAP,
	PV_SOFT_PROTECT,
	PV_SOFT_CLEAN,
	PV_SOFT_OLD,
	PV_SOFT_NR_MODES,
};

enum pv_soft_do {
	PV_SOFT_FILL,	/* forget all translations, and use the pages */
	PV_SOFT_LOOK,	/* use the pages, and note which translations are new */
	PV_SOFT_FLUSH,	/* change a share of the pages, and flush them */
	PV_SOFT_LEAVE,
};

/* In user space of the test's mm, or in the kernel's half. */
struct pv_soft_window {
	unsigned long	base;
	pte_t		*ptes;
	bool		kernel;
};

struct pv_soft_cpu {
	struct pv_soft_test	*t;
	struct task_struct	*task;
	unsigned int		batch;
	bool			away;
	u64			fresh;
};

/**
 * struct pv_soft_ask - what is asked for
 * @start: address, for all but a batch
 * @end: address behind it; 0: it is a batch
 * @shift: size of the pages, as a power of two
 * @all: to name pages would be too little
 * @may_be_full: to flush everything is not too much
 * @alone: no other CPU has the mm, so that the kernel's native code flushes: all of
 *         it, if batches have left the generation behind
 * @freed: page tables were freed
 * @must: pages of the window that it is about
 */
struct pv_soft_ask {
	unsigned long	start;
	unsigned long	end;
	unsigned int	shift;
	bool		all;
	bool		may_be_full;
	bool		alone;
	bool		freed;
	u64		must;
};

/**
 * struct pv_soft_who - which CPUs could be targets at some time
 * @mask: those that have the mm
 * @lazy: those that are lazy
 * @interrupts: how many flushes by interrupt the running CPUs have had
 */
struct pv_soft_who {
	struct cpumask	mask;
	struct cpumask	lazy;
	unsigned long	interrupts;
};

struct pv_soft_test {
	struct kunit		*test;
	struct mm_struct	*mm;
	struct mm_struct	*other_mm;
	struct page		*pages[2];
	struct pv_soft_window	user;
	struct pv_soft_window	kernel;
	struct rnd_state	rnd;
	struct arch_tlbflush_unmap_batch batch;

	/* what the CPUs are to do, written before seq */
	const struct pv_soft_window *window;
	enum pv_soft_mode	mode;
	enum pv_soft_do		what;
	unsigned int		now;	/* the page that is mapped */
	int			looks;	/* the only CPU that does, or -1 */
	unsigned int		seq;
	atomic_t		busy;		/* CPUs, with a step */
	atomic_t		missing;	/* CPUs, until a batch can begin */
	unsigned int		batches;
	wait_queue_head_t	wait;
	bool			stop;

	struct pv_soft_ask	ask;
	struct pv_soft_who	before;		/* the flush, and after it */
	struct pv_soft_who	after;
	struct cpumask		running;
	struct pv_soft_cpu	cpus[NR_CPUS];
	struct pv_tlb_soft_heard heard;

	/* results */
	const char		*wrong;		/* first of all, and in what */
	const struct pv_soft_window *wrong_window;
	enum pv_soft_mode	wrong_mode;
	struct pv_soft_ask	wrong_ask;
	unsigned long		flushes;
	unsigned long		lists;
	unsigned long		failed;
	unsigned long		together;
	unsigned long		stale;
	atomic_t		stale_away;
	unsigned long		kept[2][2];	/* by kernel half, and the caller's */
	unsigned long		lost[2][2];
};

static u32 pv_soft_below(struct pv_soft_test *t, u32 end)
{
	return prandom_u32_state(&t->rnd) % end;
}

static void pv_soft_wrong(struct pv_soft_test *t, const char *why)
{
	/* To say so allocates: later. */
	if (t->wrong)
		return;

	t->wrong = why;
	t->wrong_window = t->window;
	t->wrong_mode = t->mode;
	t->wrong_ask = t->ask;
}

static unsigned long pv_soft_addr(const struct pv_soft_window *w,
				  unsigned int slot)
{
	return w->base + slot * PAGE_SIZE;
}

static bool pv_soft_read(const struct pv_soft_window *w, unsigned int slot,
			 u32 *value)
{
	unsigned long addr = pv_soft_addr(w, slot);

	if (!w->kernel)
		return !__get_user(*value, (u32 __user *)addr);

	*value = READ_ONCE(*(u32 *)addr);
	return true;
}

static bool pv_soft_write(const struct pv_soft_window *w, unsigned int slot)
{
	unsigned long addr = pv_soft_addr(w, slot) + sizeof(u32);

	if (!w->kernel)
		return !__put_user(0, (u32 __user *)addr);

	WRITE_ONCE(*(u32 *)addr, 0);
	return true;
}

/* Uses a page; returns whether that shows that its translation is new. */
static bool pv_soft_use(const struct pv_soft_test *t, unsigned int slot)
{
	u32 value;

	if (t->mode == PV_SOFT_CLEAN || t->mode == PV_SOFT_PROTECT)
		return !pv_soft_write(t->window, slot);

	return pv_soft_read(t->window, slot, &value) && value == t->now;
}

static pte_t pv_soft_pte(const struct pv_soft_test *t, unsigned int page)
{
	unsigned long pfn = page_to_pfn(t->pages[page]);

	if (t->window->kernel)
		return pfn_pte(pfn, PAGE_KERNEL);

	/* Special: nobody looks for what else maps the page. */
	return pte_mkspecial(pte_mkdirty(pte_mkyoung(pfn_pte(pfn, PAGE_SHARED))));
}

static void pv_soft_map_some(const struct pv_soft_test *t, pte_t pte,
			     unsigned int slot, unsigned int end)
{
	for (; slot < end; slot++)
		set_pte(t->window->ptes + slot, pte);
}

static void pv_soft_map(struct pv_soft_test *t, pte_t pte)
{
	pv_soft_map_some(t, pte, 0, PV_SOFT_SLOTS);
}

/*
 * A CPU's share of the pages, in pieces: while others do the same with theirs, which
 * has each of them miss generations that it is a target of.
 */
static void pv_soft_flush_share(const struct pv_soft_test *t, int this_cpu)
{
	unsigned int nr = cpumask_weight(&t->running) + 1;
	unsigned int slot, end, piece, share = PV_SOFT_SLOTS / nr;
	int cpu, rank = 0;

	/* The CPU that has begun this is not among those that run. */
	if (cpumask_test_cpu(this_cpu, &t->running)) {
		for_each_cpu(cpu, &t->running)
			rank += cpu <= this_cpu;
	}
	slot = rank * share;
	end = rank == nr - 1 ? PV_SOFT_SLOTS : slot + share;

	while (slot < end) {
		unsigned int last;

		piece = 1 + (t->seq + slot + this_cpu) % 5;
		last = min(slot + piece, end);
		pv_soft_map_some(t, pv_soft_pte(t, t->now), slot, last);
		flush_tlb_mm_range(t->mm, pv_soft_addr(t->window, slot),
				   pv_soft_addr(t->window, last), PAGE_SHIFT,
				   false);
		slot = last;
	}
}

/*
 * One CPU's part of a step. Page faults are not handled, a failed write is a result.
 * A and D bits are set in the page table, so only one CPU may look there.
 */
static void pv_soft_step(struct pv_soft_cpu *c)
{
	const struct pv_soft_test *t = c->t;
	int this_cpu = smp_processor_id();
	unsigned int slot;

	if (t->what == PV_SOFT_FLUSH) {
		pv_soft_flush_share(t, this_cpu);
		return;
	}
	if (t->what == PV_SOFT_FILL)
		__flush_tlb_all();
	else if (t->looks >= 0 && t->looks != this_cpu)
		return;

	c->fresh = 0;
	pagefault_disable();
	for (slot = 0; slot < PV_SOFT_SLOTS; slot++)
		if (pv_soft_use(t, slot))
			c->fresh |= BIT_ULL(slot);
	pagefault_enable();
}

/* Steps until the batch ends. */
static void pv_soft_run(struct pv_soft_cpu *c, unsigned int seq)
{
	struct pv_soft_test *t = c->t;
	enum pv_soft_do what;

	do {
		/* What to do, after that; pairs with pv_soft_all(). */
		while (smp_load_acquire(&t->seq) == seq)
			cpu_relax();
		seq++;
		/* It is the next thing as soon as nobody is busy. */
		what = t->what;
		if (what != PV_SOFT_LEAVE)
			pv_soft_step(c);
		/* The results, before that; pairs with pv_soft_all(). */
		smp_mb__before_atomic();
		atomic_dec(&t->busy);
	} while (what != PV_SOFT_LEAVE);
}

/* Of those that were away, and of those that were not: all is flushed by now. */
static void pv_soft_come_back(struct pv_soft_cpu *c)
{
	struct pv_soft_test *t = c->t;
	unsigned int slot;
	u32 value;

	pagefault_disable();
	for (slot = 0; slot < PV_SOFT_SLOTS; slot++)
		if (!pv_soft_read(&t->user, slot, &value) || value != t->now)
			atomic_inc(&t->stale_away);
	pagefault_enable();
}

/*
 * Until all are there each can still be wanted for something else, by stop_machine()
 * above all, which has another CPU wait for this one then. Preemption is disabled.
 */
static void pv_soft_stand_by(struct pv_soft_cpu *c)
{
	struct pv_soft_test *t = c->t;

	while (atomic_read(&t->missing) != PV_SOFT_ALL_THERE) {
		cpu_relax();
		if (!need_resched() || !atomic_inc_unless_negative(&t->missing))
			continue;
		preempt_enable();
		cond_resched();
		preempt_disable();
		atomic_dec(&t->missing);
	}
}

static bool pv_soft_is_called(const struct pv_soft_cpu *c)
{
	return READ_ONCE(c->t->batches) != c->batch || READ_ONCE(c->t->stop);
}

static int pv_soft_thread(void *data)
{
	struct pv_soft_cpu *c = data;
	struct pv_soft_test *t = c->t;
	unsigned int seq;

	kthread_use_mm(t->mm);
	for (;;) {
		wait_event(t->wait, pv_soft_is_called(c));
		if (READ_ONCE(t->stop))
			break;
		c->batch++;

		preempt_disable();
		pv_soft_come_back(c);
		/* It stays the same until nobody is missing. */
		seq = READ_ONCE(t->seq);
		/* The look at it, before that; pairs with pv_soft_gather(). */
		smp_mb__before_atomic();
		atomic_dec(&t->missing);
		if (!c->away) {
			pv_soft_stand_by(c);
			pv_soft_run(c, seq);
		}
		preempt_enable();
	}
	kthread_unuse_mm(t->mm);

	/* Until it is stopped, so that its task does not go away before. */
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);

	return 0;
}

/* Have all running CPUs, and this one, take a step. Preemption is disabled. */
static void pv_soft_all(struct pv_soft_test *t, enum pv_soft_do what)
{
	t->what = what;
	atomic_set(&t->busy, cpumask_weight(&t->running));
	/* What to do, before that; pairs with pv_soft_run(). */
	smp_store_release(&t->seq, t->seq + 1);

	if (what != PV_SOFT_LEAVE)
		pv_soft_step(&t->cpus[smp_processor_id()]);
	while (atomic_read(&t->busy))
		cpu_relax();
	/* The results, after that; pairs with pv_soft_run(). */
	smp_mb();
}

static void pv_soft_change(struct pv_soft_test *t)
{
	pte_t pte = pv_soft_pte(t, t->now);

	switch (t->mode) {
	case PV_SOFT_PROTECT:
		pte = pte_wrprotect(pte);
		break;
	case PV_SOFT_CLEAN:
		pte = pte_mkclean(pte);
		break;
	case PV_SOFT_OLD:
		pte = pte_mkold(pte);
		break;
	default:
		t->now = !t->now;
		pte = pv_soft_pte(t, t->now);
	}
	pv_soft_map(t, pte);
}

/* Which entries has the only CPU that looked set a bit in? */
static u64 pv_soft_bits(const struct pv_soft_test *t)
{
	unsigned int slot;
	u64 bits = 0;

	for (slot = 0; slot < PV_SOFT_SLOTS; slot++) {
		pte_t pte = READ_ONCE(t->window->ptes[slot]);

		if (t->mode == PV_SOFT_CLEAN ? pte_dirty(pte) : pte_young(pte))
			bits |= BIT_ULL(slot);
	}

	return bits;
}

/* Slots that [start, end) touches. */
static u64 pv_soft_slots(const struct pv_soft_window *w, unsigned long start,
			 unsigned long end)
{
	unsigned int slot;
	u64 slots = 0;

	for (slot = 0; slot < PV_SOFT_SLOTS; slot++) {
		unsigned long addr = pv_soft_addr(w, slot);

		if (start < addr + PAGE_SIZE && end > addr)
			slots |= BIT_ULL(slot);
	}

	return slots;
}

/* Is a list of so many 4K pages more than this backend sends, or this caller asks? */
static bool pv_soft_is_long(unsigned long nr_pages)
{
	unsigned long entry = 1UL << pv_tlb_backend->entry_shift;

	return DIV_ROUND_UP(nr_pages, entry) > pv_tlb_backend->dfl_entries;
}

/* A range that begins somewhat before the window, or in it. */
static void pv_soft_range(struct pv_soft_test *t)
{
	struct pv_soft_ask *ask = &t->ask;
	unsigned long nr = 1 + pv_soft_below(t, 40);
	unsigned long pages;

	if (!pv_soft_below(t, 8))
		nr = 1 + pv_soft_below(t, 20000);

	ask->shift = PAGE_SHIFT;
	ask->start = t->window->base - 8 * PAGE_SIZE +
		     pv_soft_below(t, PV_SOFT_SLOTS + 8) * PAGE_SIZE;
	ask->end = ask->start + nr * PAGE_SIZE;
	/* INVLPG by INVLPG, one of both ends has to be that of a page. */
	switch (pv_soft_below(t, 8)) {
	case 0:
		ask->start += pv_soft_below(t, PAGE_SIZE);
		break;
	case 1:
		ask->end -= pv_soft_below(t, PAGE_SIZE);
		break;
	}
	pages = (PAGE_ALIGN(ask->end) - (ask->start & PAGE_MASK)) >> PAGE_SHIFT;
	ask->must = pv_soft_slots(t->window, ask->start, ask->end);
	ask->all = (ask->end - ask->start) >> PAGE_SHIFT >
		   tlb_single_page_flush_ceiling;
	ask->may_be_full = ask->all || pv_soft_is_long(pages);
}

/*
 * Larger pages, which are not what is mapped: only what the host is told can be
 * judged, and that is everything.
 */
static void pv_soft_huge_range(struct pv_soft_test *t)
{
	struct pv_soft_ask *ask = &t->ask;

	ask->shift = pv_soft_below(t, 4) ? PMD_SHIFT : PUD_SHIFT;
	ask->start = t->window->base + pv_soft_below(t, PV_SOFT_SLOTS) * PAGE_SIZE;
	ask->end = ask->start + ((1UL + pv_soft_below(t, 40)) << ask->shift);
	ask->may_be_full = true;
	ask->must = 0;
}

static void pv_soft_flush_batch(struct pv_soft_test *t)
{
	struct pv_soft_ask *ask = &t->ask;
	unsigned int i, slot, runs = 0, nr = 1 + pv_soft_below(t, 24);
	unsigned int other = pv_soft_below(t, 8 * nr);
	int last = -2;

	slot = pv_soft_below(t, PV_SOFT_SLOTS);
	for (i = 0; i < nr; i++) {
		if (i == other)
			arch_tlbbatch_add_pending(&t->batch, t->other_mm,
						  t->window->base);
		arch_tlbbatch_add_pending(&t->batch, t->mm,
					  pv_soft_addr(t->window, slot));
		ask->must |= BIT_ULL(slot);
		runs += slot != last + 1;
		last = slot;
		slot = (slot + (pv_soft_below(t, 3) ? 1 :
				pv_soft_below(t, PV_SOFT_SLOTS))) %
		       PV_SOFT_SLOTS;
	}
	ask->all = other < nr || runs > PV_TLB_BATCH_RANGES;
	ask->may_be_full = ask->all || pv_soft_is_long(nr);
	arch_tlbbatch_flush(&t->batch);
}

static void pv_soft_flush_user(struct pv_soft_test *t)
{
	struct pv_soft_ask *ask = &t->ask;

	ask->freed = !pv_soft_below(t, 4);
	switch (pv_soft_below(t, 16)) {
	case 0:
		/* As for an exit: with its page tables. */
		ask->freed = true;
		ask->all = true;
		ask->may_be_full = true;
		ask->must = PV_SOFT_ALL;
		flush_tlb_mm(t->mm);
		break;
	case 1 ... 2:
		pv_soft_huge_range(t);
		flush_tlb_mm_range(t->mm, ask->start, ask->end, ask->shift,
				   ask->freed);
		break;
	case 3 ... 5:
		ask->freed = false;
		pv_soft_flush_batch(t);
		break;
	default:
		pv_soft_range(t);
		flush_tlb_mm_range(t->mm, ask->start, ask->end, ask->shift,
				   ask->freed);
	}
}

static void pv_soft_flush_kernel(struct pv_soft_test *t)
{
	struct pv_soft_ask *ask = &t->ask;

	if (!pv_soft_below(t, 8)) {
		ask->all = true;
		ask->may_be_full = true;
		ask->must = PV_SOFT_ALL;
		flush_tlb_all();
		return;
	}

	pv_soft_range(t);
	ask->all = ask->end - ask->start >
		   tlb_single_page_flush_ceiling << PAGE_SHIFT;
	ask->may_be_full |= ask->all;
	flush_tlb_kernel_range(ask->start, ask->end);
}

/* Has the host been told exactly the pages of the range? They come in order. */
static bool pv_soft_same_range(const struct pv_soft_test *t)
{
	const struct pv_soft_ask *ask = &t->ask;
	const struct pv_tlb_soft_heard *heard = &t->heard;
	unsigned long next = ask->start & PAGE_MASK;
	unsigned int i;

	for (i = 0; i < heard->nr_ranges; i++) {
		if (heard->ranges[i].start != next)
			return false;
		next += heard->ranges[i].nr_pages << PAGE_SHIFT;
	}

	return next == PAGE_ALIGN(ask->end);
}

/* And exactly those of the batch? */
static bool pv_soft_same_slots(const struct pv_soft_test *t)
{
	const struct pv_soft_ask *ask = &t->ask;
	const struct pv_tlb_soft_heard *heard = &t->heard;
	u64 slots = 0;
	unsigned int i;

	for (i = 0; i < heard->nr_ranges; i++) {
		const struct pv_tlb_range *range = &heard->ranges[i];
		unsigned long end = range->start +
				    (range->nr_pages << PAGE_SHIFT);

		if (range->start < t->window->base ||
		    end > pv_soft_addr(t->window, PV_SOFT_SLOTS))
			return false;
		slots |= pv_soft_slots(t->window, range->start, end);
	}

	return slots == ask->must;
}

static void pv_soft_look_who(const struct pv_soft_test *t,
			     struct pv_soft_who *who)
{
	int cpu;

	cpumask_copy(&who->mask, mm_cpumask(t->mm));
	cpumask_clear(&who->lazy);
	for_each_online_cpu(cpu)
		if (READ_ONCE(per_cpu(cpu_tlbstate_shared.is_lazy, cpu)))
			cpumask_set_cpu(cpu, &who->lazy);

	who->interrupts = 0;
	for_each_cpu(cpu, &t->running)
		who->interrupts += READ_ONCE(per_cpu(irq_stat.irq_tlb_count,
						     cpu));
}

/*
 * Of the CPUs that are not running. They come and go, and lazy ones with them: only
 * what was so before the flush and after it counts.
 */
static void pv_soft_judge_away(struct pv_soft_test *t, int cpu)
{
	bool named = cpumask_test_cpu(cpu, &t->heard.cpus);
	bool before = cpumask_test_cpu(cpu, &t->before.mask);
	bool after = cpumask_test_cpu(cpu, &t->after.mask);
	bool lazy = cpumask_test_cpu(cpu, &t->before.lazy) &&
		    cpumask_test_cpu(cpu, &t->after.lazy);

	if (named && !before && !after)
		pv_soft_wrong(t, "a CPU that does not have the mm is named");
	if (named && lazy && !t->ask.freed)
		pv_soft_wrong(t, "a lazy CPU is named without need");
	if (!named && before && after && t->ask.freed)
		pv_soft_wrong(t, "a lazy CPU is not told of freed tables");
}

/* Is the number of calls right, and do they name the CPUs that need it? */
static void pv_soft_judge_cpus(struct pv_soft_test *t)
{
	const struct pv_tlb_soft_heard *heard = &t->heard;
	bool caller = pv_tlb_backend->caller == PV_TLB_CALLER_TARGET;
	int cpu, this_cpu = smp_processor_id();

	if (heard->calls > 1)
		pv_soft_wrong(t, "more than one call");
	if (!heard->calls && !cpumask_empty(&t->running))
		pv_soft_wrong(t, "no call, though there are targets");
	if (heard->refused)
		pv_soft_wrong(t, "a call that hosts refuse");
	if (!heard->failed && t->before.interrupts != t->after.interrupts)
		pv_soft_wrong(t, "an interrupt besides the call");
	if (!heard->calls || heard->failed)
		return;

	if (t->window->kernel) {
		if (!heard->all_cpus &&
		    !cpumask_equal(&heard->cpus, cpu_online_mask))
			pv_soft_wrong(t, "not all CPUs, for the kernel's half");
		if (heard->everything && !heard->global && !heard->cut_off)
			pv_soft_wrong(t, "no global translations, for the kernel's half");
		return;
	}

	if (heard->all_cpus)
		pv_soft_wrong(t, "all CPUs, for user space");
	if (!cpumask_subset(&t->running, &heard->cpus))
		pv_soft_wrong(t, "a CPU that needs it is not named");
	if (cpumask_test_cpu(this_cpu, &heard->cpus) != caller)
		pv_soft_wrong(t, "the caller is named, or is not");
	if (heard->everything && heard->global && !caller)
		pv_soft_wrong(t, "global translations as well, for user space");
	for_each_online_cpu(cpu)
		if (cpu != this_cpu && !cpumask_test_cpu(cpu, &t->running))
			pv_soft_judge_away(t, cpu);
}

static void pv_soft_judge_pages(struct pv_soft_test *t)
{
	const struct pv_soft_ask *ask = &t->ask;
	const struct pv_tlb_soft_heard *heard = &t->heard;

	if (!heard->calls || heard->failed || heard->cut_off)
		return;

	if (heard->everything) {
		if (!ask->may_be_full)
			pv_soft_wrong(t, "everything, for a short list");
		return;
	}

	t->lists++;
	if (ask->all || ask->shift > PAGE_SHIFT)
		pv_soft_wrong(t, "a list, for what needs everything");
	else if (heard->too_many ||
		 !(ask->end ? pv_soft_same_range(t) :
			      pv_soft_same_slots(t)))
		pv_soft_wrong(t, "other pages");
}

/* What does one CPU use, a new translation or the old one? */
static void pv_soft_judge_cpu(struct pv_soft_test *t, int cpu)
{
	const struct pv_soft_ask *ask = &t->ask;
	const struct pv_tlb_soft_heard *heard = &t->heard;
	u64 fresh = t->cpus[cpu].fresh;
	bool kernel = t->window->kernel;
	bool caller = cpu == smp_processor_id();

	if (t->mode == PV_SOFT_CLEAN || t->mode == PV_SOFT_OLD)
		fresh = pv_soft_bits(t);

	t->stale += hweight64(ask->must & ~fresh);

	/* The caller's list may be longer than that of others, never shorter. */
	if (ask->may_be_full || ask->alone || heard->failed || heard->cut_off)
		return;
	t->kept[kernel][caller] += hweight64(~(ask->must | fresh));
	t->lost[kernel][caller] += hweight64(fresh & ~ask->must);
}

static void pv_soft_judge(struct pv_soft_test *t)
{
	int cpu;

	t->failed += t->heard.failed;
	pv_soft_judge_cpus(t);
	pv_soft_judge_pages(t);

	if (t->looks >= 0) {
		pv_soft_judge_cpu(t, t->looks);
		return;
	}
	for_each_cpu(cpu, &t->running)
		pv_soft_judge_cpu(t, cpu);
	pv_soft_judge_cpu(t, smp_processor_id());
}

/* A CPU of those that run, or this one. */
static int pv_soft_any_cpu(struct pv_soft_test *t)
{
	unsigned int n = pv_soft_below(t, cpumask_weight(&t->running) + 1);
	int cpu;

	for_each_cpu(cpu, &t->running)
		if (!n--)
			return cpu;

	return smp_processor_id();
}

static void pv_soft_round(struct pv_soft_test *t)
{
	bool kernel = !pv_soft_below(t, 6);

	t->window = kernel ? &t->kernel : &t->user;
	t->mode = pv_soft_below(t, PV_SOFT_NR_MODES);
	if (kernel && t->mode == PV_SOFT_PROTECT)
		t->mode = PV_SOFT_REMAP;
	t->looks = -1;
	pv_soft_map(t, pv_soft_pte(t, t->now));
	pv_soft_all(t, PV_SOFT_FILL);

	if (t->mode == PV_SOFT_CLEAN || t->mode == PV_SOFT_OLD)
		t->looks = pv_soft_any_cpu(t);
	pv_soft_change(t);

	t->heard.calls = 0;
	t->heard.failed = false;
	t->heard.everything = false;
	t->heard.cut_off = false;
	t->heard.all_cpus = false;
	t->heard.too_many = false;
	t->heard.refused = false;
	t->heard.global = false;
	t->heard.nr_ranges = 0;
	cpumask_clear(&t->heard.cpus);
	t->ask = (struct pv_soft_ask) {
		.alone = cpumask_any_but(mm_cpumask(t->mm),
					 smp_processor_id()) >= nr_cpu_ids,
	};
	pv_soft_look_who(t, &t->before);
	WRITE_ONCE(pv_tlb_soft_listener, &t->heard);
	if (kernel)
		pv_soft_flush_kernel(t);
	else
		pv_soft_flush_user(t);
	WRITE_ONCE(pv_tlb_soft_listener, NULL);
	pv_soft_look_who(t, &t->after);
	t->flushes++;

	pv_soft_all(t, PV_SOFT_LOOK);
	pv_soft_judge(t);
}

/*
 * All CPUs flush at the same time. What is called for then is not judged, nor whether
 * it is too much: only that no CPU uses an old translation afterwards.
 */
static void pv_soft_round_together(struct pv_soft_test *t)
{
	int cpu, this_cpu = smp_processor_id();

	t->window = &t->user;
	t->mode = PV_SOFT_REMAP;
	t->looks = -1;
	pv_soft_map(t, pv_soft_pte(t, t->now));
	pv_soft_all(t, PV_SOFT_FILL);

	t->now = !t->now;
	pv_soft_all(t, PV_SOFT_FLUSH);
	t->together++;

	pv_soft_all(t, PV_SOFT_LOOK);
	t->stale += hweight64(~t->cpus[this_cpu].fresh);
	for_each_cpu(cpu, &t->running)
		t->stale += hweight64(~t->cpus[cpu].fresh);
}

/*
 * Starts a batch: some CPUs run the mm, others are idle with it. Returns with
 * preemption disabled, as it is on those that run.
 */
static void pv_soft_gather(struct pv_soft_test *t)
{
	unsigned int nr = 0;
	int cpu;

	cpumask_clear(&t->running);
	for_each_online_cpu(cpu) {
		struct pv_soft_cpu *c = &t->cpus[cpu];

		if (!c->task)
			continue;
		nr++;
		c->away = !pv_soft_below(t, 4);
		if (!c->away)
			cpumask_set_cpu(cpu, &t->running);
	}
	atomic_set(&t->missing, nr);
	/* What is to be done, before that; the wait queue has the barrier. */
	WRITE_ONCE(t->batches, t->batches + 1);
	wake_up_all(&t->wait);
	preempt_disable();
	/* What they are to do, after that; pairs with pv_soft_thread(). */
	while (atomic_cmpxchg(&t->missing, 0, PV_SOFT_ALL_THERE)) {
		preempt_enable();
		cpu_relax();
		cond_resched();
		preempt_disable();
	}
}

/* Ends it with all flushed, so that who was away can tell. */
static void pv_soft_scatter(struct pv_soft_test *t)
{
	t->window = &t->user;
	t->now = !t->now;
	pv_soft_map(t, pv_soft_pte(t, t->now));
	flush_tlb_mm_range(t->mm, t->user.base,
			   pv_soft_addr(&t->user, PV_SOFT_SLOTS), PAGE_SHIFT,
			   false);
	pv_soft_all(t, PV_SOFT_LEAVE);
}

static int pv_soft_take_pte(pte_t *pte, unsigned long addr, void *data)
{
	struct pv_soft_window *w = data;

	if (!w->ptes)
		w->ptes = pte;

	return 0;
}

/* Slots in one page table, with room around them that nobody else uses. */
static unsigned long pv_soft_base(unsigned long addr)
{
	return ALIGN(addr, PMD_SIZE) + PMD_SIZE / 2;
}

static void pv_soft_make_windows(struct pv_soft_test *t, struct vm_struct *area)
{
	unsigned long addr, size = PV_SOFT_SLOTS * PAGE_SIZE;

	addr = kunit_vm_mmap(t->test, NULL, 0, 2 * PMD_SIZE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_TRUE(t->test, addr && !IS_ERR_VALUE(addr));
	t->mm = current->mm;
	t->user.base = pv_soft_base(addr);
	KUNIT_ASSERT_EQ(t->test, 0, apply_to_page_range(t->mm, t->user.base, size,
							pv_soft_take_pte,
							&t->user));

	t->kernel.kernel = true;
	t->kernel.base = pv_soft_base((unsigned long)area->addr);
	KUNIT_ASSERT_EQ(t->test, 0, apply_to_page_range(&init_mm, t->kernel.base,
							size, pv_soft_take_pte,
							&t->kernel));
}

static void pv_soft_make_pages(struct pv_soft_test *t)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t->pages); i++) {
		t->pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		KUNIT_ASSERT_NOT_NULL(t->test, t->pages[i]);
		*(u32 *)page_address(t->pages[i]) = i;
	}
}

static unsigned int pv_soft_start_threads(struct pv_soft_test *t, int this_cpu)
{
	struct pv_soft_cpu *c;
	unsigned int nr = 0;
	int cpu;

	for_each_online_cpu(cpu) {
		c = &t->cpus[cpu];
		c->t = t;
		if (cpu == this_cpu)
			continue;
		c->task = kthread_create_on_cpu(pv_soft_thread, c, cpu,
						"pv_soft/%u");
		if (IS_ERR(c->task)) {
			c->task = NULL;
			continue;
		}
		get_task_struct(c->task);
		wake_up_process(c->task);
		nr++;
	}

	return nr;
}

static void pv_soft_stop_threads(struct pv_soft_test *t)
{
	int cpu;

	WRITE_ONCE(t->stop, true);
	wake_up_all(&t->wait);
	for_each_possible_cpu(cpu) {
		if (!t->cpus[cpu].task)
			continue;
		kthread_stop(t->cpus[cpu].task);
		put_task_struct(t->cpus[cpu].task);
	}
}

static void pv_soft_rounds(struct pv_soft_test *t)
{
	unsigned int i;

	t->window = &t->user;
	pv_soft_map(t, pv_soft_pte(t, t->now));

	while (t->flushes < pv_soft_flushes && !t->wrong) {
		pv_soft_gather(t);
		for (i = 0; i < PV_SOFT_ROUNDS; i++) {
			pv_soft_round(t);
			if (!pv_soft_below(t, 8))
				pv_soft_round_together(t);
		}
		pv_soft_scatter(t);
		preempt_enable();
		cond_resched();
	}
}

/* What the windows map is not the kernel's to free. */
static void pv_soft_unmap(struct pv_soft_test *t)
{
	t->window = &t->kernel;
	pv_soft_map(t, __pte(0));
	t->window = &t->user;
	pv_soft_map(t, __pte(0));
	flush_tlb_all();
	flush_tlb_mm(t->mm);
}

/*
 * A translation can go by itself, where a CPU's own needs displace it: but in one
 * case of 50 at most. In QEMU's emulation one INVLPG drops also all that the kernel
 * has, if large pages are among it: some are, even without PSE.
 */
static void pv_soft_report(struct pv_soft_test *t)
{
	bool large = boot_cpu_has(X86_FEATURE_PSE);
	unsigned int kernel, caller;

	kunit_info(t->test,
		   "%lu flushes, %lu lists, %lu made to fail, %lu times all CPUs at once; stale %lu, %d on return\n",
		   t->flushes, t->lists, t->failed, t->together, t->stale,
		   atomic_read(&t->stale_away));
	if (t->wrong)
		kunit_err(t->test, "%s, mode %d, [%lx, %lx) by %u, window %lx: %s\n",
			  t->wrong_window->kernel ? "kernel" : "user",
			  t->wrong_mode, t->wrong_ask.start, t->wrong_ask.end,
			  t->wrong_ask.shift, t->wrong_window->base, t->wrong);
	KUNIT_EXPECT_STREQ(t->test, t->wrong ?: "", "");
	KUNIT_EXPECT_GT(t->test, t->lists, 0);
	KUNIT_EXPECT_GT(t->test, t->together, 0);
	KUNIT_EXPECT_EQ(t->test, t->stale, 0);
	KUNIT_EXPECT_EQ(t->test, atomic_read(&t->stale_away), 0);

	for (kernel = 0; kernel < 2; kernel++) {
		for (caller = 0; caller < 2; caller++) {
			unsigned long kept = t->kept[kernel][caller];
			unsigned long lost = t->lost[kernel][caller];

			kunit_info(t->test,
				   "%s, %s: %lu neighbours kept, %lu lost%s\n",
				   kernel ? "kernel's half" : "user space",
				   caller ? "caller" : "others", kept, lost,
				   kernel && large ? " (not judged: large pages)" : "");
			if (!kernel && t->flushes >= PV_SOFT_ENOUGH)
				KUNIT_EXPECT_GT(t->test, kept, 0);
			if (!kernel)
				KUNIT_EXPECT_LE(t->test, lost * 50, kept);
			else if (!large)
				KUNIT_EXPECT_LE(t->test, lost, kept);
		}
	}
}

static void pv_tlb_soft_test(struct kunit *test)
{
	unsigned int seed = *(const unsigned int *)test->param_value;
	struct pv_soft_test *t;
	struct vm_struct *area;
	unsigned int nr;

	if (pv_tlb_soft_kind == PV_TLB_SOFT_NONE)
		kunit_skip(test, "no pv_tlb_soft_host= on the command line");
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs another CPU");

	t = vzalloc(sizeof(*t));
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->test = test;
	t->heard.who = current;
	init_waitqueue_head(&t->wait);
	prandom_seed_state(&t->rnd, seed);
	area = get_vm_area(3 * PMD_SIZE, VM_IOREMAP);
	KUNIT_ASSERT_NOT_NULL(test, area);
	pv_soft_make_pages(t);
	pv_soft_make_windows(t, area);
	t->other_mm = mm_alloc();
	KUNIT_ASSERT_NOT_NULL(test, t->other_mm);

	cpu_hotplug_disable();
	migrate_disable();
	nr = pv_soft_start_threads(t, raw_smp_processor_id());
	pv_soft_rounds(t);
	pv_soft_stop_threads(t);
	migrate_enable();
	KUNIT_EXPECT_EQ(test, nr, num_online_cpus() - 1);
	cpu_hotplug_enable();
	/* Another task may be looking at who listens. */
	synchronize_rcu();

	pv_soft_unmap(t);
	pv_soft_report(t);
	mmput(t->other_mm);
	free_vm_area(area);
	__free_page(t->pages[0]);
	__free_page(t->pages[1]);
	vfree(t);
}

static const void *pv_tlb_soft_gen_params(const void *prev, char *desc)
{
	static unsigned int seed;

	seed = prev ? *(const unsigned int *)prev + 1 : pv_soft_seed;
	if (seed - pv_soft_seed >= pv_soft_seeds)
		return NULL;
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "seed %u", seed);

	return &seed;
}

static struct kunit_case pv_tlb_soft_cases[] = {
	KUNIT_CASE_PARAM_ATTR(pv_tlb_soft_test, pv_tlb_soft_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	{}
};

static struct kunit_suite pv_tlb_soft_suite = {
	.name		= "pv_tlb_soft_host",
	.test_cases	= pv_tlb_soft_cases,
};

kunit_test_suite(pv_tlb_soft_suite);
