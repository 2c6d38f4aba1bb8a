# SPDX-License-Identifier: GPL-2.0
# `make help` lists the targets. Each is a thin call to a script, which knows
# more options: SCRIPT --help.

BASE ?= 6.12
export BASE KSRC LANES EBIZZY KERNBENCH BUILD

lab := selftests/lab
build := $(or $(BUILD),build)

.PHONY: help deps run check check-long selftests mutants lint coccicheck kernels tree \
	export apply clean
.NOTPARALLEL:

help: ## this list
	@echo "make TARGET [BASE=$(BASE)] [KSRC=/path/to/linux] [BUILD=build]"
	@echo "make run [LANES=hyperv,xen-pv,xen-pvh] [EBIZZY=/path] [KERNBENCH=/path]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST)

deps: ## install the Debian packages that everything else needs
	$(lab)/deps build $(if $(KSRC),,source) lab check bench cocci

run: ## compare mainline and series on a real Hyper-V flush: one table
	selftests/bench/run

check: deps ## the tests; the last line is "N passed, N failed, N skipped"
	selftests/check

check-long: deps kernels ## more of the same, for hours
	selftests/check --long

selftests: tree ## the kernel's own mm selftests on both kernels, and what differs
	$(lab)/deps build lab mm
	$(lab)/kernel --config mm mainline
	$(lab)/kernel --config mm series
	selftests/mm/run

mutants: kernels ## break the series in all ways there are: each must be noticed
	selftests/mutants/run

lint: ## the tests that need no kernel build
	$(lab)/deps check
	$(lab)/lint

coccicheck: tree ## our Coccinelle rules over the patched kernel; fails on a finding
	$(lab)/deps cocci
	selftests/cocci/run

kernels: tree ## build the kernels: mainline, series, and series with what tests need
	$(lab)/kernel mainline
	$(lab)/kernel series
	$(lab)/kernel --config stall series

tree: ## make the work tree of the series: build/$(BASE)/series
	$(lab)/deps build $(if $(KSRC),,source)
	$(lab)/source
	$(lab)/tree

export: ## write patches/ and the folders from the work tree of the series
	$(lab)/export

apply: ## git am of the series to your own tree, KSRC=...; all or nothing
	$(lab)/apply

clean: ## remove build/, with the work trees and all results in it
	$(lab)/clean
