# SPDX-License-Identifier: GPL-2.0
# A front for tools/fanout, which does the work.

PYTHON ?= /usr/bin/python3
ARCH ?= um
FANOUT = PYTHONPATH=tools $(PYTHON) -m fanout
TREE = $(if $(KTREE),--ktree '$(KTREE)')

.PHONY: help
help:
	@echo 'make test           both UML kernels, the tools'\'' tests, types'
	@echo 'make kunit          the KUnit suites under UML'
	@echo '     ARCH=x86_64|arm64   ... under QEMU instead'
	@echo '     DEBUG=1             ... with KASAN, lockdep, DMA API debugging'
	@echo '     FILTER=GLOB         ... only these suites or suite.tests'
	@echo '     KTREE=/path         ... in this kernel tree (it is not changed)'
	@echo 'make clean          remove build/'

.PHONY: kunit
kunit: python
	@$(FANOUT) kunit --arch '$(ARCH)' $(TREE) \
		$(if $(filter-out 0,$(DEBUG)),--debug) --filter '$(FILTER)'

.PHONY: clean
clean:
	rm -rf build

.PHONY: python
python:
	@command -v $(PYTHON) >/dev/null || { \
		echo 'error: $(PYTHON) is missing: apt-get install python3' >&2; \
		exit 2; }
