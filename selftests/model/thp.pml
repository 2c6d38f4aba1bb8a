/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tables of ptes: faults, zaps, collapse, split, munmap, mremap. See walk.pml.
 *
 * One mm and one table of PMDs, with two slots: GUP-fast walks slot 0. A process per
 * slot repeats what the slot allows; what it does to one slot is serialised by
 * locks (mmap_lock, the locks of rmap), what others do to the other slot is not.
 * Faults, zaps and munmap are the usual ones. The rest:
 *
 * collapse	allocates a table and a huge page; clears the pmd; flushes; reads
 *		the refcounts. A reference too many: links the table again. Else
 *		takes the pages, deposits the new table, sets the huge pmd, and
 *		frees the old table by RCU. The one index is one of many: it may
 *		be empty.
 * split	clears the huge pmd; flushes; withdraws any table that was deposited
 *		for either slot, fills it and links it.
 * zap of a huge page
 *		frees a deposited table at once: it was never linked.
 * munmap	unlinks an empty table, flushes, and frees by RCU: by the batch, or, if
 *		there is no memory for one, the table alone.
 * mremap	(MOVE_PMD) moves a table to the other slot, (MOVE_PUD) the table of PMDs
 *		to where GUP-fast does not walk, and back; nothing else is under way,
 *		and both slots go on wherever their table is.
 *
 * mremap is an exception from the rule, and wrong-page does not hold as it stands,
 * once a table has gone away and come back during one walk. With MOVE_ANYWHERE it
 * is enough that, while the reference was held, the page was mapped by the table
 * that the walker read, wherever in the mm that table was.
 */
#define NS	1
#define SLOTS	2
#ifndef NT
#define NT	3
#endif
#define TOP	(NT + 1)
#ifndef NG
#define NG	3
#endif
#ifndef WIDTH
#define WIDTH	1
#endif
#ifndef NW
#define NW	1
#endif
#if defined(MOVE_PMD) || defined(MOVE_PUD)
#define MOVE
#endif
#ifdef MOVE_ANYWHERE
#define ALSO(w, i) \
	((IS_TABLE(wpmd[w]) && PMD(TOP, 1) == wpmd[w] && PTE(wpmd[w], i) == HELD(w, i)) || \
	 (pud[1] == wpud[w] && pud[1] != 0 && MAPS(TOP, 0, i) == HELD(w, i)))
#endif

#include "walk.pml"

#define SLOT	PMD(TOP, slot)

/* Tables that are deposited; slots where something is under way; moves so far. */
byte deposited;
byte busy;
byte moves;

#if NT > 3
#define NO_PTE_HAS(v, i) \
	(PTE(1, i) != v && PTE(2, i) != v && PTE(3, i) != v && PTE(4, i) != v)
#elif NT > 2
#define NO_PTE_HAS(v, i)	(PTE(1, i) != v && PTE(2, i) != v && PTE(3, i) != v)
#else
#define NO_PTE_HAS(v, i)	(PTE(1, i) != v && PTE(2, i) != v)
#endif
/* May page i of group g be mapped, may the group become a huge page? */
#define SMALL(g, i)	(!huge[g] && NO_PTE_HAS((g) * WIDTH + (i) + 1, i))
#define NO_REF(g, i)	(ref[(g) * WIDTH + (i)] == 0)
#if WIDTH > 1
#define LARGE(g)	(NO_REF(g, 0) && NO_REF(g, 1))
#else
#define LARGE(g)	NO_REF(g, 0)
#endif
#if NG > 2
#define ANY_SMALL(i)	(SMALL(0, i) || SMALL(1, i) || SMALL(2, i))
#define ANY_LARGE	(LARGE(0) || LARGE(1) || LARGE(2))
#else
#define ANY_SMALL(i)	(SMALL(0, i) || SMALL(1, i))
#define ANY_LARGE	(LARGE(0) || LARGE(1))
#endif
#define UNUSED(t)	((used & BIT(t)) == 0)
#if NT > 3
#define ANY_TABLE	(UNUSED(1) || UNUSED(2) || UNUSED(3) || UNUSED(4))
#elif NT > 2
#define ANY_TABLE	(UNUSED(1) || UNUSED(2) || UNUSED(3))
#else
#define ANY_TABLE	(UNUSED(1) || UNUSED(2))
#endif

inline alloc_table(t)
{
	if
	:: UNUSED(1) -> t = 1
	:: UNUSED(2) -> t = 2
#if NT > 2
	:: UNUSED(3) -> t = 3
#endif
#if NT > 3
	:: UNUSED(4) -> t = 4
#endif
	fi;
	used = used | BIT(t)
}

inline alloc_small(g, i)
{
	if
	:: SMALL(0, i) -> g = 0
	:: SMALL(1, i) -> g = 1
#if NG > 2
	:: SMALL(2, i) -> g = 2
#endif
	fi;
	ref[g * WIDTH + i]++;
	copied = copied & ~BIT(g * WIDTH + i)
}

inline alloc_large(g)
{
	if
	:: LARGE(0) -> g = 0
	:: LARGE(1) -> g = 1
#if NG > 2
	:: LARGE(2) -> g = 2
#endif
	fi;
	huge[g] = true;
	ref[g * WIDTH] = 1
}

inline deposit(t)
{
	deposited = deposited | BIT(t)
}

inline withdraw(t)
{
	if
	:: deposited & BIT(1) -> t = 1
	:: deposited & BIT(2) -> t = 2
#if NT > 2
	:: deposited & BIT(3) -> t = 3
#endif
#if NT > 3
	:: deposited & BIT(4) -> t = 4
#endif
	fi;
	deposited = deposited & ~BIT(t)
}

inline link(t)
{
	SLOT = t;
	printf("slot %d: table %d is linked\n", slot, t);
	cached[slot] = cached[slot] | BIT(t);
	lazily[slot] = lazily[slot] | BIT(t);
	look()
}

inline drop_cached(slot)
{
	cached[slot] = (IS_TABLE(PMD(TOP, slot)) -> BIT(PMD(TOP, slot)) : 0);
#ifndef LAZY_SKIPPED
	lazily[slot] = cached[slot]
#endif
}

#define WAIT_FOR_WALKERS \
	d_step { ipi[slot] = walking }; \
	(ipi[slot] == 0)

#ifdef FLUSH_IS_IPI
#define FLUSH	d_step { drop_cached(slot) }; WAIT_FOR_WALKERS
#else
#define FLUSH	d_step { drop_cached(slot) }
#endif

/* A page that collapse may take has no reference but those of its ptes. */
#if WIDTH > 1
#define EXPECTED(t, i) \
	((huge[(PTE(t, i) - 1) / WIDTH] && PTE(t, 1 - (i)) != 0 && \
	  (PTE(t, 0) - 1) / WIDTH == (PTE(t, 1) - 1) / WIDTH) -> 2 : 1)
#else
#define EXPECTED(t, i)	1
#endif
#define COUNT(i) \
	atomic { \
		if \
		:: PTE(t, i) == 0 \
		:: else -> \
			if \
			:: ref[HEAD(PTE(t, i) - 1)] == EXPECTED(t, i) \
			:: else -> goto restore \
			fi \
		fi; \
		skip \
	}
#if WIDTH > 1
#define EMPTY(t)	(PTE(t, 0) == 0 && PTE(t, 1) == 0)
#define COUNT_ALL	COUNT(0); COUNT(1)
#define TAKE_ALL	TAKE(0); TAKE(1)
#else
#define EMPTY(t)	(PTE(t, 0) == 0)
#define COUNT_ALL	COUNT(0)
#define TAKE_ALL	TAKE(0)
#endif

#define PINS(w, p)	(done[w] && (PAGES(w) & BIT(p)) != 0)
#if NW > 1
#define PINNED(p)	(PINS(0, p) || PINS(1, p))
#else
#define PINNED(p)	PINS(0, p)
#endif

/* Copies page i and clears its pte. */
#define TAKE(i) \
	atomic { \
		if \
		:: PTE(t, i) != 0 -> \
			p = PTE(t, i) - 1; \
			printf("slot %d: collapse takes page %d\n", slot, p); \
			assert(!PINNED(p)); \
			copied = copied | BIT(p); \
			PTE(t, i) = 0; \
			look(); \
			put(p) \
		:: else \
		fi; \
		p = 0 \
	}

inline fill(t, g)
{
	PTE(t, 0) = g * WIDTH + 1;
#if WIDTH > 1
	PTE(t, 1) = g * WIDTH + 2;
#endif
	ref[g * WIDTH] = ref[g * WIDTH] + WIDTH - 1
}

/* How tables are freed. */
#ifdef NO_RCU
#define FREE(t)		free_table(t)
#else
#define FREE(t)		call_rcu(t)
#endif
#ifdef OLD_AT_ONCE
#define FREE_OLD(t)	free_table(t)
#else
#define FREE_OLD(t)	FREE(t)
#endif
#ifdef DEPOSITED_BY_RCU
#define FREE_DEPOSITED(t) FREE(t)
#else
#define FREE_DEPOSITED(t) free_table(t)
#endif
#ifdef BATCH_AT_ONCE
#define FREE_ONE(t)	free_table(t)
#else
#define FREE_ONE(t)	FREE(t)
#endif

#define MOVING	4
#ifdef MOVE
#define begin	busy = busy | BIT(slot)
#define finish	busy = busy & ~BIT(slot)
#define MAY	(busy & MOVING) == 0 &&
#else
#define begin	skip
#define finish	skip
#define MAY
#endif
#ifdef MOVES
#define MOVES_LEFT	moves < MOVES &&
#define count_move	moves++
#else
#define MOVES_LEFT
#define count_move	skip
#endif

#define ZAP(i) \
	d_step { MAY IS_TABLE(SLOT) && PTE(SLOT, i) != 0 -> \
		p = PTE(SLOT, i) - 1; \
		PTE(SLOT, i) = 0; \
		printf("slot %d: pte cleared, page %d\n", slot, p); \
		look() } \
	d_step { put(p); p = 0 }
#define FAULT(i) \
	atomic { MAY IS_TABLE(SLOT) && PTE(SLOT, i) == 0 && ANY_SMALL(i) -> \
		alloc_small(g, i); \
		PTE(SLOT, i) = g * WIDTH + (i) + 1; \
		printf("slot %d: pte maps page %d\n", slot, g * WIDTH + (i)); \
		g = 0; \
		look() }

proctype mutator(byte slot)
{
	byte t, f, g, p;

again:
end:
	if
#ifdef RETIRE
	:: goto retired
#endif
	/* a fault: a table with one page, or a huge page and a deposit */
	:: atomic { MAY SLOT == 0 && ANY_TABLE && ANY_SMALL(0) ->
		alloc_table(t);
		alloc_small(g, 0);
		PTE(t, 0) = g * WIDTH + 1;
		printf("slot %d: a table for page %d\n", slot, g * WIDTH);
		link(t) }
	:: atomic { MAY SLOT == 0 && ANY_TABLE && ANY_LARGE ->
		alloc_table(t);
		deposit(t);
		alloc_large(g);
		SLOT = LEAF + g;
		printf("slot %d: huge page %d, table %d deposited\n", slot, g, t);
		look() }
	:: FAULT(0)
	:: ZAP(0)
#if WIDTH > 1
	:: FAULT(1)
	:: ZAP(1)
#endif
	/* munmap */
	:: d_step { MAY IS_TABLE(SLOT) && EMPTY(SLOT) ->
		begin;
		t = SLOT;
		printf("slot %d: munmap unlinks table %d\n", slot, t);
		SLOT = 0 }
#ifdef FREE_BEFORE_FLUSH
		d_step { FREE(t) }
		FLUSH;
#else
		FLUSH;
		if
		:: d_step { FREE(t) }
		:: event(E_BATCH);
#ifdef BATCH_SYNC
			WAIT_FOR_WALKERS;
			d_step { free_table(t) }
#else
			d_step { FREE_ONE(t) }
#endif
		fi;
#endif
		d_step { finish }
	/* zap of a huge page */
	:: atomic { MAY IS_LEAF(SLOT) ->
		begin;
		g = SLOT - LEAF;
		SLOT = 0;
		look();
		printf("slot %d: zap of the huge page %d\n", slot, g);
		withdraw(t);
		FREE_DEPOSITED(t) }
		FLUSH;
		d_step { put(g * WIDTH); finish }
	/* split of a huge page */
	:: d_step { MAY IS_LEAF(SLOT) ->
		begin;
		g = SLOT - LEAF;
		SLOT = 0;
		printf("slot %d: split of the huge page %d\n", slot, g);
		look() }
		FLUSH;
		atomic {
			withdraw(t);
			if
			:: deposited != 0 -> event(E_SPLIT_OTHER)
			:: else
			fi;
			fill(t, g);
			link(t);
			finish
		}
	/* collapse */
	:: atomic { MAY IS_TABLE(SLOT) && ANY_LARGE &&
#ifndef OLD_DEPOSITED
		ANY_TABLE &&
#endif
		true ->
		begin;
		t = SLOT;
#ifndef OLD_DEPOSITED
		alloc_table(f);
#endif
		alloc_large(g) }
#ifdef COUNT_FIRST
		COUNT_ALL;
#endif
		d_step {
			SLOT = 0;
			printf("slot %d: collapse clears the pmd, table %d\n", slot, t);
			look()
		}
		FLUSH;
#ifdef SYNC
		WAIT_FOR_WALKERS;
#endif
#ifndef COUNT_FIRST
		COUNT_ALL;
#endif
		TAKE_ALL;
#ifdef RELINK_CHANGED
		d_step { fill(t, g) }
		d_step { link(t); free_table(f); finish }
#elif defined(OLD_DEPOSITED)
		d_step {
			deposit(t);
			SLOT = LEAF + g;
			printf("slot %d: collapsed, table %d deposited\n", slot, t);
			look();
			event(E_COLLAPSED);
			finish
		}
#else
		d_step {
			deposit(f);
			SLOT = LEAF + g;
			printf("slot %d: collapsed, table %d deposited\n", slot, f);
			look()
		}
		d_step { FREE_OLD(t); event(E_COLLAPSED); finish }
#endif
	fi;
	d_step { t = 0; f = 0; g = 0; p = 0 }
	goto again;

restore:
	skip;
	d_step {
		event(E_RELINKED);
		if
		:: HELD(0, 0) != 0 && wpmd[0] == t -> event(E_RELINK_WALKED)
		:: else
		fi;
		if
		:: SLOT == 0 -> link(t)
		:: else
		fi;
#ifndef OLD_DEPOSITED
		free_table(f);
#endif
		put(g * WIDTH);
		finish;
		t = 0; f = 0; g = 0
	}
	goto again;

#ifdef RETIRE
retired: skip
#endif
}

#ifdef MOVE
/* mremap: the table of a slot to the other one, or the page of PMDs away and back */
#define MOVE_FROM(slot) \
	atomic { MOVES_LEFT busy == 0 && IS_TABLE(PMD(TOP, slot)) && PMD(TOP, 1 - slot) == 0 -> \
		count_move; \
		busy = MOVING; \
		t = PMD(TOP, slot); \
		PMD(TOP, slot) = 0; \
		printf("mremap: table %d away from slot %d\n", t, slot); \
		look() } \
	d_step { \
		PMD(TOP, 1 - slot) = t; \
		cached[1 - slot] = cached[1 - slot] | BIT(t); \
		lazily[1 - slot] = lazily[1 - slot] | BIT(t); \
		look() }

#define MOVE_TOP(from) \
	atomic { MOVES_LEFT busy == 0 && pud[from] != 0 -> \
		count_move; \
		busy = MOVING; \
		pud[from] = 0; \
		printf("mremap: the table of PMDs away from pud %d\n", from); \
		look() } \
	d_step { pud[1 - from] = TOP; look() }

proctype mover()
{
	byte t;

end:
	do
#ifdef MOVE_PMD
	:: MOVE_FROM(0)
		d_step { drop_cached(0); t = 0; busy = 0 }
	:: MOVE_FROM(1)
		d_step { drop_cached(1); t = 0; event(E_MOVED_BACK); busy = 0 }
#endif
#ifdef MOVE_PUD
	:: MOVE_TOP(0)
		d_step { busy = 0 }
	:: MOVE_TOP(1)
		d_step { event(E_MOVED_BACK); busy = 0 }
#endif
	od
}
#endif

init
{
	atomic {
		pud[0] = TOP;
		used = BIT(TOP);
		run walker(0);
#if NW > 1
		run walker(1);
#endif
		run mutator(0);
		run mutator(1);
#ifdef MOVE
		run mover()
#endif
	}
}
