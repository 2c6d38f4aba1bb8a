// SPDX-License-Identifier: GPL-2.0
/* Flushes that may have failed: what error-ignored finds. */

static int hv_flush_something(const struct pv_tlb_request *req)
{
	u64 status = hv_do_hypercall(HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE, req->page, NULL);

	return hv_result_success(status) ? 0 : -EIO;
}

static void nobody_asks(const struct pv_tlb_request *req)
{
	hv_flush_something(req); /* finding */
}

static void nobody_wants_to_know(const struct pv_tlb_request *req)
{
	(void)hv_flush_something(req); /* finding */
}

static void no_status(void *page)
{
	hv_do_hypercall(HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST | (u64)1 << 32, page, NULL); /* finding */
}

static void xen_says_it_too(struct mmuext_op *op)
{
	HYPERVISOR_mmuext_op(op, 1, NULL, DOMID_SELF); /* finding */
	HYPERVISOR_hvm_op(HVMOP_flush_tlbs, NULL); /* finding */
}

static void of_the_backend(const struct pv_tlb_request *req)
{
	pv_tlb_backend->flush(req); /* finding */
	static_call(pv_tlb_backend_flush)(req); /* finding */
}

static int stored(const struct pv_tlb_request *req)
{
	int ret;

	ret = static_call(pv_tlb_backend_flush)(req); /* finding */
	if (req->info)
		return 0;

	return ret;
}

static int counted_only(const struct pv_tlb_request *req)
{
	int ret = static_call(pv_tlb_backend_flush)(req);

	if (unlikely(ret < 0)) {
		pv_tlb_count_fallback(ret);
		return ret; /* finding */
	}

	return ret;
}

static int a_part_is_enough(u64 control, const struct pv_tlb_request *req,
			    unsigned int nr)
{
	u64 status = hv_tlb_hypercall(control, req->page, nr);

	if (!hv_result_success(status))
		return -EIO;

	return nr; /* finding */
}
