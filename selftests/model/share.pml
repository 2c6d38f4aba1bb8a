/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hugetlb's shared tables of PMDs. See walk.pml.
 *
 * Two mms, A with pud[0], where GUP-fast walks, and B with pud[1], map a file of huge
 * pages. One of its pages, at a slot of a table of PMDs, is looked at. B makes the
 * table, A shares it, leaves it and, with RESHARE, shares it again. Both fault, and
 * holes are punched. When A has left, B may unmap a part of the file: then the table
 * holds other things, pages and tables of ptes that never were A's. To map the whole
 * file again, which is what sharing needs, B unmaps all first, so the table is freed by
 * RCU and the next one is a new one.
 *
 * Unsharing: under i_mmap_rwsem clear the pud, flush the mm, lazy CPUs as well. Mainline
 * then waits for all walkers (SYNC); the series does not, as the pud is read last.
 *
 * Sharing again is an exception from the rule, and wrong-page does not hold as it
 * stands, once A has left the table and shared it again during one walk. With
 * SAME_FILE it is enough that, while the reference was held, the table that the
 * walker read from A's pud mapped the page there, as the page of that file.
 */
#define NT	1
#define NS	2
#define SLOTS	1
#define NG	3
#define WIDTH	1
#ifndef NW
#define NW	1
#endif
#ifdef SAME_FILE
#define ALSO(w, i) \
	(wpud[w] != 0 && (other & BIT(wpud[w])) == 0 && MAPS(wpud[w], 0, i) == HELD(w, i))
#endif

byte other;

#include "walk.pml"

/*
 * Tables that A has had; the file's page and one that B has for something else, plus 1;
 * the lock, held for writing. (`other`, above: tables that hold other things.)
 */
byte was_shared;
byte file;
byte stock;
bool i_mmap;

#define S	pud[1]
#define ENTRY	PMD(S, 0)
#define OTHER	((other & BIT(S)) != 0)
#define NO_REF(g)	(ref[g] == 0)
#define ANY_PAGE	(NO_REF(0) || NO_REF(1) || NO_REF(2))
#define UNUSED(t)	((used & BIT(t)) == 0)

inline alloc_page(g, is_huge)
{
	if
	:: NO_REF(0) -> g = 0
	:: NO_REF(1) -> g = 1
	:: NO_REF(2) -> g = 2
	fi;
	huge[g] = is_huge;
	ref[g] = 1
}

inline link_b(t)
{
	cached[1] = cached[1] | BIT(t);
	lazily[1] = lazily[1] | BIT(t)
}

inline flush_b()
{
	cached[1] = (S != 0 -> BIT(S) | (IS_TABLE(ENTRY) -> BIT(ENTRY) : 0) : 0);
	lazily[1] = cached[1]
}

inline flush_a()
{
	cached[0] = (pud[0] != 0 -> BIT(pud[0]) : 0);
#ifndef LAZY_SKIPPED
	lazily[0] = cached[0]
#endif
}

#ifdef NO_RCU
#define FREE(t)		free_table(t)
#else
#define FREE(t)		call_rcu(t)
#endif

#ifdef RESHARE
#define MAY_SHARE	true
#else
#define MAY_SHARE	((was_shared & BIT(S)) == 0)
#endif

proctype mm_a()
{
end:
	do
#ifdef RETIRE
	:: break
#endif
	:: d_step { !i_mmap && pud[0] == 0 && S != 0 && !OTHER && MAY_SHARE ->
		if
		:: (was_shared & BIT(S)) != 0 -> event(E_RESHARED)
		:: else
		fi;
		was_shared = was_shared | BIT(S);
		pud[0] = S;
		printf("A: shares table %d\n", S);
		cached[0] = BIT(S);
		lazily[0] = BIT(S);
		look() }
	:: d_step { !i_mmap && pud[0] != 0 ->
		i_mmap = true;
#ifdef FLUSH_FIRST
		flush_a() }
		d_step {
#endif
		printf("A: unshares table %d\n", pud[0]);
		pud[0] = 0;
		look() }
#ifdef LATE_FLUSH
		i_mmap = false;
		d_step { flush_a() }
#else
#ifndef FLUSH_FIRST
		d_step { flush_a() }
#endif
#ifdef SYNC
		d_step { ipi[0] = walking }
		(ipi[0] == 0);
#endif
		i_mmap = false
#endif
	od
}

proctype mm_b()
{
	byte g, t;

again:
end:
	if
#ifdef RETIRE
	:: goto retired
#endif
	/* mmap of the whole file: a new table */
	:: atomic { S == 0 && (UNUSED(NT + 1) || UNUSED(NT + 2)) ->
		if
		:: UNUSED(NT + 1) -> t = NT + 1
		:: UNUSED(NT + 2) -> t = NT + 2
		fi;
		used = used | BIT(t);
		was_shared = was_shared & ~BIT(t);
		other = other & ~BIT(t);
		S = t;
		printf("B: maps the file, table %d\n", t);
		link_b(t) }
	/* a fault on the file, of A or B */
	:: atomic { !i_mmap && S != 0 && !OTHER && ENTRY == 0 && (file != 0 || ANY_PAGE) ->
		if
		:: file == 0 -> alloc_page(g, true); file = g + 1
		:: else
		fi;
		ENTRY = LEAF + file - 1;
		ref[file - 1]++;
		printf("file: page %d is mapped\n", file - 1);
		look() }
	/* a hole is punched */
	:: d_step { !i_mmap && file != 0 ->
		i_mmap = true;
		printf("file: page %d is unmapped and dropped\n", file - 1);
		if
		:: S != 0 && !OTHER && ENTRY != 0 ->
			ENTRY = 0;
			t = file
		:: else
		fi;
		look() }
		d_step {
			if
			:: t != 0 -> put(t - 1)
			:: else
			fi
		}
		d_step {
			put(file - 1);
			file = 0;
			i_mmap = false
		}
	/* B, the only owner, unmaps a part of the file */
	:: d_step { !i_mmap && S != 0 && !OTHER && pud[0] != S ->
		assert(((cached[0] | lazily[0]) & BIT(S)) == 0);
		other = other | BIT(S);
		printf("B: unmaps a part of the file, table %d stays\n", S);
		t = ENTRY;
		ENTRY = 0;
		look() }
		d_step {
			if
			:: t != 0 -> put(t - LEAF)
			:: else
			fi
		}
	/* takes a page for something else, or gives it back */
	:: atomic { stock == 0 && ANY_PAGE ->
		alloc_page(g, true);
		printf("B: takes page %d for something else\n", g);
		stock = g + 1 }
	:: d_step { stock != 0 -> put(stock - 1); stock = 0 }
	/* and maps what was never A's: a huge page, or a table of pages */
	:: d_step { S != 0 && OTHER && ENTRY == 0 && stock != 0 ->
		ENTRY = LEAF + stock - 1;
		ref[stock - 1]++;
		printf("B: maps its page %d in table %d\n", stock - 1, S);
		look();
		event(E_PRIVATE) }
	:: atomic { S != 0 && OTHER && ENTRY == 0 && UNUSED(1) && ANY_PAGE ->
		alloc_page(g, false);
		used = used | BIT(1);
		PTE(1, 0) = g + 1;
		printf("B: maps its small page %d by table 1 in table %d\n", g, S);
		ENTRY = 1;
		link_b(1);
		look() }
	/* zaps it again */
	:: d_step { S != 0 && OTHER && IS_LEAF(ENTRY) ->
		g = ENTRY - LEAF;
		ENTRY = 0;
		look() }
		d_step { put(g) }
	:: d_step { S != 0 && OTHER && IS_TABLE(ENTRY) ->
		g = PTE(1, 0) - 1;
		PTE(1, 0) = 0;
		look() }
		d_step { put(g) }
		d_step { ENTRY = 0; look() }
		d_step { flush_b() }
		d_step { FREE(1) }
	/* and unmaps all */
	:: d_step { S != 0 && OTHER && ENTRY == 0 ->
#ifdef SHARE_IN_PLACE
		other = other & ~BIT(S);
		was_shared = was_shared & ~BIT(S) }
#else
		t = S;
		S = 0 }
		d_step { flush_b() }
		d_step { FREE(t) }
#endif
	fi;
	d_step { g = 0; t = 0 }
	goto again;

#ifdef RETIRE
retired: skip
#endif
}

init
{
	atomic {
		run walker(0);
#if NW > 1
		run walker(1);
#endif
		run mm_a();
		run mm_b()
	}
}
