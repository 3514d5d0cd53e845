// SPDX-License-Identifier: GPL-2.0
/*
 * What there is in the kernel's world: how each architecture maintains its
 * caches, and what kinds of devices there are. Tables only; what follows from
 * them is told elsewhere.
 */
#include "model.h"

/*
 * Columns: DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE. An architecture
 * with less speculation and the same operations is a special case of its row.
 */
const struct model_arch model_archs[] = {
	{
		.name = "x86",
		.files = "no ARCH_HAS_SYNC_DMA_FOR_DEVICE, no _FOR_CPU",
		.supported = true,
		.all_snoop = true,
	}, {
		.name = "arm",
		/* v6 and later; xtensa is the same but for_device(FROM) = {} */
		.files = "arch/arm/mm/dma-mapping.c, cache-v7.S",
		.for_device = { OP_CLEAN, OP_CLEAN, OP_INVALIDATE },
		.for_cpu = { OP_INVALIDATE, OP_NONE, OP_INVALIDATE },
		.speculates = true,
		.supported = true,
	}, {
		.name = "arm64",
		.files = "arch/arm64/mm/dma-mapping.c, arch/riscv/mm/dma-noncoherent.c",
		.for_device = { OP_CLEAN, OP_CLEAN, OP_CLEAN },
		.for_cpu = { OP_INVALIDATE, OP_NONE, OP_INVALIDATE },
		.speculates = true,
		.supported = true,
	}, {
		.name = "mips",
		/* also arm v4 and v5, sh, hexagon, m68k (68040, ColdFire) */
		.files = "arch/mips/mm/dma-noncoherent.c, no post-DMA flush",
		.for_device = { OP_FLUSH, OP_CLEAN, OP_INVALIDATE },
		.for_cpu = { OP_NONE, OP_NONE, OP_NONE },
		.supported = true,
	}, {
		.name = "arc",
		/* also mips with post-DMA flush */
		.files = "arch/arc/mm/dma.c, arch/mips/mm/dma-noncoherent.c",
		.for_device = { OP_FLUSH, OP_CLEAN, OP_INVALIDATE },
		.for_cpu = { OP_INVALIDATE, OP_NONE, OP_INVALIDATE },
		.speculates = true,
		.supported = true,
	}, {
		.name = "csky",
		.files = "arch/csky/mm/dma-mapping.c",
		.for_device = { OP_FLUSH, OP_CLEAN, OP_FLUSH },
		.for_cpu = { OP_INVALIDATE, OP_NONE, OP_INVALIDATE },
		.speculates = true,
		.supported = true,
	}, {
		.name = "nios2",
		.files = "arch/nios2/mm/dma-mapping.c",
		.for_device = { OP_FLUSH, OP_FLUSH, OP_INVALIDATE },
		.for_cpu = { OP_INVALIDATE, OP_NONE, OP_INVALIDATE },
		.speculates = true,
		.supported = true,
	}, {
		.name = "powerpc",
		.files = "arch/powerpc/mm/dma-noncoherent.c",
		.for_device = { OP_FLUSH, OP_CLEAN, OP_INVALIDATE },
		.for_cpu = { OP_FLUSH, OP_CLEAN, OP_INVALIDATE },
		.speculates = true,
		.supported = true,
	}, {
		.name = "microblaze",
		.files = "arch/microblaze/kernel/dma.c",
		.for_device = { OP_FLUSH, OP_FLUSH, OP_INVALIDATE },
		.for_cpu = { OP_FLUSH, OP_FLUSH, OP_INVALIDATE },
		.speculates = true,
		.supported = true,
	}, {
		.name = "parisc",
		.files = "arch/parisc/kernel/pci-dma.c",
		.for_device = { OP_FLUSH, OP_FLUSH, OP_FLUSH },
		.for_cpu = { OP_FLUSH, OP_FLUSH, OP_INVALIDATE },
		.speculates = true,
		.supported = true,
	}, {
		.name = "write-through",
		/* also sparc LEON and xtensa, nommu or not */
		.files = "arch/arm/mm/cache-v4wt.S, arch/sparc/kernel/ioport.c",
		.for_device = { OP_NONE, OP_NONE, OP_NONE },
		.for_cpu = { OP_INVALIDATE, OP_NONE, OP_INVALIDATE },
		.speculates = true,
		.write_through = true,
		.supported = true,
	}, {
		/* What cpu_needs_post_dma_flush() is for. */
		.name = "mips without flush",
		.files = "arch/mips/mm/dma-noncoherent.c",
		.for_device = { OP_FLUSH, OP_CLEAN, OP_INVALIDATE },
		.for_cpu = { OP_NONE, OP_NONE, OP_NONE },
		.speculates = true,
	}, {
		.name = "openrisc",
		.files = "arch/openrisc/kernel/dma.c",
		.for_device = { OP_NONE, OP_FLUSH, OP_INVALIDATE },
		.for_cpu = { OP_NONE, OP_NONE, OP_NONE },
	}, {
		.name = "68060",
		.files = "arch/m68k/kernel/dma.c, arch/m68k/mm/memory.c",
		.for_device = { OP_CLEAN, OP_CLEAN, OP_INVALIDATE },
		.for_cpu = { OP_NONE, OP_NONE, OP_NONE },
	}, {
		.name = "68030",
		.files = "arch/m68k/kernel/dma.c, arch/m68k/mm/memory.c",
		.for_device = { OP_NONE, OP_NONE, OP_INVALIDATE },
		.for_cpu = { OP_NONE, OP_NONE, OP_NONE },
		.write_through = true,
	},
};

const unsigned int model_nr_archs = ARRAY_SIZE(model_archs);

#define OWN(part, snoops)	{ part, snoops, false }
#define COPY(part, snoops)	{ part, snoops, true }

const struct model_kind model_kinds[] = {
	{ "coherent", 1, { SYNC_COHERENT }, { OWN(0, true), OWN(0, true) } },
	{ "noncoherent", 1, { SYNC_NONCOHERENT },
	  { OWN(0, false), OWN(0, false) } },
	{ "copy", 1, { SYNC_COPY }, { COPY(0, true), COPY(0, true) } },
	{ "copy, does not snoop", 1, { SYNC_COPY },
	  { COPY(0, false), COPY(0, false) } },
	{ "coherent, partly copy", 2, { SYNC_COHERENT, SYNC_COPY },
	  { OWN(0, true), COPY(1, true) } },
	{ "partly copy, coherent", 2, { SYNC_COHERENT, SYNC_COPY },
	  { COPY(1, true), OWN(0, true) } },
	{ "noncoherent, partly copy", 2, { SYNC_NONCOHERENT, SYNC_COPY },
	  { OWN(0, false), COPY(1, false) } },
	{ "partly copy, noncoherent", 2, { SYNC_NONCOHERENT, SYNC_COPY },
	  { COPY(1, false), OWN(0, false) } },
};

const unsigned int model_nr_kinds = ARRAY_SIZE(model_kinds);
