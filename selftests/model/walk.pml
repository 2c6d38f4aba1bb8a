/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The life of page tables that lockless walkers read: GUP-fast, and what all
 * scenarios share. thp.pml has what happens to tables of ptes (faults, collapse,
 * split, munmap, mremap), share.pml hugetlb's shared tables of PMDs.
 *
 * The rule
 *	A table that was ever linked is neither linked elsewhere nor freed before
 *	a grace period of RCU. The flush comes first, then call_rcu. The flush is
 *	a hypercall: it says nothing about walkers. Exceptions: collapse that fails
 *	links the same table in the same slot again, its entries untouched; mremap
 *	moves tables; hugetlb may share a table again with the mm that left it.
 *
 * The walker, with interrupts off: one step for each load and for the reference
 *	pud; pmd; for each page of the table: pte, take a reference, pmd again, pte
 *	again; then once more pmd, and the pud last. A leaf: pud, pmd, reference,
 *	pmd again, and the pud last. What is not as it was drops the reference and
 *	ends the walk; what was found before that still needs the last two loads.
 *
 * What is ordered by what
 *	reference | pmd again		clear pmd (xchg) | collapse reads refcounts
 *	reference | pte again		clear pte (xchg) | whoever reads refcounts
 *	pmd or leaf | pud last		clear pud, i_mmap_rwsem | the other mm refills
 *	pmd | pte			write ptes | link the table
 *	interrupts off | the walk	unlink, flush, call_rcu | free
 *
 * Properties, each with the name that `run` gives its violation
 *	wrong-page	When a walk succeeds, there was for each page a moment, after
 *			its reference was taken and before the walk ended, when the
 *			tables of this mm mapped it at this address. (From the
 *			reference on the page cannot be freed and used again, so it
 *			is that page and not one that only has the same number.)
 *	freed-table	No walker reads a table that was freed after the walker read
 *			the pointer to it, even if it is in use again.
 *	cached-table	No table is freed, or filled by another mm, while a CPU,
 *			running or lazy, may hold it in a paging-structure cache.
 *	taken-page	Collapse takes (copies, and drops) no page that a successful
 *			walk has returned and that is still referenced; and no walk
 *			returns a page that collapse has taken.
 *	stuck		No process waits for ever. (Only mainline's waits for walkers
 *			could: where a process has nothing under way it may end.)
 *
 * How it is modelled
 *	Memory is sequentially consistent. That is enough on x86-64: loads stay in
 *	order, and so do stores; a store and a later load can change places, but
 *	the walker only stores by taking references, a locked instruction, and
 *	who reads refcounts has cleared the entry by xchg before. All other stores
 *	to tables are read by other CPUs, or followed by a lock that is given up, a
 *	flush or a grace period.
 *	A grace period ends when the last walk ends that was under way at call_rcu,
 *	and the table is free at once: later is never worse. A CPU caches a table as
 *	soon as it is linked, and until the flush: earlier and longer than any. A
 *	page of refcount 0 is free to be anything. A page that is no longer mapped
 *	but still referenced may be mapped again, as page cache and swap cache do.
 *	Freed tables are not filled with anything, as reading one is an error.
 *
 * Bounds: what a case says: NT tables of ptes, NS of PMDs with SLOTS entries each,
 *	NG huge pages, or so many times WIDTH small ones, WIDTH pages per table, NW
 *	walkers. Walks and everything else are repeated without bound.
 *
 * Left out: TLB entries (other tests flush and look), levels above the pud and
 *	leaves there, walks that go on to the next table, a page mapped twice at a
 *	time, a folio split, protection and pte flags, the slow path, fork. Collapse
 *	of file mappings is a munmap to this model, as it reads no refcounts.
 *
 * Mutations are macros, see the table in the file `cases`.
 */
#define NTAB	(NT + NS)
#define BIT(n)	(1 << (n))

/* An entry is 0, the number of a table, or LEAF and the number of a huge page. */
#define LEAF		16
#define IS_TABLE(e)	((e) != 0 && (e) < LEAF)
#define IS_LEAF(e)	((e) >= LEAF)

/*
 * Tables of ptes have the numbers 1 to NT, those of PMDs the next NS. A pte is 0 or
 * the number of a page, plus 1. The walkers walk the mm of pud[0], at slot 0.
 */
byte pud[2];
byte pmd[NS * SLOTS];
byte pte[(NT + 1) * WIDTH];
#define PMD(s, slot)	pmd[((s) - NT - 1) * SLOTS + (slot)]
#define PTE(t, i)	pte[(t) * WIDTH + (i)]

/* Pages. All references to a part of a huge page are to its first page. */
byte ref[NG * WIDTH];
bool huge[NG];
#define HEAD(p)		(huge[(p) / WIDTH] -> (p) / WIDTH * WIDTH : (p))

/*
 * Tables, as sets of bits: those allocated; those in the caches of running and of
 * lazy CPUs, by slot or by mm. And the walkers that each one's grace period awaits.
 */
byte used;
byte cached[2];
byte lazily[2];
byte wait[NTAB + 1];

/*
 * Walkers: the set of those in a walk; those that an IPI waits for, by who sent it;
 * what each has read, the pages it holds (as ptes), and whether its walk succeeded.
 */
byte walking;
byte ipi[2];
byte wpud[NW];
byte wpmd[NW];
byte held[NW * WIDTH];
bool done[NW];

/*
 * For the properties: which of the held pages were mapped since, which of its tables
 * were freed under a walker, which pages collapse took.
 */
byte seen[NW];
byte stale[NW];
#define PMD_TABLE	1
#define PTE_TABLE	2
byte copied;

/* Events that must be possible, or the model shows nothing: -DREACH=number. */
#define E_WALK_TABLE	1
#define E_WALK_LEAF	2
#define E_PMD_MISS	3
#define E_PTE_MISS	4
#define E_LAST_PMD_MISS	5
#define E_LEAF_MISS	6
#define E_PUD_MISS	7
#define E_GRACE		8
#define E_COLLAPSED	9
#define E_RELINKED	10
#define E_SPLIT_OTHER	11
#define E_BATCH		12
#define E_MOVED_BACK	13
#define E_RESHARED	14
#define E_PRIVATE	15
#define E_RELINK_WALKED	16
#ifndef REACH
#define REACH	0
#endif
#define event(e)	assert(e != REACH)

/*
 * What an address maps, as a pte. ALSO(w, i) is a weaker wrong-page, for scenarios
 * that say so.
 */
#define MAPS(s, slot, i) \
	(IS_LEAF(PMD(s, slot)) -> (PMD(s, slot) - LEAF) * WIDTH + (i) + 1 : \
	 (PMD(s, slot) != 0 -> PTE(PMD(s, slot), i) : 0))
#define MAPPED(i)	(pud[0] != 0 -> MAPS(pud[0], 0, i) : 0)
#define HELD(w, i)	held[(w) * WIDTH + (i)]
#ifndef ALSO
#define ALSO(w, i)	0
#endif
#define SEE(w, i) \
	((HELD(w, i) != 0 && !done[w] && \
	  (MAPPED(i) == HELD(w, i) || ALSO(w, i))) -> BIT(i) : 0)
#if WIDTH > 1
#define SEE_ALL(w)	(SEE(w, 0) | SEE(w, 1))
#define HOLDS(w)	((HELD(w, 0) != 0) | (HELD(w, 1) != 0) << 1)
#define PAGES(w)	((BIT(HELD(w, 0)) | BIT(HELD(w, 1))) >> 1)
#else
#define SEE_ALL(w)	SEE(w, 0)
#define HOLDS(w)	(HELD(w, 0) != 0)
#define PAGES(w)	(BIT(HELD(w, 0)) >> 1)
#endif

/* After each change of a table */
inline look()
{
	seen[0] = seen[0] | SEE_ALL(0);
#if NW > 1
	seen[1] = seen[1] | SEE_ALL(1);
#endif
}

/* Drops a reference; the last one frees the page. */
inline put(p)
{
	assert(ref[HEAD(p)] != 0);
	ref[HEAD(p)]--;
	if
	:: ref[HEAD(p)] == 0 ->
		if
		:: huge[(p) / WIDTH] ->
			copied = copied & ~(((1 << WIDTH) - 1) << ((p) / WIDTH * WIDTH));
			huge[(p) / WIDTH] = false
		:: else ->
			copied = copied & ~BIT(p)
		fi
	:: else
	fi
}

inline forget(w, t)
{
	if
	:: wpud[w] == (t) -> stale[w] = stale[w] | PMD_TABLE
	:: wpmd[w] == (t) -> stale[w] = stale[w] | PTE_TABLE
	:: else
	fi
}

inline free_table(t)
{
	assert(((cached[0] | cached[1] | lazily[0] | lazily[1]) & BIT(t)) == 0);
	printf("	table %d is free\n", t);
	used = used & ~BIT(t);
#if NS > 1
	if
	:: (t) > NT -> PMD(t, 0) = 0
	:: else -> PTE(t, 0) = 0
	fi;
#else
	PTE(t, 0) = 0;
#if WIDTH > 1
	PTE(t, 1) = 0;
#endif
#endif
	forget(0, t);
#if NW > 1
	forget(1, t);
#endif
}

inline call_rcu(t)
{
	printf("	call_rcu of table %d\n", t);
	if
	:: walking == 0 -> free_table(t)
	:: else -> wait[t] = walking
	fi
}

inline end_grace(t, w)
{
	if
	:: wait[t] == BIT(w) ->
		event(E_GRACE);
		wait[t] = 0;
		free_table(t)
	:: else ->
		wait[t] = wait[t] & ~BIT(w)
	fi
}

inline end_walk(w)
{
	walking = walking & ~BIT(w);
#ifndef IPI_LOST
	ipi[0] = ipi[0] & ~BIT(w);
	ipi[1] = ipi[1] & ~BIT(w);
#endif
	wpud[w] = 0;
	wpmd[w] = 0;
	stale[w] = 0;
	seen[w] = 0;
	end_grace(1, w);
	end_grace(2, w);
#if NTAB > 2
	end_grace(3, w);
#endif
#if NTAB > 3
	end_grace(4, w);
#endif
#if NTAB > 4
	end_grace(5, w);
#endif
	skip
}

/* One load each; MISS is where to go if it does not have what it should. */
#define LOAD_PUD \
	atomic { \
		walking = walking | BIT(w); \
		wpud[w] = pud[0]; \
		printf("walker %d: reads pud: %d\n", w, wpud[w]); \
		if \
		:: wpud[w] == 0 -> goto fail \
		:: else \
		fi \
	}
#define LOAD_PMD \
	atomic { \
		assert((stale[w] & PMD_TABLE) == 0); \
		wpmd[w] = PMD(wpud[w], 0); \
		printf("walker %d: reads pmd: %d\n", w, wpmd[w]); \
		if \
		:: wpmd[w] == 0 -> goto fail \
		:: IS_LEAF(wpmd[w]) -> \
			v = (wpmd[w] - LEAF) * WIDTH + 1; \
			goto leaf \
		:: else \
		fi \
	}
#define LOAD_PTE \
	atomic { \
		assert((stale[w] & PTE_TABLE) == 0); \
		v = PTE(wpmd[w], i); \
		printf("walker %d: reads pte: page %d\n", w, v - 1); \
		if \
		:: v == 0 -> goto stop \
		:: else \
		fi \
	}
#define GET(miss) \
	atomic { \
		if \
		:: ref[HEAD(v - 1)] == 0 -> goto miss \
		:: else \
		fi; \
		ref[HEAD(v - 1)]++; \
		HELD(w, i) = v; \
		printf("walker %d: takes a reference on page %d\n", w, v - 1); \
		seen[w] = seen[w] | SEE_ALL(w) \
	}
#define PMD_AGAIN(miss, e) \
	atomic { \
		assert((stale[w] & PMD_TABLE) == 0); \
		printf("walker %d: pmd again: %d\n", w, PMD(wpud[w], 0)); \
		if \
		:: PMD(wpud[w], 0) != wpmd[w] -> event(e); goto miss \
		:: else \
		fi \
	}
#define PTE_AGAIN(miss) \
	atomic { \
		assert((stale[w] & PTE_TABLE) == 0); \
		printf("walker %d: pte again: page %d\n", w, PTE(wpmd[w], i) - 1); \
		if \
		:: PTE(wpmd[w], i) != v -> event(E_PTE_MISS); goto miss \
		:: else \
		fi \
	}
#define PUD_AGAIN(miss) \
	atomic { \
		printf("walker %d: pud again: %d\n", w, pud[0]); \
		if \
		:: pud[0] != wpud[w] -> event(E_PUD_MISS); goto miss \
		:: else \
		fi \
	}

inline put_held(w)
{
	if
	:: HELD(w, 0) != 0 -> put(HELD(w, 0) - 1); HELD(w, 0) = 0
	:: else
	fi;
#if WIDTH > 1
	if
	:: HELD(w, 1) != 0 -> put(HELD(w, 1) - 1); HELD(w, 1) = 0
	:: else
	fi
#endif
}

#if WIDTH == 1
#define stop	fail
#define undo	fail
#endif

proctype walker(byte w)
{
	byte v, i;

again:
end:
#ifdef RETIRE
	if
	:: skip
	:: goto retired
	fi;
#endif
	LOAD_PUD;
	LOAD_PMD;

page:
	LOAD_PTE;
#ifdef GET_AFTER_RECHECK
	PMD_AGAIN(stop, E_PMD_MISS);
	PTE_AGAIN(stop);
	GET(stop);
#else
	GET(stop);
#ifdef PUD_FIRST
	PUD_AGAIN(undo);
#endif
#ifndef NO_FIRST_PMD
	PMD_AGAIN(undo, E_PMD_MISS);
#endif
#ifndef NO_PTE
	PTE_AGAIN(undo);
#endif
#endif

#if WIDTH > 1
	atomic {
		i++;
		if
		:: i < WIDTH -> goto page
		:: else -> goto last
		fi
	}
undo:	skip;
	d_step {
		put(HELD(w, i) - 1);
		HELD(w, i) = 0;
		seen[w] = seen[w] & ~BIT(i)
	}
stop:	atomic {
		if
		:: HOLDS(w) == 0 -> goto fail
		:: else
		fi
	}
last:
#endif
#ifndef NO_LAST_PMD
	PMD_AGAIN(fail, E_LAST_PMD_MISS);
#endif
#if !defined(NO_PUD) && !defined(PUD_FIRST)
	PUD_AGAIN(fail);
#endif
	atomic { event(E_WALK_TABLE); goto good }

leaf:
	GET(fail);
#ifdef PUD_FIRST
	PUD_AGAIN(fail);
#endif
#ifndef NO_LEAF_PMD
	PMD_AGAIN(fail, E_LEAF_MISS);
#endif
#if !defined(NO_PUD) && !defined(PUD_FIRST)
	PUD_AGAIN(fail);
#endif
	event(E_WALK_LEAF);

good:	skip;
	d_step {
		printf("walker %d: succeeds\n", w);
		assert((HOLDS(w) & ~seen[w]) == 0);
		assert((copied & PAGES(w)) == 0);
		done[w] = true;
		end_walk(w);
		v = 0;
		i = 0
	}
	d_step {
		put_held(w);
		done[w] = false
	}
	goto again;

fail:	skip;
	d_step {
		printf("walker %d: gives up\n", w);
		put_held(w);
		end_walk(w);
		v = 0;
		i = 0
	}
	goto again;

#ifdef RETIRE
retired: skip
#endif
}
