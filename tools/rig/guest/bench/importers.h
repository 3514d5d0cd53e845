/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The second bench: what START and END cost for how many importers of which kind.
 */
#ifndef BENCH_IMPORTERS_H
#define BENCH_IMPORTERS_H

#include "../core/machine.h"

/* Devices after those on PCI: noncoherent wherever a stand-in is. */
#define STAND_INS	"mask_bits=32,32,64,64,64,32 stand_ins=2"

int run_importers(const struct exporter *exporters, unsigned int count);

#endif
