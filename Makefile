# SPDX-License-Identifier: GPL-2.0
# A front for tools/fanout, which does the work.

PYTHON ?= /usr/bin/python3
ARCH ?= um
FANOUT = PYTHONPATH=tools $(PYTHON) -m fanout
RIG = PYTHONPATH=tools $(PYTHON) -m rig
REVIEW = PYTHONPATH=tools $(PYTHON) -m review
STOCK = $(if $(KERNEL),--kernel '$(KERNEL)')
# Of the rig, whose machine is not UML.
MACHINE = $(if $(filter-out um,$(ARCH)),--arch '$(ARCH)')
TREE = $(STOCK) $(if $(KTREE),--ktree '$(KTREE)')

.PHONY: help
help:
	@echo 'make test            the KUnit suites in two UML kernels (plain, debug),'
	@echo '                     the tests of the tools, and their types'
	@echo 'make demo            what a CPU and two devices see through each exporter,'
	@echo '                     in QEMU on a stock kernel (DEBUG=1: a debug kernel;'
	@echo '                     HUGETLB=1: memfds with pages of 2 MiB)'
	@echo '     ARCH=arm64      ... where no device is coherent (COHERENT=1: all are;'
	@echo '                     CACHE=1: what caches could have done meanwhile)'
	@echo '     MODULE=x.ko     ... of a driver that was built elsewhere'
	@echo 'make examples        docs/examples on devices of the stock kernel'\''s'
	@echo 'make review          what a change does to the syncs, and who reads old'
	@echo '                     data by it; five minutes the first time, then 40 s'
	@echo '     BASE=WHAT PATCH=WHAT   ... a revision, worktree, stock, a patch file'
	@echo '                     or mbox; or a patch on standard input'
	@echo '     EXPORTER=udmabuf       ... a stock exporter; also system_heap'
	@echo '     OUT=DIR ARGS=--mail    ... where the page goes, another format'
	@echo 'make review-trials   mistakes that are known, and what it says of them'
	@echo '     ONLY=GLOB       ... these, of tools/mutants and of its own'
	@echo 'make races           two CPUs against the driver in QEMU, with KCSAN, then'
	@echo '                     a hostile program and the random player; 6 minutes'
	@echo '                     (DEBUG=1: with KASAN)'
	@echo '     ARGS=...        ... for rig races, see its --help'
	@echo 'make player          random games on real devices against an oracle, a'
	@echo '                     minute (DEBUG=1, HUGETLB=1, ARGS=... as above)'
	@echo 'make bench           what each step costs, in instructions, beside the'
	@echo '                     stock exporters; five minutes'
	@echo '     ARCH=arm64      ... START and END, by number and kind of importers'
	@echo 'make kunit           the KUnit suites in the plain UML kernel'
	@echo '     DEBUG=1         ... with KASAN, lockdep and DMA API debugging'
	@echo '     ARCH=x86_64     ... under QEMU; also arm64, arm'
	@echo '     FILTER=GLOB     ... only these suites, or suite.test'
	@echo 'make hostile         random calls against a model, then every fault each'
	@echo '                     call can have, in the debug UML kernel'
	@echo '     SECONDS=60 SEED=1   ... for so long, from this seed'
	@echo 'make coverage        which lines and branches of the driver the suites'
	@echo '                     reach, under UML and x86_64: build/coverage/'
	@echo 'make check           checkpatch, kernel-doc, sparse, bindings, types, and that'
	@echo '                     the driver'\''s files include downwards only'
	@echo 'make model           judge the sync plan by every history, ten minutes'
	@echo '     ARGS=...        ... for build/model/model, see its --help'
	@echo 'make merge           test the merge natively, then measure it beside memcpy()'
	@echo '     ARGS=...        ... for build/merge/test, see its --help'
	@echo 'make mutants         put small mistakes into the driver: each must fail'
	@echo '                     a test (ONLY=GLOB,...: these; LIST=1: show them)'
	@echo 'make module          build/module/udmabuf_fanout.ko'
	@echo '     KDIR=/path      ... against these kernel headers'
	@echo '     ARCH=arm64      ... for another machine; also armhf, riscv64'
	@echo 'make deb             build/udmabuf-fanout-dkms_*_all.deb: the module for'
	@echo '                     each kernel of a machine, by DKMS'
	@echo 'make deb-test        install it on minimal Debians, boot what was built'
	@echo '     SUITE=trixie KEEP=1   ... on this one, which is kept'
	@echo 'make series SIGNOFF="Name <address>"'
	@echo '                     build/series/*.patch: the driver for a maintainer,'
	@echo '                     for the newest kernel'
	@echo '     SERIES=udmabuf  ... a smaller change to the stock driver instead'
	@echo 'make series-test     apply and build each patch, run the suites'
	@echo 'make tree            build/6.12/linux, for the kernel'\''s own kunit.py'
	@echo 'make bindings        generate the bindings'
	@echo 'make bindings-check  fail if they are not what the tree gives'
	@echo 'make fresh           the README'\''s commands on a minimal Debian of its'
	@echo '                     own, which has nothing; needs root or user namespaces'
	@echo '     SUITE=trixie TARGETS="check module"   ... another, other targets'
	@echo '     KEEP=1          ... do not remove it afterwards'
	@echo 'make clean           remove build/'
	@echo
	@echo 'KERNEL=newest with any of them that has a kernel: the newest one of'
	@echo 'Debian instead of 6.12; KTREE=/path/to/linux with those that build'
	@echo 'one (not demo, bench, races): this tree, which is not changed.'

.PHONY: test tree check coverage bindings bindings-check
test tree check coverage bindings bindings-check: python
	@$(FANOUT) $@ $(TREE)

.PHONY: kunit
kunit: python
	@$(FANOUT) kunit --arch '$(ARCH)' $(TREE) \
		$(if $(filter-out 0,$(DEBUG)),--debug) --filter '$(FILTER)'

.PHONY: mutants
mutants: python
	@$(FANOUT) mutants $(TREE) --only '$(ONLY)' $(if $(LIST),--list)

.PHONY: model
model: python
	@$(FANOUT) model
	@$(MAKE) -s -C tools/model
	@build/model/model $(ARGS)

.PHONY: model-docs
model-docs: python
	@$(FANOUT) model
	@$(MAKE) -s -C tools/model docs

.PHONY: merge
merge: python
	@$(FANOUT) merge
	@$(MAKE) -s -C tools/merge
	@build/merge/test $(ARGS)
	@build/merge/bench

.PHONY: demo
demo: python
	@$(RIG) demo $(STOCK) $(MACHINE) $(if $(MODULE),--module '$(MODULE)') \
		$(if $(filter-out 0,$(COHERENT)),--coherent) \
		$(if $(filter-out 0,$(CACHE)),--cache) \
		$(if $(filter-out 0,$(DEBUG)),--debug) \
		$(if $(filter-out 0,$(HUGETLB)),--hugetlb)

.PHONY: examples
examples: python
	@$(RIG) examples $(STOCK) $(if $(MODULE),--module '$(MODULE)')

.PHONY: review
review: python
	@$(REVIEW) $(TREE) --base '$(BASE)' --patch '$(PATCH)' \
		--exporter '$(EXPORTER)' --out '$(OUT)' $(ARGS)

.PHONY: review-trials
review-trials: python
	@$(REVIEW).trials $(TREE) --only '$(ONLY)'

.PHONY: races
races: python
	@$(RIG) races $(STOCK) \
		$(if $(filter-out 0,$(DEBUG)),--debug) $(ARGS)

.PHONY: player
player: python
	@$(RIG) player $(STOCK) \
		$(if $(filter-out 0,$(DEBUG)),--debug) \
		$(if $(filter-out 0,$(HUGETLB)),--hugetlb) $(ARGS)

.PHONY: bench
bench: python
	@$(RIG) bench $(STOCK) $(MACHINE)

.PHONY: hostile
hostile: python
	@$(RIG) hostile $(TREE) \
		$(if $(SECONDS),--seconds '$(SECONDS)') \
		$(if $(SEED),--seed '$(SEED)')

.PHONY: module
module: python
	@$(FANOUT) module $(STOCK) $(MACHINE) --kdir '$(KDIR)'

.PHONY: deb
deb: python
	@$(FANOUT) deb

.PHONY: deb-test
deb-test: python
	@$(FANOUT) deb-test --suite '$(SUITE)' \
		$(if $(filter-out 0,$(KEEP)),--keep)

.PHONY: series series-test
series series-test: python
	@PYTHONPATH=tools $(PYTHON) -m series $(if $(@:series=),test,make) $(TREE) \
		--signoff '$(subst ','\'',$(SIGNOFF))' --series '$(SERIES)'

.PHONY: fresh
fresh: python
	@$(FANOUT) fresh --suite '$(SUITE)' --targets '$(TARGETS)' \
		$(if $(filter-out 0,$(KEEP)),--keep)

.PHONY: clean
clean:
	rm -rf build

.PHONY: python
python:
	@command -v $(PYTHON) >/dev/null || { \
		echo 'error: $(PYTHON) is missing: apt-get install python3' >&2; \
		exit 2; }
