// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of pv_tlb_pv.c, which includes this file: does Xen hear what was
 * asked for?
 *
 * Xen is xen_tlb_host(), in the place of the hypercall. It was written from Xen's
 * public headers, with numbers where pv_tlb_pv.c has names, and reads the bitmap
 * as Xen does, up to the last virtual CPU that a domain can have. These tests need
 * no Xen.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/string.h>

#define XEN_TLB_POISON	0xff	/* what lies behind the page */
#define XEN_TLB_VCPUS	8192
#define XEN_TLB_OPS	120
#define XEN_TLB_RANGES	16
#define XEN_TLB_SEED	20170803
#define XEN_TLB_CASES	200000

/* What Xen understood. */
struct xen_tlb_heard {
	unsigned int	calls;
	const char	*wrong;
	bool		local;
	bool		everything;
	unsigned int	nr;
	u64		pages[XEN_TLB_OPS];
	DECLARE_BITMAP(vcpus, XEN_TLB_VCPUS);
};

struct xen_tlb_test {
	struct pv_tlb_request	req;
	struct flush_tlb_info	info;
	struct cpumask		*targets;
	struct pv_tlb_range	ranges[XEN_TLB_RANGES];
	u8			*page;		/* and one more behind it */
	int			status;
	int			short_by;
	struct xen_tlb_heard	heard;
};

/* One operation; all of a call are of one kind, and for the same CPUs. */
static const char *xen_tlb_decode(struct xen_tlb_heard *heard, const u8 *op)
{
	u32 cmd = *(u32 *)op;
	u64 addr = *(u64 *)(op + 8);
	const unsigned long *mask = *(unsigned long **)(op + 16);
	bool local = cmd == 6 || cmd == 7;
	bool everything = cmd == 6 || cmd == 8;

	if (cmd < 6 || cmd > 9)
		return "not a flush of these CPUs";
	if (heard->nr && (heard->local != local || everything))
		return "a mixture";
	if (!everything && (addr & 0xfff ||
			    (addr >> 47 && addr < 0xffff880000000000)))
		return "an address that Xen ignores";

	heard->local = local;
	heard->everything = everything;
	if (!local)
		bitmap_copy(heard->vcpus, mask, XEN_TLB_VCPUS);
	heard->pages[heard->nr++] = addr >> 12;

	return NULL;
}

static int xen_tlb_host(struct xen_pv_flush *flush, unsigned int nr)
{
	struct xen_tlb_test *t = kunit_get_current_test()->priv;
	struct xen_tlb_heard *heard = &t->heard;
	unsigned int i;

	heard->calls++;
	if (!nr || nr > XEN_TLB_OPS)
		heard->wrong = "count";
	for (i = 0; i < nr && !heard->wrong; i++)
		heard->wrong = xen_tlb_decode(heard, (u8 *)&flush->ops[i]);
	flush->done = nr - t->short_by;

	return t->status;
}

/* Are these the pages of the request, in its order? */
static bool xen_tlb_same_pages(const struct xen_tlb_test *t)
{
	unsigned int i, n = 0;
	unsigned long j;

	for (i = 0; i < t->req.nr_ranges; i++) {
		for (j = 0; j < t->req.ranges[i].nr_pages; j++, n++) {
			u64 page = (t->req.ranges[i].start >> 12) + j;

			if (n == t->heard.nr || t->heard.pages[n] != page)
				return false;
		}
	}

	return n == t->heard.nr;
}

static unsigned long xen_tlb_pages(const struct xen_tlb_test *t)
{
	unsigned long sum = 0;
	unsigned int i;

	for (i = 0; i < t->req.nr_ranges; i++)
		sum += t->req.ranges[i].nr_pages;

	return sum;
}

static bool xen_tlb_same_targets(const struct xen_tlb_test *t)
{
	unsigned int n = bitmap_weight(t->heard.vcpus, XEN_TLB_VCPUS);

	return n == cpumask_weight(t->targets) &&
	       bitmap_equal(t->heard.vcpus, cpumask_bits(t->targets),
			    nr_cpu_ids);
}

/* What is wrong with what Xen heard, or NULL; @ret is what the backend said. */
static const char *xen_tlb_verdict(const struct xen_tlb_test *t, int ret)
{
	const struct xen_tlb_heard *heard = &t->heard;
	unsigned long pages = xen_tlb_pages(t);
	bool list = pages && pages <= XEN_TLB_OPS && t->req.stride_shift == 12;

	if (heard->wrong)
		return heard->wrong;
	if (heard->calls != 1)
		return "not one call";
	if (heard->local == t->req.remote)
		return "local or not";
	if (t->req.remote && !xen_tlb_same_targets(t))
		return "targets";
	if (heard->everything == list)
		return "everything or not";
	if (list && !xen_tlb_same_pages(t))
		return "pages";
	if (ret != (list ? pages : 0))
		return "returned";

	return NULL;
}

static int xen_tlb_flush(struct xen_tlb_test *t)
{
	memset(&t->heard, 0, sizeof(t->heard));

	return xen_flush_targets(&t->req);
}

static void xen_tlb_set_range(struct xen_tlb_test *t, unsigned int i,
			      unsigned long start, unsigned long nr_pages)
{
	t->ranges[i].start = start;
	t->ranges[i].nr_pages = nr_pages;
	t->req.nr_ranges = i + 1;
}

/* Each CPU as the only target, and all that came before as well. */
static void xen_tlb_targets_test(struct kunit *test)
{
	struct xen_tlb_test *t = test->priv;
	unsigned int cpu;

	for (cpu = 0; cpu < nr_cpu_ids; cpu++) {
		cpumask_clear(t->targets);
		cpumask_set_cpu(cpu, t->targets);
		KUNIT_ASSERT_STREQ(test,
				   xen_tlb_verdict(t, xen_tlb_flush(t)) ?: "",
				   "");
	}
	cpumask_clear(t->targets);
	for (cpu = 0; cpu < nr_cpu_ids; cpu++) {
		cpumask_set_cpu(cpu, t->targets);
		KUNIT_ASSERT_STREQ(test,
				   xen_tlb_verdict(t, xen_tlb_flush(t)) ?: "",
				   "");
	}
}

static const struct xen_tlb_list {
	const char		*name;
	struct pv_tlb_range	ranges[2];
	unsigned int		stride_shift;
	int			want;
} xen_tlb_lists[] = {
	{ "everything", { { } }, 12, 0 },
	{ "1 page", { { 0x1000, 1 } }, 12, 1 },
	{ "first page", { { 0, 1 } }, 12, 1 },
	{ "2 pages", { { 0x1000, 2 } }, 12, 2 },
	{ "2 of the kernel", { { 0xffffc90000001000, 2 } }, 12, 2 },
	{ "the last 2", { { 0xffffffffffffe000, 2 } }, 12, 2 },
	{ "2 ranges", { { 0x9000, 3 }, { 0x1000, 2 } }, 12, 5 },
	{ "119 pages", { { 0x1000, 119 } }, 12, 119 },
	{ "120 pages", { { 0x1000, 120 } }, 12, 120 },
	{ "121 pages", { { 0x1000, 121 } }, 12, 0 },
	{ "120 pages, 2 ranges", { { 0x1000, 119 }, { 0x100000, 1 } }, 12, 120 },
	{ "121 pages, 2 ranges", { { 0x1000, 120 }, { 0x100000, 1 } }, 12, 0 },
	{ "1 and 120 pages", { { 0x1000, 1 }, { 0x100000, 120 } }, 12, 0 },
	{ "too many to count", { { 0x1000, 1 }, { 0x2000, ~0UL } }, 12, 0 },
	{ "end of user space", { { 0x7fffffffd000, 2 } }, 12, 2 },
	{ "2 MiB", { { 0x200000, 1 } }, 21, 0 },
	{ "1 GiB", { { 0x40000000, 1 } }, 30, 0 },
};

KUNIT_ARRAY_PARAM_DESC(xen_tlb_list, xen_tlb_lists, name);

static void xen_tlb_list_test(struct kunit *test)
{
	const struct xen_tlb_list *list = test->param_value;
	struct xen_tlb_test *t = test->priv;
	int i, ret, remote;

	for (i = 0; i < ARRAY_SIZE(list->ranges); i++)
		if (list->ranges[i].nr_pages)
			xen_tlb_set_range(t, i, list->ranges[i].start,
					  list->ranges[i].nr_pages);
	t->req.stride_shift = list->stride_shift;
	cpumask_set_cpu(0, t->targets);

	for (remote = 0; remote < 2; remote++) {
		t->req.remote = remote;
		ret = xen_tlb_flush(t);
		KUNIT_EXPECT_EQ(test, ret, list->want);
		KUNIT_EXPECT_STREQ(test, xen_tlb_verdict(t, ret) ?: "", "");
	}
}

/* Whatever is not success and completeness is an error. */
static void xen_tlb_status_test(struct kunit *test)
{
	static const int errors[] = { -1, -14, -22, -38, -512, INT_MIN };
	struct xen_tlb_test *t = test->priv;
	unsigned int nr, i;
	int by;

	cpumask_set_cpu(0, t->targets);
	for (nr = 0; nr < 4; nr++) {
		if (nr)
			xen_tlb_set_range(t, 0, 0x1000, nr);
		t->status = 0;
		for (by = -2; by <= 4; by++) {
			t->short_by = by;
			KUNIT_EXPECT_EQ(test, xen_tlb_flush(t),
					by ? -EIO : nr);
		}
		t->short_by = 0;
		for (i = 0; i < ARRAY_SIZE(errors); i++) {
			t->status = errors[i];
			KUNIT_EXPECT_EQ(test, xen_tlb_flush(t), -EIO);
		}
	}
}

static void xen_tlb_random(struct xen_tlb_test *t, struct rnd_state *rnd)
{
	unsigned int i, nr = prandom_u32_state(rnd) % (XEN_TLB_RANGES + 1);

	cpumask_clear(t->targets);
	for (i = prandom_u32_state(rnd) % 8; i < 8; i++)
		cpumask_set_cpu(prandom_u32_state(rnd) % nr_cpu_ids,
				t->targets);
	t->req.nr_ranges = 0;
	for (i = 0; i < nr; i++)
		xen_tlb_set_range(t, i,
				  (u64)prandom_u32_state(rnd) << 12,
				  prandom_u32_state(rnd) % 16 + 1);
	t->req.remote = prandom_u32_state(rnd) % 4;
}

static void xen_tlb_random_test(struct kunit *test)
{
	struct xen_tlb_test *t = test->priv;
	unsigned int i, lists = 0, full = 0;
	struct rnd_state rnd;
	const char *wrong;
	int ret;

	prandom_seed_state(&rnd, XEN_TLB_SEED);
	for (i = 0; i < XEN_TLB_CASES; i++) {
		xen_tlb_random(t, &rnd);
		ret = xen_tlb_flush(t);
		wrong = xen_tlb_verdict(t, ret);
		if (wrong) {
			KUNIT_FAIL(test, "case %u of seed %u: %s (%d)", i,
				   XEN_TLB_SEED, wrong, ret);
			break;
		}
		if (ret)
			lists++;
		else
			full++;
		if (!(i & 0x3ff))
			cond_resched();
	}
	kunit_info(test, "seed %u: %u cases, %u lists, %u full flushes",
		   XEN_TLB_SEED, i, lists, full);
	KUNIT_EXPECT_TRUE(test, lists && full);
}

static int xen_tlb_test_init(struct kunit *test)
{
	struct xen_tlb_test *t;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->targets = kunit_kzalloc(test, sizeof(*t->targets), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->targets);
	t->page = kunit_kzalloc(test, 2 * PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->page);
	memset(t->page + PAGE_SIZE, XEN_TLB_POISON, PAGE_SIZE);

	t->req.info = &t->info;
	t->req.targets = t->targets;
	t->req.page = t->page;
	t->req.ranges = t->ranges;
	t->req.stride_shift = 12;
	t->req.remote = true;
	test->priv = t;
	kunit_activate_static_stub(test, xen_flush_hypercall, xen_tlb_host);

	return 0;
}

static void xen_tlb_test_exit(struct kunit *test)
{
	struct xen_tlb_test *t = test->priv;

	if (!t)
		return;
	KUNIT_EXPECT_NULL_MSG(test, memchr_inv(t->page + PAGE_SIZE,
					       XEN_TLB_POISON, PAGE_SIZE),
			      "written past the page");
}

static struct kunit_case xen_tlb_test_cases[] = {
	KUNIT_CASE(xen_tlb_targets_test),
	KUNIT_CASE_PARAM(xen_tlb_list_test, xen_tlb_list_gen_params),
	KUNIT_CASE(xen_tlb_status_test),
	KUNIT_CASE_SLOW(xen_tlb_random_test),
	{}
};

static struct kunit_suite xen_tlb_test_suite = {
	.name		= "pv_tlb_xen_pv",
	.init		= xen_tlb_test_init,
	.exit		= xen_tlb_test_exit,
	.test_cases	= xen_tlb_test_cases,
};

kunit_test_suite(xen_tlb_test_suite);
