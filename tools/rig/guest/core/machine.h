/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The machine that the rig boots: its devices in PCI order, its memory in two
 * nodes, which exporters it may have, and what can be set in its kernel. Nothing
 * here knows what a buffer is.
 */
#ifndef CORE_MACHINE_H
#define CORE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define PAGE		4096UL
#define HUGE_PAGE	(512 * PAGE)
#define FOUR_GIB	0x100000000ULL
/* Node 0 is the memory below 4 GiB, node 1 what lies above. */
#define LOW_NODE	1UL
#define HIGH_NODE	2UL

/* In PCI order: which devices the rig gives the guest. */
enum device { B1, B2, D1, D2 };

extern const char *const device_names[];
extern bool all_bounced;	/* every device, by swiotlb=force */

/* As in enum dma_data_direction: what the device does. */
enum direction { BOTH, READS, WRITES };

struct exporter {
	const char *name;	/* in the results */
	const char *node;
	bool heap;		/* allocates, instead of taking memfds */
};

bool write_file(const char *path, const char *text);
void drop_caches(void);

/* Return: 0 or an errno. */
int load_module(const char *path, const char *parameters);

#endif
