# SPDX-License-Identifier: GPL-2.0
# A front for tools/fanout, which does the work.

PYTHON ?= /usr/bin/python3
ARCH ?= um
FANOUT = PYTHONPATH=tools $(PYTHON) -m fanout
TREE = $(if $(KTREE),--ktree '$(KTREE)')

.PHONY: help
help:
	@echo 'make test            the KUnit suites in two UML kernels (plain, debug),'
	@echo '                     the tests of the tools, and their types'
	@echo 'make demo            what a CPU and two devices see through each exporter,'
	@echo '                     in QEMU on a stock kernel (DEBUG=1: a debug kernel)'
	@echo 'make races           two CPUs against the driver in QEMU, with KCSAN, then'
	@echo '                     a hostile program; 5 minutes (DEBUG=1: with KASAN)'
	@echo '     ARGS=...        ... for rig races, see its --help'
	@echo 'make bench           what each step costs, in instructions, beside the'
	@echo '                     stock exporters; five minutes'
	@echo 'make kunit           the KUnit suites in the plain UML kernel'
	@echo '     DEBUG=1         ... with KASAN, lockdep and DMA API debugging'
	@echo '     ARCH=x86_64     ... under QEMU; also arm64'
	@echo '     FILTER=GLOB     ... only these suites, or suite.test'
	@echo 'make hostile         random calls against a model, then every fault each'
	@echo '                     call can have, in the debug UML kernel'
	@echo '     SECONDS=60 SEED=1   ... for so long, from this seed'
	@echo 'make coverage        which lines and branches of the driver the suites'
	@echo '                     reach, under UML and x86_64: build/coverage/'
	@echo 'make check           checkpatch, kernel-doc, sparse, bindings, types'
	@echo 'make model           judge the sync plan by every history, ten minutes'
	@echo '     ARGS=...        ... for build/model/model, see its --help'
	@echo 'make mutants         put small mistakes into the driver: each must fail'
	@echo '                     a test (ONLY=GLOB: only these; LIST=1: show them)'
	@echo 'make module          build/module/udmabuf_fanout.ko'
	@echo '     KDIR=/path      ... against these kernel headers'
	@echo 'make tree            build/linux, for the kernel'\''s own kunit.py'
	@echo 'make bindings        generate the bindings'
	@echo 'make bindings-check  fail if they are not what the tree gives'
	@echo 'make clean           remove build/'
	@echo
	@echo 'KTREE=/path/to/linux with any of them: use this kernel tree, which'
	@echo 'is not changed, instead of the newest linux-source-6.12.'

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
model:
	@$(MAKE) -s -C tools/model
	@build/model/model $(ARGS)

.PHONY: model-docs
model-docs:
	@$(MAKE) -s -C tools/model docs

.PHONY: demo
demo: python
	@PYTHONPATH=tools $(PYTHON) -m rig demo \
		$(if $(filter-out 0,$(DEBUG)),--debug)

.PHONY: races
races: python
	@PYTHONPATH=tools $(PYTHON) -m rig races \
		$(if $(filter-out 0,$(DEBUG)),--debug) $(ARGS)

.PHONY: bench
bench: python
	@PYTHONPATH=tools $(PYTHON) -m rig bench

.PHONY: hostile
hostile: python
	@PYTHONPATH=tools $(PYTHON) -m rig hostile $(TREE) \
		$(if $(SECONDS),--seconds '$(SECONDS)') \
		$(if $(SEED),--seed '$(SEED)')

.PHONY: module
module: python
	@$(FANOUT) module --kdir '$(KDIR)'

.PHONY: clean
clean:
	rm -rf build

.PHONY: python
python:
	@command -v $(PYTHON) >/dev/null || { \
		echo 'error: $(PYTHON) is missing: apt-get install python3' >&2; \
		exit 2; }
