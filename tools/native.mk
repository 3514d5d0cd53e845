# SPDX-License-Identifier: GPL-2.0
# For native programs of parts of driver/ and kunit/, which are compiled unchanged.
# To be included from a folder whose objects go to $(OUT).

ROOT := $(abspath $(dir $(lastword $(MAKEFILE_LIST)))..)
CFLAGS ?= -O2 -g
# What is left out of an initializer is 0, in the kernel as well.
CFLAGS += -std=gnu11 -Wall -Wextra -Wno-missing-field-initializers -Werror \
	-pthread -MMD

define compile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<
endef

$(OUT)/%.o: %.c Makefile
	$(compile)

$(OUT)/%.o: $(ROOT)/kunit/%.c Makefile
	$(compile)

$(OUT)/%.o: $(ROOT)/driver/%.c Makefile
	$(compile)
