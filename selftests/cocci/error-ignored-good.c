// SPDX-License-Identifier: GPL-2.0
/* Flushes whose result counts: error-ignored is silent. */

static int hv_flush_something(u64 control, const struct pv_tlb_request *req,
			      unsigned int nr)
{
	u64 status = hv_tlb_hypercall(control, req->page, nr);

	if (!hv_result_success(status))
		return -EIO;
	if (nr && hv_repcomp(status) != nr)
		return -EIO;

	return nr;
}

static int passed_on(u64 control, const struct pv_tlb_request *req)
{
	return hv_flush_something(control, req, 0);
}

static int xen_flush_something(struct mmuext_op *op)
{
	int ret;

	ret = HYPERVISOR_mmuext_op(op, 1, NULL, DOMID_SELF);
	if (ret < 0)
		return -EIO;

	return HYPERVISOR_hvm_op(HVMOP_flush_tlbs, NULL) ? -EIO : 0;
}

/* Returns nothing, so there is nothing to ignore. */
static void xen_flush_local(void)
{
	if (xen_flush_something(NULL))
		BUG();
}

static void other_hypercalls(void *page)
{
	xen_flush_local();
	hv_do_hypercall(HVCALL_SIGNAL_EVENT, page, NULL);
}

static int made_up_for(const struct pv_tlb_request *req)
{
	int ret = static_call(pv_tlb_backend_flush)(req);

	if (unlikely(ret < 0)) {
		pv_tlb_fall_back(req->targets, req->info, ret);
		return ret;
	}
	pv_tlb_count_call(req->targets, ret);

	return ret;
}

static bool left_to_the_caller(const struct pv_tlb_request *req)
{
	int ret = static_call(pv_tlb_backend_flush)(req);

	if (ret < 0) {
		pv_tlb_note_failure(ret);
		return false;
	}

	return true;
}
