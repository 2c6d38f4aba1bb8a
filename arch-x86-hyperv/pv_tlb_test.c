// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of pv_tlb.c, which includes this file: does the host hear what
 * was asked for?
 *
 * The host is hv_tlb_host(), in the place of the hypercall. It understands what
 * pv_tlb_decode.c does.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/math.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/stop_machine.h>
#include <linux/string.h>

#include "pv_tlb_decode.h"

#define HV_TLB_POISON	0xff	/* where nothing has been written */
#define HV_TLB_VPS	4096	/* that a set can name */
#define HV_TLB_SEED	20170803
#define HV_TLB_CASES	1000000

struct hv_tlb_test {
	struct kunit		*test;
	struct pv_tlb_request	req;
	struct cpumask		*targets;
	u32			*vp_index;
	struct pv_tlb_range	*ranges;
	struct mm_struct	*mm;
	u64			*page;		/* and one more behind it */
	u64			vps[HV_TLB_BANKS];
	bool			fails;
	u64			status;		/* if it fails */
	struct hv_tlb_heard	heard;
	struct hv_tlb_run	asked[HV_TLB_WORDS];
};

/* A flush of somebody else's, such as for reclaim, goes to the real host. */
static u64 hv_tlb_host(u64 control, void *page, unsigned int nr)
{
	struct hv_tlb_test *t = kunit_get_current_test()->priv;

	if (page != t->page)
		return hv_do_hypercall(control, page, NULL);

	t->heard.calls++;
	hv_tlb_decode(&t->heard, control, page);

	return t->fails ? t->status : control & 0x00000fff00000000ULL;
}

static bool hv_tlb_has_ex(const struct hv_tlb_test *t)
{
	if (t->req.kind == PV_TLB_KERNEL)
		return false;

	return memchr_inv(&t->vps[1], 0, sizeof(t->vps) - sizeof(t->vps[0]));
}

/* GVA ranges that find room after the processors. */
static unsigned int hv_tlb_room(const struct hv_tlb_test *t)
{
	unsigned int bank, room = HV_TLB_WORDS - 4;

	if (!hv_tlb_has_ex(t))
		return HV_TLB_WORDS - 3;
	for (bank = 0; bank < HV_TLB_BANKS; bank++)
		room -= !!t->vps[bank];

	return room;
}

/* GVA ranges that the request needs: 4096 pages of 4K, or one larger page. */
static unsigned long hv_tlb_needs(const struct pv_tlb_request *req)
{
	unsigned long n = 0;
	unsigned int i;

	for (i = 0; i < req->nr_ranges; i++)
		n += req->stride_shift == 12 ?
			DIV_ROUND_UP(req->ranges[i].nr_pages, 4096) :
			req->ranges[i].nr_pages;

	return n;
}

/* Sorted, and without overlaps: the same pages are the same runs afterwards. */
static unsigned int hv_tlb_normalize(struct hv_tlb_run *runs, unsigned int nr)
{
	struct hv_tlb_run run;
	unsigned int i, j;

	for (i = 1; i < nr; i++) {
		run = runs[i];
		for (j = i; j && runs[j - 1].first > run.first; j--)
			runs[j] = runs[j - 1];
		runs[j] = run;
	}

	for (i = 1, j = 0; i < nr; i++) {
		if (runs[i].first <= runs[j].last + 1)
			runs[j].last = max(runs[j].last, runs[i].last);
		else
			runs[++j] = runs[i];
	}

	return nr ? j + 1 : 0;
}

/*
 * Are exactly the asked pages named, and each large one by a single operation?
 * A GVA in a large page stands for all of it.
 */
static bool hv_tlb_same_pages(struct hv_tlb_test *t)
{
	const struct pv_tlb_request *req = &t->req;
	u64 ops = 0, rest = (1ULL << (req->stride_shift - 12)) - 1;
	struct hv_tlb_run *runs = t->heard.runs;
	unsigned int i, nr;

	for (i = 0; i < t->heard.reps; i++) {
		ops += runs[i].last - runs[i].first + 1;
		runs[i].first &= ~rest;
		runs[i].last |= rest;
	}
	for (i = 0; i < req->nr_ranges; i++) {
		u64 nr_4k = (u64)req->ranges[i].nr_pages * (rest + 1);

		ops -= req->ranges[i].nr_pages;
		t->asked[i].first = req->ranges[i].start >> 12;
		t->asked[i].last = t->asked[i].first + nr_4k - 1;
	}
	if (ops)
		return false;

	nr = hv_tlb_normalize(runs, t->heard.reps);
	return nr == hv_tlb_normalize(t->asked, req->nr_ranges) &&
	       !memcmp(runs, t->asked, nr * sizeof(*runs));
}

static bool hv_tlb_same_space(const struct hv_tlb_test *t)
{
	if (t->req.kind != PV_TLB_MM || boot_cpu_has(X86_FEATURE_PTI))
		return t->heard.all_spaces;

	return !t->heard.all_spaces && t->heard.space == __pa(t->mm->pgd);
}

/* What is wrong with what the host heard and the backend returned, or NULL. */
static const char *hv_tlb_verdict(struct hv_tlb_test *t, int ret)
{
	const struct hv_tlb_heard *heard = &t->heard;
	unsigned long needs = hv_tlb_needs(&t->req);
	bool kernel = t->req.kind == PV_TLB_KERNEL;

	if (heard->calls != 1)
		return "not one hypercall";
	if (heard->wrong)
		return heard->wrong;
	if (heard->ex != hv_tlb_has_ex(t))
		return "the other kind of call";
	if (heard->all_processors != kernel)
		return "all processors for those named, or the reverse";
	if (!heard->all_processors &&
	    memcmp(heard->vps, t->vps, sizeof(t->vps)))
		return "other processors";
	if (!hv_tlb_same_space(t))
		return "another address space";
	if (needs > hv_tlb_room(t))
		needs = 0;
	if (ret != needs || heard->reps != needs)
		return "another number of GVA ranges";
	if (!needs && !kernel && !heard->spare_global)
		return "global translations flushed as well";
	if (!needs && kernel && heard->spare_global)
		return "global translations not flushed";
	if (needs && !hv_tlb_same_pages(t))
		return "other pages";
	if (t->page[HV_TLB_WORDS] != ~0ULL)
		return "written past the page";

	return NULL;
}

/* Beyond the input, is the page as it was? Not if a list did not fit. */
static bool hv_tlb_rest_untouched(const struct hv_tlb_test *t)
{
	unsigned int words = t->heard.words;

	return !memchr_inv(t->page + words, HV_TLB_POISON,
			   (HV_TLB_WORDS - words) * sizeof(u64));
}

static void hv_tlb_no_targets(struct hv_tlb_test *t)
{
	int cpu;

	for_each_cpu(cpu, t->targets)
		t->vp_index[cpu] = VP_INVAL;
	cpumask_clear(t->targets);
	memset(t->vps, 0, sizeof(t->vps));
}

static void hv_tlb_add_target(struct hv_tlb_test *t, unsigned int cpu, u32 vp)
{
	cpumask_set_cpu(cpu, t->targets);
	t->vp_index[cpu] = vp;
	if (vp < HV_TLB_VPS)
		t->vps[vp / 64] |= 1ULL << vp % 64;
}

static void hv_tlb_add_range(struct hv_tlb_test *t, u64 start,
			     unsigned long nr_pages)
{
	t->ranges[t->req.nr_ranges].start = start;
	t->ranges[t->req.nr_ranges].nr_pages = nr_pages;
	t->req.nr_ranges++;
}

static void hv_tlb_poison(struct hv_tlb_test *t)
{
	memset(t->page, HV_TLB_POISON, PAGE_SIZE);
}

static int hv_tlb_flush(struct hv_tlb_test *t)
{
	t->heard.calls = 0;
	t->heard.wrong = NULL;

	return hv_flush_vps(&t->req, t->vp_index, true);
}

/* One VP in each of @nr banks, on other CPUs than one would think. */
static void hv_tlb_target_banks(struct kunit *test, unsigned int nr)
{
	unsigned int bank;

	if (nr > nr_cpu_ids)
		kunit_skip(test, "needs %u possible CPUs, has %u", nr,
			   nr_cpu_ids);
	for (bank = 0; bank < nr; bank++)
		hv_tlb_add_target(test->priv, nr - 1 - bank,
				  64 * bank + (7 * bank + 5) % 64);
}

static const struct hv_tlb_set {
	const char	*name;
	u32		vps[3];
	unsigned int	nr_vps;
	int		err;
	u64		banks;
	u64		contents[2];
} hv_tlb_sets[] = {
	{ "TLFS example", { 0, 5, 130 }, 3, 0, 0x5, { 0x21, 0x4 } },
	{ "0", { 0 }, 1, 0, 0x1, { 0x1 } },
	{ "63", { 63 }, 1, 0, 0x1, { BIT_ULL(63) } },
	{ "64", { 64 }, 1, 0, 0x2, { 0x1 } },
	{ "63 and 64", { 63, 64 }, 2, 0, 0x3, { BIT_ULL(63), 0x1 } },
	{ "64 and 63", { 64, 63 }, 2, 0, 0x3, { BIT_ULL(63), 0x1 } },
	{ "4095", { 4095 }, 1, 0, BIT_ULL(63), { BIT_ULL(63) } },
	{ "4095 and 0", { 4095, 0 }, 2, 0, BIT_ULL(63) | 1,
	  { 0x1, BIT_ULL(63) } },
	{ "4096", { 4096 }, 1, -ERANGE },
	{ "4096 after others", { 1, 64, 4096 }, 3, -ERANGE },
	{ "4096 before others", { 4096, 64, 1 }, 3, -ERANGE },
	{ "VP_INVAL", { VP_INVAL }, 1, -ERANGE },
	{ "VP_INVAL after another", { 1, VP_INVAL }, 2, -ERANGE },
};

KUNIT_ARRAY_PARAM_DESC(hv_tlb_set, hv_tlb_sets, name);

static void hv_tlb_set_test(struct kunit *test)
{
	const struct hv_tlb_set *set = test->param_value;
	unsigned int i, nr = hweight64(set->banks);
	struct hv_tlb_test *t = test->priv;
	u64 banks, bank0;
	int ret;

	if (set->nr_vps > nr_cpu_ids)
		kunit_skip(test, "needs %u possible CPUs", set->nr_vps);
	for (i = 0; i < set->nr_vps; i++)
		hv_tlb_add_target(t, i, set->vps[i]);

	ret = hv_scan_vps(t->targets, t->vp_index, &banks, &bank0);
	KUNIT_ASSERT_EQ(test, ret, set->err);
	if (!set->err) {
		KUNIT_EXPECT_EQ(test, banks, set->banks);
		KUNIT_EXPECT_EQ(test, bank0, banks & 1 ? set->contents[0] : 0);
		KUNIT_EXPECT_EQ(test, hv_encode_banks(t->page, set->banks,
						      t->targets, t->vp_index),
				nr);
		KUNIT_EXPECT_MEMEQ(test, t->page, set->contents, nr * 8);
		KUNIT_EXPECT_EQ(test, t->page[nr], ~0ULL);
	}

	hv_tlb_poison(t);
	ret = hv_tlb_flush(t);
	KUNIT_EXPECT_EQ(test, ret, set->err);
	KUNIT_EXPECT_EQ(test, t->heard.calls, set->err ? 0 : 1);
	if (!set->err) {
		KUNIT_EXPECT_STREQ(test, hv_tlb_verdict(t, ret) ?: "", "");
		KUNIT_EXPECT_TRUE(test, hv_tlb_rest_untouched(t));
	}
}

/* Each VP by itself; the page holds ones where no other call has written. */
static void hv_tlb_each_vp_test(struct kunit *test)
{
	struct hv_tlb_test *t = test->priv;
	const char *wrong;
	u32 vp;

	for (vp = 0; vp < HV_TLB_VPS; vp++) {
		hv_tlb_no_targets(t);
		hv_tlb_add_target(t, vp % nr_cpu_ids, vp);
		hv_tlb_poison(t);
		wrong = hv_tlb_verdict(t, hv_tlb_flush(t));
		KUNIT_ASSERT_STREQ_MSG(test, wrong ?: "", "", "VP %u", vp);
		KUNIT_ASSERT_TRUE_MSG(test, hv_tlb_rest_untouched(t), "VP %u",
				      vp);
	}
}

/*
 * All VPs, as many at once as there are CPUs, CPUs that follow one another in
 * different banks: 65 and 4096 have no common factor.
 */
static void hv_tlb_all_vps_in_turn_test(struct kunit *test)
{
	unsigned int i, n = min(nr_cpu_ids, HV_TLB_VPS);
	struct hv_tlb_test *t = test->priv;
	const char *wrong;
	u32 vp = 0;

	while (vp < HV_TLB_VPS) {
		hv_tlb_no_targets(t);
		for (i = 0; i < n && vp < HV_TLB_VPS; i++)
			hv_tlb_add_target(t, i, 65 * vp++ % HV_TLB_VPS);
		wrong = hv_tlb_verdict(t, hv_tlb_flush(t));
		KUNIT_ASSERT_STREQ_MSG(test, wrong ?: "", "", "before %u", vp);
	}
	kunit_info(test, "%u VPs in a set", n);
}

static int hv_tlb_flush_all_vps(void *data)
{
#if CONFIG_NR_CPUS >= HV_TLB_VPS
	unsigned int nr = nr_cpu_ids;
	struct hv_tlb_test *t = data;
	int ret;

	/* By these the backend's loops end, and its hypercall is replaced. */
	set_nr_cpu_ids(max(nr, HV_TLB_VPS));
	current->kunit_test = t->test;
	ret = hv_tlb_flush(t);
	current->kunit_test = NULL;
	set_nr_cpu_ids(nr);

	return ret;
#else
	return -EOPNOTSUPP;
#endif
}

/*
 * The largest set there is, and with it as many GVA ranges as fit and one more.
 * No machine at hand has that many CPUs, so this one claims to have, while it
 * is stopped and nobody else can look.
 */
static void hv_tlb_all_vps_at_once_test(struct kunit *test)
{
	struct hv_tlb_test *t = test->priv;
	unsigned int i;
	int ret;

	if (CONFIG_NR_CPUS < HV_TLB_VPS)
		kunit_skip(test, "needs NR_CPUS=%u, has %u", HV_TLB_VPS,
			   CONFIG_NR_CPUS);

	bitmap_fill(cpumask_bits(t->targets), HV_TLB_VPS);
	for (i = 0; i < HV_TLB_VPS; i++)
		t->vp_index[i] = 65 * i % HV_TLB_VPS;
	memset(t->vps, 0xff, sizeof(t->vps));

	for (i = 0; i < 444; i++)
		hv_tlb_add_range(t, 0x2000 * i, 1);
	ret = stop_machine(hv_tlb_flush_all_vps, t, NULL);
	KUNIT_EXPECT_EQ(test, ret, 444);
	KUNIT_EXPECT_EQ(test, t->heard.words, HV_TLB_WORDS);
	KUNIT_EXPECT_STREQ(test, hv_tlb_verdict(t, ret) ?: "", "");

	hv_tlb_add_range(t, 0x2000 * i, 1);
	ret = stop_machine(hv_tlb_flush_all_vps, t, NULL);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_STREQ(test, hv_tlb_verdict(t, ret) ?: "", "");
}

static const struct hv_tlb_capacity {
	const char	*name;
	unsigned int	nr_banks;
	unsigned int	room;
} hv_tlb_capacities[] = {
	{ "mask", 0, 509 },
	{ "1 bank", 1, 507 },
	{ "2 banks", 2, 506 },
	{ "64 banks", 64, 444 },
};

KUNIT_ARRAY_PARAM_DESC(hv_tlb_capacity, hv_tlb_capacities, name);

static void hv_tlb_capacity_check(struct kunit *test, int want)
{
	struct hv_tlb_test *t = test->priv;
	int ret;

	hv_tlb_poison(t);
	ret = hv_tlb_flush(t);
	KUNIT_EXPECT_EQ(test, ret, want);
	KUNIT_EXPECT_STREQ(test, hv_tlb_verdict(t, ret) ?: "", "");
	if (want)
		KUNIT_EXPECT_TRUE(test, hv_tlb_rest_untouched(t));
	KUNIT_EXPECT_NULL(test, memchr_inv(t->page + HV_TLB_WORDS,
					   HV_TLB_POISON, PAGE_SIZE));
}

/* What fits is a list, one more is a full flush, and nothing is behind it. */
static void hv_tlb_capacity_test(struct kunit *test)
{
	const struct hv_tlb_capacity *c = test->param_value;
	struct hv_tlb_test *t = test->priv;
	unsigned int n;

	if (c->nr_banks == 1)
		hv_tlb_add_target(t, 0, 64);
	else if (c->nr_banks)
		hv_tlb_target_banks(test, c->nr_banks);
	else
		hv_tlb_add_target(t, 0, 63);

	for (n = 0; n < c->room + 3; n++) {
		if (n + 2 > c->room)
			hv_tlb_capacity_check(test, n > c->room ? 0 : n);
		hv_tlb_add_range(t, 0x2000 * n, 1);
	}

	/* The same as one range, which ends anywhere in its last entry. */
	t->req.nr_ranges = 1;
	t->ranges[0].nr_pages = c->room * 4096UL - 4095;
	hv_tlb_capacity_check(test, c->room);
	t->ranges[0].nr_pages = c->room * 4096UL;
	hv_tlb_capacity_check(test, c->room);
	t->ranges[0].nr_pages = c->room * 4096UL + 1;
	hv_tlb_capacity_check(test, 0);

	t->req.stride_shift = 21;
	t->ranges[0].nr_pages = c->room;
	hv_tlb_capacity_check(test, c->room);
	t->ranges[0].nr_pages++;
	hv_tlb_capacity_check(test, 0);
}

static void hv_tlb_no_room_test(struct kunit *test)
{
	const struct pv_tlb_range range = { 0x1000, 1 };
	struct hv_tlb_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, hv_encode_ranges(t->page, 0, &range, 1, 12), 0);
	KUNIT_EXPECT_EQ(test, t->page[0], ~0ULL);
}

static const struct hv_tlb_list {
	const char		*name;
	unsigned int		shift;
	struct pv_tlb_range	ranges[2];
	u64			gva[4];
} hv_tlb_lists[] = {
	{ "1 page", 12, { { 0x1000, 1 } }, { 0x1000 } },
	{ "2 pages", 12, { { 0x1000, 2 } }, { 0x1001 } },
	{ "4095 pages", 12, { { 0x1000, 4095 } }, { 0x1ffe } },
	{ "4096 pages", 12, { { 0x1000, 4096 } }, { 0x1fff } },
	{ "4097 pages", 12, { { 0x1000, 4097 } }, { 0x1fff, 0x1001000 } },
	{ "8192 pages", 12, { { 0x1000, 8192 } }, { 0x1fff, 0x1001fff } },
	{ "8193 pages", 12, { { 0x1000, 8193 } },
	  { 0x1fff, 0x1001fff, 0x2001000 } },
	{ "2 ranges", 12, { { 0x1000, 3 }, { 0x9000, 4097 } },
	  { 0x1002, 0x9fff, 0x1009000 } },
	{ "downwards", 12, { { 0x9000, 1 }, { 0x1000, 1 } },
	  { 0x9000, 0x1000 } },
	{ "end of user space", 12, { { 0x7fffffffd000, 2 } },
	  { 0x7fffffffd001 } },
	{ "last page", 12, { { 0xfffffffffffff000, 1 } },
	  { 0xfffffffffffff000 } },
	{ "last 4096 pages", 12, { { 0xffffffffff000000, 4096 } },
	  { 0xffffffffff000fff } },
	{ "last 4097 pages", 12, { { 0xfffffffffefff000, 4097 } },
	  { 0xfffffffffeffffff, 0xfffffffffffff000 } },
	{ "last page and others", 12, { { 0xfffffffffffff000, 1 }, { 0, 2 } },
	  { 0xfffffffffffff000, 0x1 } },
	{ "2 MiB pages", 21, { { 0x200000, 3 } },
	  { 0x200000, 0x400000, 0x600000 } },
	{ "last 2 MiB page", 21, { { 0xffffffffffe00000, 1 } },
	  { 0xffffffffffe00000 } },
	{ "1 GiB pages", 30, { { 0x40000000, 2 } },
	  { 0x40000000, 0x80000000 } },
	{ "last 1 GiB page", 30, { { 0xffffffffc0000000, 1 } },
	  { 0xffffffffc0000000 } },
};

KUNIT_ARRAY_PARAM_DESC(hv_tlb_list, hv_tlb_lists, name);

static void hv_tlb_list_test(struct kunit *test)
{
	const struct hv_tlb_list *list = test->param_value;
	struct hv_tlb_test *t = test->priv;
	unsigned int i, nr = 0;
	int ret;

	for (i = 0; i < ARRAY_SIZE(list->ranges); i++)
		if (list->ranges[i].nr_pages)
			hv_tlb_add_range(t, list->ranges[i].start,
					 list->ranges[i].nr_pages);
	while (nr < ARRAY_SIZE(list->gva) && list->gva[nr])
		nr++;
	t->req.stride_shift = list->shift;
	hv_tlb_add_target(t, 0, 5);

	ret = hv_tlb_flush(t);
	KUNIT_EXPECT_EQ(test, ret, nr);
	KUNIT_EXPECT_MEMEQ(test, t->page + 3, list->gva, nr * sizeof(u64));
	KUNIT_EXPECT_STREQ(test, hv_tlb_verdict(t, ret) ?: "", "");
	KUNIT_EXPECT_TRUE(test, hv_tlb_rest_untouched(t));
}

/* The mm of a batch may be gone: whoever looks into this one dies of it. */
static void hv_tlb_space_test(struct kunit *test)
{
	struct mm_struct *gone = (struct mm_struct *)0x8;
	struct hv_tlb_test *t = test->priv;
	int list;

	hv_tlb_add_target(t, 0, 64);
	for (list = 0; list < 2; list++) {
		t->req.kind = PV_TLB_MM;
		t->req.mm = t->mm;
		KUNIT_EXPECT_STREQ(test,
				   hv_tlb_verdict(t, hv_tlb_flush(t)) ?: "",
				   "");
		t->req.kind = PV_TLB_BATCH;
		t->req.mm = gone;
		KUNIT_EXPECT_STREQ(test,
				   hv_tlb_verdict(t, hv_tlb_flush(t)) ?: "",
				   "");
		t->req.mm = NULL;
		KUNIT_EXPECT_STREQ(test,
				   hv_tlb_verdict(t, hv_tlb_flush(t)) ?: "",
				   "");
		t->req.kind = PV_TLB_KERNEL;
		KUNIT_EXPECT_STREQ(test,
				   hv_tlb_verdict(t, hv_tlb_flush(t)) ?: "",
				   "");
		hv_tlb_add_range(t, 0x1000, 1);
	}
}

/* Whatever is not success and completeness is an error. */
static void hv_tlb_status_test(struct kunit *test)
{
	struct hv_tlb_test *t = test->priv;
	unsigned int nr, reps;
	u64 status;

	t->fails = true;
	hv_tlb_add_target(t, 0, 5);
	for (nr = 0; nr < 4; nr++) {
		for (reps = 0; reps < 6; reps++) {
			t->status = (u64)reps << 32;
			KUNIT_EXPECT_EQ(test, hv_tlb_flush(t),
					!nr || reps == nr ? nr : -EIO);
		}
		for (status = 1; status <= 0xffff; status++) {
			t->status = (u64)nr << 32 | status;
			KUNIT_ASSERT_EQ(test, hv_tlb_flush(t), -EIO);
		}
		t->status = U64_MAX;
		KUNIT_EXPECT_EQ(test, hv_tlb_flush(t), -EIO);
		hv_tlb_add_range(t, 0x2000 * nr, 1);
	}
}

static void hv_tlb_no_ex_test(struct kunit *test)
{
	struct hv_tlb_test *t = test->priv;

	hv_tlb_add_target(t, 0, 63);
	KUNIT_EXPECT_EQ(test, hv_flush_vps(&t->req, t->vp_index, false), 0);
	KUNIT_EXPECT_EQ(test, t->heard.calls, 1);

	hv_tlb_no_targets(t);
	hv_tlb_add_target(t, 0, 64);
	KUNIT_EXPECT_EQ(test, hv_flush_vps(&t->req, t->vp_index, false),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, t->heard.calls, 1);
}

static void hv_tlb_no_hypercall_test(struct kunit *test)
{
	struct hv_tlb_test *t = test->priv;

	if (hv_hypercall_pg)
		kunit_skip(test, "the machine has a hypercall page");
	hv_tlb_add_target(t, 0, 0);
	KUNIT_EXPECT_EQ(test, hv_flush_targets(&t->req), -ENODEV);
	KUNIT_EXPECT_EQ(test, t->heard.calls, 0);
}

static u32 hv_tlb_below(struct rnd_state *rnd, u32 limit)
{
	return prandom_u32_state(rnd) % limit;
}

/* Returns whether all targets have a number that a set can hold. */
static bool hv_tlb_random_targets(struct hv_tlb_test *t, struct rnd_state *rnd)
{
	u32 r = prandom_u32_state(rnd), limit = r & 1 ? 4096 : r & 2 ? 128 : 64;
	unsigned int cpu, n = 1 + ((r >> 2) & 3);

	if (!(r & 0x3f0))
		n = 1 + hv_tlb_below(rnd, 100);

	hv_tlb_no_targets(t);
	while (n--) {
		cpu = hv_tlb_below(rnd, nr_cpu_ids);
		if (!cpumask_test_cpu(cpu, t->targets))
			hv_tlb_add_target(t, cpu, hv_tlb_below(rnd, limit));
	}
	if (r >> 22)
		return true;

	t->vp_index[cpu] = r & 0x10000 ? VP_INVAL : 4096 + (r & 0xffff);
	return false;
}

static void hv_tlb_random_ranges(struct hv_tlb_test *t, struct rnd_state *rnd)
{
	u32 r = prandom_u32_state(rnd), n = r & 3;
	unsigned int shift = r & 0x1c ? 12 : r & 0x20 ? 21 : 30;
	u64 nr, page, pages = 1ULL << (64 - shift);

	t->req.stride_shift = shift;
	t->req.nr_ranges = 0;
	if (!(r & 0x0fc0))
		n = hv_tlb_below(rnd, r & 0x3f000 ? 16 : HV_TLB_WORDS);

	while (n--) {
		r = prandom_u32_state(rnd);
		nr = 1 + ((r >> 3) & 7);
		if (!(r & 7) && shift == 12)
			nr = 4095 + ((r >> 6) & 3) + (r & 0x100 ? 4096 : 0);
		if (!(r & 0xe07) && shift == 12)
			nr = 1 + (r >> 14);
		/* Somewhere, in user space, or up to the very end. */
		page = (u64)prandom_u32_state(rnd) << 20 | r >> 12;
		if (r & 0x1000)
			page &= 0x7ffffffff;
		page = min(page & (pages - 1), pages - nr);
		if (!(r & 0x3e000))
			page = pages - nr;
		hv_tlb_add_range(t, page << shift, nr);
	}
}

static void hv_tlb_random_test(struct kunit *test)
{
	unsigned int i, lists = 0, sets = 0, misfits = 0, out_of_range = 0;
	struct hv_tlb_test *t = test->priv;
	struct rnd_state rnd;
	const char *wrong;
	int ret;

	prandom_seed_state(&rnd, HV_TLB_SEED);
	for (i = 0; i < HV_TLB_CASES; i++) {
		bool in_range = hv_tlb_random_targets(t, &rnd);

		hv_tlb_random_ranges(t, &rnd);
		t->req.kind = i % 3;
		t->req.mm = t->req.kind == PV_TLB_MM ? t->mm : NULL;
		in_range |= t->req.kind == PV_TLB_KERNEL;
		ret = hv_tlb_flush(t);
		if (in_range) {
			wrong = hv_tlb_verdict(t, ret);
			lists += ret > 0;
			sets += t->heard.ex;
			misfits += !ret && t->req.nr_ranges;
		} else {
			wrong = ret != -ERANGE || t->heard.calls ?
				"a processor out of range" : NULL;
			out_of_range++;
		}
		if (wrong) {
			KUNIT_FAIL(test, "case %u of seed %u: %s (%d)", i,
				   HV_TLB_SEED, wrong, ret);
			break;
		}
		if (!(i & 0x3ff))
			cond_resched();
	}
	kunit_info(test, "seed %u: %u cases, %u lists, %u that did not fit, %u sets, %u out of range",
		   HV_TLB_SEED, i, lists, misfits, sets, out_of_range);
	KUNIT_EXPECT_TRUE(test, lists && misfits && sets && out_of_range);
}

static int hv_tlb_test_init(struct kunit *test)
{
	unsigned int i, nr_cpus = max(nr_cpu_ids, HV_TLB_VPS);
	struct hv_tlb_test *t;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->test = test;
	t->targets = kunit_kzalloc(test, sizeof(*t->targets), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->targets);
	t->ranges = kunit_kcalloc(test, HV_TLB_WORDS, sizeof(*t->ranges),
				  GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->ranges);
	t->mm = kunit_kzalloc(test, sizeof(*t->mm), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->mm);
	t->mm->pgd = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->mm->pgd);
	t->page = kunit_kmalloc(test, 2 * PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->page);
	memset(t->page, HV_TLB_POISON, 2 * PAGE_SIZE);
	t->vp_index = kunit_kmalloc_array(test, nr_cpus, sizeof(*t->vp_index),
					  GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->vp_index);
	/* Whoever looks up a CPU that is not a target finds no VP. */
	for (i = 0; i < nr_cpus; i++)
		t->vp_index[i] = VP_INVAL;

	t->req.targets = t->targets;
	t->req.page = t->page;
	t->req.ranges = t->ranges;
	t->req.stride_shift = 12;
	t->req.mm = t->mm;
	t->req.kind = PV_TLB_MM;
	test->priv = t;
	kunit_activate_static_stub(test, hv_tlb_hypercall, hv_tlb_host);

	return 0;
}

static void hv_tlb_test_exit(struct kunit *test)
{
	struct hv_tlb_test *t = test->priv;

	if (!t)
		return;
	KUNIT_EXPECT_NULL_MSG(test, memchr_inv(t->page + HV_TLB_WORDS,
					       HV_TLB_POISON, PAGE_SIZE),
			      "written past the page");
}

static struct kunit_case hv_tlb_test_cases[] = {
	KUNIT_CASE_PARAM(hv_tlb_set_test, hv_tlb_set_gen_params),
	KUNIT_CASE(hv_tlb_each_vp_test),
	KUNIT_CASE(hv_tlb_all_vps_in_turn_test),
	KUNIT_CASE(hv_tlb_all_vps_at_once_test),
	KUNIT_CASE_PARAM(hv_tlb_capacity_test, hv_tlb_capacity_gen_params),
	KUNIT_CASE(hv_tlb_no_room_test),
	KUNIT_CASE_PARAM(hv_tlb_list_test, hv_tlb_list_gen_params),
	KUNIT_CASE(hv_tlb_space_test),
	KUNIT_CASE(hv_tlb_status_test),
	KUNIT_CASE(hv_tlb_no_ex_test),
	KUNIT_CASE(hv_tlb_no_hypercall_test),
	KUNIT_CASE_SLOW(hv_tlb_random_test),
	{}
};

static struct kunit_suite hv_tlb_test_suite = {
	.name		= "pv_tlb_hyperv",
	.init		= hv_tlb_test_init,
	.exit		= hv_tlb_test_exit,
	.test_cases	= hv_tlb_test_cases,
};

kunit_test_suite(hv_tlb_test_suite);
