// SPDX-License-Identifier: GPL-2.0
/*
 * Remote TLB flush by hypercall: the part that all hypervisors share.
 *
 * An IPI reaches a virtual CPU only when the host runs it, so a flush by IPI
 * waits for every target that the host has descheduled. A hypercall does not:
 * the host invalidates what is needed before a target runs guest code again.
 *
 * The core decides who has to be flushed and what; a backend puts that into
 * the words of one hypervisor and makes the call. Whatever goes wrong there
 * ends in the native flush, at one place, pv_tlb_fall_back().
 *
 * What a hypercall does not do is interrupt anybody: a target that walks page
 * tables with interrupts disabled is flushed and walks on. So page tables must
 * be freed by RCU wherever a backend is registered; see pv_tlb_register().
 *
 * Documentation/arch/x86/pv_tlb.rst has the rules and where they come from.
 */
#define pr_fmt(fmt) "pv_tlb: " fmt

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/irqflags.h>
#include <linux/jump_label.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/panic.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/smp.h>
#include <linux/static_call.h>
#include <linux/string.h>
#include <linux/topology.h>
#include <linux/vmstat.h>

#include <trace/events/tlb.h>

#include <asm/cpufeature.h>
#include <asm/paravirt.h>
#include <asm/processor.h>
#include <asm/pv_tlb.h>
#include <asm/tlb.h>
#include <asm/tlbflush.h>

#include "mm_internal.h"
#include "pv_tlb_internal.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "pvtlb."

/*
 * What a flush needs, allocated before the CPU comes online and kept when it
 * goes, so that the flush path allocates nothing. The owner uses it with
 * preemption disabled. Interrupts may be on: a flush is never started by an
 * interrupt handler, a rule that flush_tlb_info in tlb.c depends on as well
 * and that CONFIG_DEBUG_VM checks there. An NMI, which might come in between,
 * does not use it; see pv_tlb_cannot().
 */
struct pv_tlb_cpu {
	cpumask_var_t	targets;
	void		*page;
};

static DEFINE_PER_CPU(struct pv_tlb_cpu, pv_tlb_cpu);

const struct pv_tlb_backend *pv_tlb_backend __ro_after_init;

/* pv_tlb_backend->flush, without the indirect call. */
DEFINE_STATIC_CALL_NULL(pv_tlb_backend_flush,
			int (const struct pv_tlb_request *));

DEFINE_STATIC_KEY_FALSE_RO(pv_tlb_registered);
DEFINE_STATIC_KEY_FALSE_RO(pv_tlb_for_caller);
DEFINE_STATIC_KEY_TRUE(pv_tlb_enabled);
DEFINE_STATIC_KEY_FALSE(pv_tlb_counting);
DEFINE_PER_CPU(struct pv_tlb_counters, pv_tlb_counters);

#define pv_tlb_count(counter, n) do {					\
	if (static_branch_unlikely(&pv_tlb_counting))			\
		this_cpu_add(pv_tlb_counters.counter, n);		\
} while (0)

/*
 * What is sent as a list: up to @max_entries entries, each of up to two to the
 * power of @entry_shift 4K pages in a row.
 * With @huge_entries each 2 MiB page is an entry too.
 * Fewer than @min_targets targets are flushed by IPI.
 */
struct pv_tlb_limits {
	unsigned int	max_entries;
	unsigned int	entry_shift;
	bool		huge_entries;
	unsigned int	min_targets;
};

static struct pv_tlb_limits pv_tlb_limits __read_mostly;

/* The same for a caller that is the only target. */
static struct pv_tlb_limits pv_tlb_caller_limits __read_mostly;

static int pv_tlb_set_max_entries(const char *val,
				  const struct kernel_param *kp)
{
	unsigned int max = pv_tlb_backend ? pv_tlb_backend->max_entries :
					    UINT_MAX;

	return param_set_uint_minmax(val, kp, 0, max);
}

static const struct kernel_param_ops pv_tlb_max_entries_ops = {
	.set = pv_tlb_set_max_entries,
	.get = param_get_uint,
};
module_param_cb(max_entries, &pv_tlb_max_entries_ops,
		&pv_tlb_limits.max_entries, 0644);
module_param_cb(caller_entries, &pv_tlb_max_entries_ops,
		&pv_tlb_caller_limits.max_entries, 0644);
module_param_named(huge_entries, pv_tlb_limits.huge_entries, bool, 0644);
module_param_named(min_targets, pv_tlb_limits.min_targets, uint, 0644);

static void pv_tlb_note_failure(int err)
{
	pv_tlb_count_fallback(err);
	/* An NMI or a panic is no reason to complain. */
	if (err != -EPERM)
		pr_warn_once("%s: flush by hypercall not possible (%d), using IPIs\n",
			     pv_tlb_backend->name, err);
}

static void pv_tlb_fall_back(const struct cpumask *cpus,
			     const struct flush_tlb_info *info, int err)
{
	pv_tlb_note_failure(err);

	/* A caller that was to be the only target is its own business. */
	if (!cpumask_empty(cpus))
		native_flush_tlb_multi(cpus, info);
}

/*
 * May this CPU's mask and page be used, and is a hypercall in order? Returns 0
 * or the errno of what is in the way. An NMI may have come while they are in
 * use. After a panic the host may be about to lose the guest's memory, or the
 * guest the hypercall page, and nobody is left to be fast for.
 */
static __always_inline int pv_tlb_cannot(const struct pv_tlb_cpu *this)
{
	if (unlikely(in_nmi() ||
		     atomic_read(&panic_cpu) != PANIC_CPU_INVALID))
		return -EPERM;

	if (unlikely(!this->page || pv_tlb_fault(PV_TLB_FAULT_PAGE)))
		return -ENOMEM;

	return 0;
}

/*
 * Does a CPU in this state have to be told of changed leaf entries of @mm, or
 * of any mm if that is NULL? See pv_tlb_is_target().
 */
static __always_inline bool
pv_tlb_state_is_target(const struct mm_struct *loaded_mm, bool is_lazy,
		       const struct mm_struct *mm)
{
	if (is_lazy) {
		pv_tlb_count(lazy, 1);
		return false;
	}

	if (!mm || loaded_mm == mm || loaded_mm == LOADED_MM_SWITCHING)
		return true;

	pv_tlb_count(not_loaded, 1);
	return false;
}

/*
 * Must @cpu be told? If tables were freed or unshared, always: even a lazy CPU
 * may walk them speculatively. Otherwise only if it can use the mm's user
 * translations before its next look at the mm's generation: when it is not
 * lazy, and has the mm loaded or is about to. Any mm, if @mm is NULL.
 *
 * The generation was incremented before this, by flush_tlb_mm_range() or page
 * by page as a batch was filled, which is a full barrier, and after the page table
 * was changed, not only queued for being changed. It pairs with the one
 * in switch_mm_irqs_off(), between setting the CPU's bit in the mask or clearing
 * is_lazy and reading the generation: a CPU that is skipped here, and then loads
 * the mm or is no longer lazy, sees the new generation and flushes by itself.
 */
static bool pv_tlb_is_target(int cpu, const struct mm_struct *mm,
			     bool freed_tables)
{
	const struct mm_struct *loaded_mm;
	bool is_lazy;

	if (freed_tables)
		return true;

	loaded_mm = READ_ONCE(per_cpu(cpu_tlbstate.loaded_mm, cpu));

	/*
	 * Read in the order opposite to that of switch_mm_irqs_off(), which
	 * writes is_lazy first: what is seen of is_lazy belongs to loaded_mm or
	 * to what came after it, as in the native flush, and the answer does not
	 * hang on which barriers the switch has in between.
	 */
	smp_rmb();
	is_lazy = READ_ONCE(per_cpu(cpu_tlbstate_shared.is_lazy, cpu));

	return pv_tlb_state_is_target(loaded_mm, is_lazy, mm);
}

/*
 * Put the remote CPUs to flush into @targets; *@self says whether the caller
 * is one more. @cpus changes all the time, so it is looked at only here, each
 * word of it once, and all that follows goes by @targets. Returns whether
 * @targets has any CPU.
 */
static bool pv_tlb_select(struct cpumask *targets, bool *self,
			  const struct cpumask *cpus,
			  const struct mm_struct *mm, bool freed_tables)
{
	int this_cpu = smp_processor_id();
	unsigned long any = 0;
	unsigned int i;

	*self = false;
	/* By words: for_each_cpu() calls a function for each CPU. */
	for (i = 0; i < BITS_TO_LONGS(nr_cpu_ids); i++) {
		unsigned long word, bits;

		/* A batch collects its mask over time: CPUs may have gone. */
		word = READ_ONCE(cpumask_bits(cpus)[i]) &
		       cpumask_bits(cpu_online_mask)[i];

		for (bits = word; bits; bits &= bits - 1) {
			int cpu = i * BITS_PER_LONG + __ffs(bits);

			if (pv_tlb_is_target(cpu, mm, freed_tables)) {
				if (cpu != this_cpu)
					continue;
				*self = true;
			}
			word &= ~BIT(cpu % BITS_PER_LONG);
		}
		cpumask_bits(targets)[i] = word;
		any |= word;
	}

	return any;
}

/*
 * Would @nr_pages of @stride_shift at most need @room entries? Returns how many
 * entries are left of @room then, or a negative number.
 */
static long pv_tlb_take_entries(const struct pv_tlb_limits *limits, long room,
				unsigned long nr_pages,
				unsigned int stride_shift)
{
	unsigned int shift = 0;

	if (stride_shift == PAGE_SHIFT)
		shift = limits->entry_shift;
	if (unlikely((nr_pages - 1) >> shift >= room))
		return -1;

	return room - 1 - ((nr_pages - 1) >> shift);
}

/*
 * Range or everything? Returns whether @range is to be sent.
 *
 * A larger stride than 4K is everything, unless the user has decided that one
 * entry names a huge page: to name it 4K by 4K costs the host more than a full
 * flush, and that one entry is enough is not known of every host. So is what
 * does not lie in user space or is empty once its end was rounded up: it wrapped,
 * or the caller did not know either. An address that is not canonical would be
 * ignored by the host, or worse, be a reason to complain.
 *
 * The start is aligned to the stride although nothing here hangs on it: what a
 * host executes is no INVLPG, and need not drop the entry of another part of
 * the page.
 */
static __always_inline bool
pv_tlb_get_range(struct pv_tlb_range *range, const struct pv_tlb_limits *limits,
		 const struct flush_tlb_info *info)
{
	unsigned long mask = (1UL << info->stride_shift) - 1;
	unsigned long start = info->start & ~mask;
	unsigned long end = (info->end + mask) & ~mask;

	if (info->stride_shift != PAGE_SHIFT &&
	    !(limits->huge_entries && info->stride_shift == PMD_SHIFT))
		return false;

	if (end <= start || end > TASK_SIZE_MAX)
		return false;

	range->start = start;
	range->nr_pages = (end - start) >> info->stride_shift;

	return pv_tlb_take_entries(limits, limits->max_entries, range->nr_pages,
				   info->stride_shift) >= 0;
}

/*
 * What flush_tlb_one_user() does, page by page, without its calls where it is
 * one instruction. It is not in a Xen PV guest, which comes here only where its
 * backend could not be used.
 */
static void pv_tlb_invlpg(unsigned long start, unsigned long end,
			  unsigned int stride_shift)
{
	unsigned long addr, stride = 1UL << stride_shift;

	if (cpu_feature_enabled(X86_FEATURE_PTI) ||
	    cpu_feature_enabled(X86_FEATURE_XENPV)) {
		for (addr = start; addr < end; addr += stride)
			flush_tlb_one_user(addr);
	} else {
		for (addr = start; addr < end; addr += stride)
			invlpg(addr);
	}
}

/*
 * Flush the caller's range, if it is one and is not flushed yet. Interrupts are
 * off. Returns false if it is a case for flush_tlb_func().
 *
 * flush_tlb_func() would flush everything when flushes of other CPUs came in
 * between. But these named this CPU if it had to be named, and a hypercall leaves
 * the generation behind: the range is all that is missing. Then the generation
 * stays behind. That is safe, and costs a flush when the mm is next switched to.
 * It advances only over the one flush that this is, and so only if nothing else
 * is missing. INVLPG is serializing: no access after it uses an old translation.
 */
static bool pv_tlb_flush_self_range(const struct flush_tlb_info *info)
{
	u16 asid = this_cpu_read(cpu_tlbstate.loaded_mm_asid);
	u64 gen = this_cpu_read(cpu_tlbstate.ctxs[asid].tlb_gen);
	unsigned long nr;

	if (info->end == TLB_FLUSH_ALL || info->new_tlb_gen <= gen ||
	    this_cpu_read(cpu_tlbstate_shared.is_lazy))
		return false;

	pv_tlb_invlpg(info->start, info->end, info->stride_shift);
	if (info->new_tlb_gen == gen + 1)
		this_cpu_write(cpu_tlbstate.ctxs[asid].tlb_gen, gen + 1);

	nr = (info->end - info->start) >> info->stride_shift;
	count_vm_tlb_events(NR_TLB_LOCAL_FLUSH_ONE, nr);
	trace_tlb_flush(TLB_LOCAL_MM_SHOOTDOWN, nr);
	return true;
}

/*
 * The caller's own TLB, by instruction. If another mm is loaded, as it can be
 * when tables were freed, nothing: flush_tlb_func() looks at that only on other
 * CPUs than the caller, and would advance the generation of the wrong mm.
 */
static void pv_tlb_flush_self(const struct flush_tlb_info *info)
{
	unsigned long flags;

	if (info->mm != this_cpu_read(cpu_tlbstate.loaded_mm))
		return;

	/* Never enables what the caller has disabled. */
	local_irq_save(flags);
	if (!pv_tlb_flush_self_range(info))
		flush_tlb_func((void *)info);
	local_irq_restore(flags);
}

/*
 * The hypercall has flushed the caller as well, everything or the range of
 * @info: note how far, by the rule of pv_tlb_flush_self_range(). With interrupts
 * off, so that a flush by IPI does not get in between and lose its generation.
 */
static void pv_tlb_acknowledge(const struct flush_tlb_info *info, bool full)
{
	unsigned long flags;
	u16 asid;
	u64 gen;

	if (info->mm != this_cpu_read(cpu_tlbstate.loaded_mm))
		return;

	local_irq_save(flags);
	asid = this_cpu_read(cpu_tlbstate.loaded_mm_asid);
	gen = this_cpu_read(cpu_tlbstate.ctxs[asid].tlb_gen);
	if (info->new_tlb_gen == gen + 1 ||
	    (full && info->new_tlb_gen > gen))
		this_cpu_write(cpu_tlbstate.ctxs[asid].tlb_gen,
			       info->new_tlb_gen);
	local_irq_restore(flags);
}

/*
 * Does a hypercall flush the caller, which has to be flushed, or is it to be done
 * by instruction? @remote: there are other CPUs to flush; @few: by IPI, so that
 * there is no hypercall for them; @alone: the hypercall would be the better way for
 * the caller alone.
 */
static __always_inline bool pv_tlb_call_has_caller(enum pv_tlb_caller caller,
						   bool remote, bool few,
						   bool alone)
{
	if (likely(caller == PV_TLB_CALLER_NATIVE) || few)
		return false;

	return remote || (caller == PV_TLB_CALLER_TARGET && alone);
}

/* Are these so few that to interrupt them is cheaper? */
static __always_inline bool pv_tlb_are_few(const struct cpumask *targets)
{
	unsigned int min_targets = READ_ONCE(pv_tlb_limits.min_targets);

	return unlikely(min_targets > 1) &&
	       cpumask_weight(targets) < min_targets;
}

/* @nr: what the backend returned. */
static __always_inline void pv_tlb_count_call(const struct cpumask *targets,
					      int nr)
{
	pv_tlb_count(hypercalls, 1);
	pv_tlb_count(entries, nr);
	pv_tlb_count(full, nr ? 0 : 1);
	pv_tlb_count(targets, cpumask_weight(targets));
}

/*
 * Flush the targets, and the caller if it is @with_caller. Returns the number of
 * entries sent, 0 if everything was flushed, or a negative errno: then IPIs have
 * flushed the remote targets, but nobody the caller.
 */
static __always_inline int pv_tlb_flush_targets(struct pv_tlb_cpu *this,
						struct pv_tlb_request *req,
						bool with_caller)
{
	int ret;

	if (with_caller && pv_tlb_backend->caller == PV_TLB_CALLER_TARGET)
		__cpumask_set_cpu(smp_processor_id(), this->targets);

	ret = static_call(pv_tlb_backend_flush)(req);

	if (unlikely(ret < 0)) {
		__cpumask_clear_cpu(smp_processor_id(), this->targets);
		pv_tlb_fall_back(req->targets, req->info, ret);
		return ret;
	}

	pv_tlb_count_call(req->targets, ret);

	return ret;
}

static __always_inline const struct pv_tlb_limits *pv_tlb_limits_of(bool remote)
{
	return likely(remote) ? &pv_tlb_limits : &pv_tlb_caller_limits;
}

/*
 * Out of line: a compiler that zeroes the stack would otherwise zero the
 * request in each flush that turns out to be the caller's own business.
 */
static noinline void pv_tlb_flush_mm_targets(struct pv_tlb_cpu *this,
					     const struct flush_tlb_info *info,
					     bool remote, bool with_caller)
{
	struct pv_tlb_range range;
	struct pv_tlb_request req = {
		.info		= info,
		.targets	= this->targets,
		.page		= this->page,
		.mm		= info->mm,
		.ranges		= &range,
		.nr_ranges	= pv_tlb_get_range(&range,
						   pv_tlb_limits_of(remote),
						   info),
		.stride_shift	= info->stride_shift,
		.kind		= PV_TLB_MM,
		.remote		= remote,
	};
	int ret = pv_tlb_flush_targets(this, &req, with_caller);

	if (!with_caller)
		return;
	if (ret < 0)
		pv_tlb_flush_self(info);
	else
		pv_tlb_acknowledge(info, !ret);
}

/*
 * pv_ops.mmu.flush_tlb_multi; preemption is disabled. flush_tlb_mm_range() is
 * what comes here, a reclaim batch takes its own way in.
 */
static void pv_tlb_flush_multi(const struct cpumask *cpus,
			       const struct flush_tlb_info *info)
{
	struct pv_tlb_cpu *this = this_cpu_ptr(&pv_tlb_cpu);
	bool remote, self, few, alone, with_caller;
	int err;

	if (!static_branch_likely(&pv_tlb_enabled)) {
		native_flush_tlb_multi(cpus, info);
		return;
	}

	err = pv_tlb_cannot(this);
	if (unlikely(err)) {
		pv_tlb_fall_back(cpus, info, err);
		return;
	}

	remote = pv_tlb_select(this->targets, &self, cpus, info->mm,
			       info->freed_tables);
	few = remote && pv_tlb_are_few(this->targets);
	alone = pv_tlb_flushes_caller(info->end - info->start);
	with_caller = self && pv_tlb_call_has_caller(pv_tlb_backend->caller,
						     remote, few, alone);

	if (self && !with_caller)
		pv_tlb_flush_self(info);
	if (few)
		native_flush_tlb_multi(this->targets, info);
	else if (remote || with_caller)
		pv_tlb_flush_mm_targets(this, info, remote, with_caller);
	else
		pv_tlb_count(self_only, 1);
}

/**
 * pv_tlb_batch_record - note a page that reclaim unmapped
 * @arch_batch: where to note it
 * @mm: whose page it was
 * @addr: address it was mapped at, page aligned
 *
 * Context: the generation of @mm was incremented after the page was unmapped,
 * and before this. Any context in which reclaim unmaps pages; takes no
 * reference to @mm.
 */
void pv_tlb_batch_record(struct arch_tlbflush_unmap_batch *arch_batch,
			 const struct mm_struct *mm, unsigned long addr)
{
	struct pv_tlb_batch *batch = &arch_batch->pages;
	unsigned int nr = batch->nr_ranges;
	struct pv_tlb_range *last;

	if (nr && batch->mm != mm)
		batch->many_mms = true;
	if (batch->many_mms || batch->overflow)
		return;

	if (nr) {
		last = &batch->ranges[nr - 1];
		if (addr == last->start + (last->nr_pages << PAGE_SHIFT)) {
			last->nr_pages++;
			return;
		}
	}

	if (nr == PV_TLB_BATCH_RANGES) {
		batch->overflow = true;
		return;
	}

	batch->mm = mm;
	batch->ranges[nr].start = addr;
	batch->ranges[nr].nr_pages = 1;
	batch->nr_ranges++;
}

/* As pv_tlb_get_range(): are the pages of the batch to be sent as a list? */
static bool pv_tlb_batch_has_list(const struct pv_tlb_batch *batch,
				  const struct pv_tlb_limits *limits)
{
	long room = limits->max_entries;
	unsigned int i;

	if (!batch->nr_ranges || batch->many_mms || batch->overflow)
		return false;

	for (i = 0; i < batch->nr_ranges && room >= 0; i++)
		room = pv_tlb_take_entries(limits, room,
					   batch->ranges[i].nr_pages,
					   PAGE_SHIFT);

	return room >= 0;
}

/*
 * The caller's part of a batch, of an mm that is loaded here. Page by page it
 * must not advance the generation: what other CPUs have flushed since is not
 * in the list.
 */
static void pv_tlb_batch_flush_self(const struct pv_tlb_batch *batch,
				    const struct flush_tlb_info *info,
				    bool list)
{
	unsigned long flags, n = 0;
	unsigned int i;

	for (i = 0; list && i < batch->nr_ranges; i++)
		n += batch->ranges[i].nr_pages;

	local_irq_save(flags);
	if (!list || n > tlb_single_page_flush_ceiling) {
		flush_tlb_func((void *)info);
	} else {
		for (i = 0; i < batch->nr_ranges; i++) {
			const struct pv_tlb_range *range = &batch->ranges[i];

			n = range->nr_pages << PAGE_SHIFT;
			pv_tlb_invlpg(range->start, range->start + n,
				      PAGE_SHIFT);
			count_vm_tlb_events(NR_TLB_LOCAL_FLUSH_ONE,
					    range->nr_pages);
			trace_tlb_flush(TLB_LOCAL_SHOOTDOWN, range->nr_pages);
		}
	}
	local_irq_restore(flags);
}

/**
 * pv_tlb_batch_flush - flush the pages of a reclaim batch
 * @arch_batch: the pages, and all CPUs that may have translations of them; no
 *              pages are noted in it afterwards
 * @info: a full flush of all mms, for what has to be flushed natively
 *
 * The same guarantee as flush_tlb_multi() gives for @info, but only for the
 * pages noted. If they are all of one mm, the CPUs that have another one loaded
 * are left out.
 *
 * Context: preemption disabled, interrupts enabled; a backend is registered.
 */
void pv_tlb_batch_flush(struct arch_tlbflush_unmap_batch *arch_batch,
			const struct flush_tlb_info *info)
{
	struct pv_tlb_cpu *this = this_cpu_ptr(&pv_tlb_cpu);
	const struct cpumask *cpus = &arch_batch->cpumask;
	struct pv_tlb_batch *batch = &arch_batch->pages;
	bool remote, self, list, few, with_caller;
	struct pv_tlb_request req;
	int err;

	if (!static_branch_likely(&pv_tlb_enabled)) {
		native_flush_tlb_multi(cpus, info);
		goto out;
	}

	err = pv_tlb_cannot(this);
	if (unlikely(err)) {
		pv_tlb_fall_back(cpus, info, err);
		goto out;
	}

	req.info = info;
	req.targets = this->targets;
	req.page = this->page;
	req.mm = batch->many_mms ? NULL : batch->mm;
	remote = pv_tlb_select(this->targets, &self, cpus, req.mm, false);
	list = pv_tlb_batch_has_list(batch, pv_tlb_limits_of(remote));
	req.ranges = batch->ranges;
	req.nr_ranges = list ? batch->nr_ranges : 0;
	req.stride_shift = PAGE_SHIFT;
	req.kind = PV_TLB_BATCH;
	req.remote = remote;

	few = remote && pv_tlb_are_few(this->targets);
	with_caller = self && pv_tlb_call_has_caller(pv_tlb_backend->caller,
						     remote, few, list);

	if (self && !with_caller)
		pv_tlb_batch_flush_self(batch, info, list);
	if (few)
		native_flush_tlb_multi(this->targets, info);
	else if (!remote && !with_caller)
		pv_tlb_count(self_only, 1);
	/* The caller's generation stays behind, as is safe, even if all was flushed. */
	else if (pv_tlb_flush_targets(this, &req, with_caller) < 0 &&
		 with_caller)
		pv_tlb_batch_flush_self(batch, info, list);
out:
	batch->mm = NULL;
	batch->nr_ranges = 0;
	batch->many_mms = false;
	batch->overflow = false;
}

/*
 * As pv_tlb_get_range(), in the kernel's half. It ends where addresses do, so an end
 * of 0 is its end.
 */
static bool pv_tlb_get_kernel_range(struct pv_tlb_range *range,
				    const struct pv_tlb_limits *limits,
				    const struct flush_tlb_info *info)
{
	unsigned long start = info->start & PAGE_MASK;
	unsigned long end = PAGE_ALIGN(info->end);

	if (info->end == TLB_FLUSH_ALL || start < ~0UL << __VIRTUAL_MASK_SHIFT)
		return false;

	if (end && end <= start)
		return false;

	range->start = start;
	range->nr_pages = (end - start) >> PAGE_SHIFT;

	return pv_tlb_take_entries(limits, limits->max_entries, range->nr_pages,
				   PAGE_SHIFT) >= 0;
}

/* All CPUs but this one that are online: a lazy one as well, it is in the kernel. */
static bool pv_tlb_select_others(struct cpumask *targets)
{
	cpumask_copy(targets, cpu_online_mask);
	__cpumask_clear_cpu(smp_processor_id(), targets);

	return !cpumask_empty(targets);
}

/* With the caller, if that is the backend's way. Returns as pv_tlb_backend.flush. */
static int pv_tlb_flush_kernel_targets(struct pv_tlb_cpu *this,
				       const struct flush_tlb_info *info)
{
	struct pv_tlb_range range;
	struct pv_tlb_request req = {
		.info		= info,
		.targets	= this->targets,
		.page		= this->page,
		.ranges		= &range,
		.nr_ranges	= pv_tlb_get_kernel_range(&range, &pv_tlb_limits,
							  info),
		.stride_shift	= PAGE_SHIFT,
		.kind		= PV_TLB_KERNEL,
		.remote		= true,
	};

	if (pv_tlb_backend->caller == PV_TLB_CALLER_TARGET)
		__cpumask_set_cpu(smp_processor_id(), this->targets);

	return static_call(pv_tlb_backend_flush)(&req);
}

/**
 * pv_tlb_flush_kernel - flush the kernel's half on all CPUs
 * @info: what to flush; @info->mm is NULL
 * @local: does that on this CPU
 *
 * Every online CPU is a target, since there is no generation by which it could find
 * out later that it should have been.
 *
 * Nobody is interrupted: this does not wait for those who walk the kernel's page
 * tables with interrupts disabled. The tables are freed by RCU.
 *
 * Context: preemption disabled; a backend is registered.
 * Return: true if it is done. If not, interrupts have to do it, on this CPU too.
 */
bool pv_tlb_flush_kernel(const struct flush_tlb_info *info,
			 void (*local)(void *))
{
	struct pv_tlb_cpu *this = this_cpu_ptr(&pv_tlb_cpu);
	unsigned long flags;
	int ret;

	/* Before there is anybody else, there may be no page either. */
	if (!static_branch_likely(&pv_tlb_enabled) || num_online_cpus() == 1)
		return false;

	/* As on_each_cpu(). An interrupt's flush would use the page in between. */
	lockdep_assert_irqs_enabled();
	WARN_ON_ONCE(!in_task());

	ret = pv_tlb_cannot(this);
	if (unlikely(ret)) {
		pv_tlb_note_failure(ret);
		return false;
	}

	if (!pv_tlb_select_others(this->targets) ||
	    pv_tlb_are_few(this->targets))
		return false;

	ret = pv_tlb_flush_kernel_targets(this, info);
	if (unlikely(ret < 0)) {
		pv_tlb_note_failure(ret);
		return false;
	}
	pv_tlb_count_call(this->targets, ret);

	if (pv_tlb_backend->caller == PV_TLB_CALLER_NATIVE) {
		local_irq_save(flags);
		local((void *)info);
		local_irq_restore(flags);
	}

	return true;
}

/* What follows pvtlb= on the command line. */
static char pv_tlb_choice[16] __initdata = "on";

static int __init pv_tlb_parse(char *arg)
{
	if (!arg)
		return -EINVAL;

	strscpy(pv_tlb_choice, arg, sizeof(pv_tlb_choice));
	return 0;
}
early_param("pvtlb", pv_tlb_parse);

/*
 * How long may the list be if only the caller is flushed? Where the caller does it
 * by instruction, what a hypercall has room for is no limit.
 */
static unsigned int pv_tlb_caller_entries(const struct pv_tlb_backend *backend)
{
	if (backend->caller != PV_TLB_CALLER_TARGET)
		return UINT_MAX;

	return backend->dfl_caller_entries;
}

/**
 * pv_tlb_register - flush remote TLBs through a backend from now on
 * @backend: the backend; must stay as it is for ever
 *
 * From here on page tables are freed by RCU, and this is never undone: a flush
 * by hypercall does not wait for lockless page table walkers, which only keep
 * interrupts disabled. That comes first, so that there is no flush without it.
 *
 * Context: early boot, one CPU online, before pv_ops calls are patched and
 * after early parameters were parsed.
 * Return: 0, -EBUSY if there is a backend already, or -EPERM if the user wants
 * another one or none.
 */
int __init pv_tlb_register(const struct pv_tlb_backend *backend)
{
	if (pv_tlb_backend)
		return -EBUSY;

	if (strcmp(pv_tlb_choice, "on") && strcmp(pv_tlb_choice, backend->name)) {
		pr_info("%s backend not used: pvtlb=%s\n", backend->name,
			pv_tlb_choice);
		return -EPERM;
	}

	pv_tlb_backend = backend;
	pv_tlb_limits.max_entries = backend->dfl_entries;
	pv_tlb_limits.entry_shift = backend->entry_shift;
	pv_tlb_limits.min_targets = backend->dfl_min_targets;
	pv_tlb_caller_limits = pv_tlb_limits;
	pv_tlb_caller_limits.max_entries = pv_tlb_caller_entries(backend);
	static_call_update(pv_tlb_backend_flush, backend->flush);
	static_branch_enable(&pv_tlb_registered);
	if (backend->caller == PV_TLB_CALLER_TARGET)
		static_branch_enable(&pv_tlb_for_caller);
	paravirt_free_tables_by_rcu();
	pv_ops.mmu.flush_tlb_multi = pv_tlb_flush_multi;
	pr_info("%s backend, page tables freed by RCU\n", backend->name);

	return 0;
}

/*
 * Runs before @cpu comes online. Never fails: a CPU that gets no page can do
 * without, its flushes are counted under "no_page".
 */
static int pv_tlb_prepare_cpu(unsigned int cpu)
{
	struct pv_tlb_cpu *pcpu = per_cpu_ptr(&pv_tlb_cpu, cpu);
	struct page *page;

	if (pcpu->page)
		return 0;

	if (!zalloc_cpumask_var_node(&pcpu->targets, GFP_KERNEL,
				     cpu_to_node(cpu)))
		return 0;

	page = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
	if (page)
		pcpu->page = page_address(page);
	else
		free_cpumask_var(pcpu->targets);

	return 0;
}

/* Secondary CPUs are started after the early initcalls. */
static int __init pv_tlb_prepare(void)
{
	int ret;

	if (!pv_tlb_backend) {
		if (strcmp(pv_tlb_choice, "on") && strcmp(pv_tlb_choice, "off"))
			pr_warn("pvtlb=%s: no such backend here\n",
				pv_tlb_choice);
		return 0;
	}

	ret = cpuhp_setup_state(CPUHP_BP_PREPARE_DYN, "x86/pv_tlb:prepare",
				pv_tlb_prepare_cpu, NULL);

	return ret < 0 ? ret : 0;
}
early_initcall(pv_tlb_prepare);

#if IS_ENABLED(CONFIG_PV_TLB_KUNIT_TEST)
#include "pv_tlb_test.c"
#endif
