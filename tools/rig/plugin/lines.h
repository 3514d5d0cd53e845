/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the lines of a write-back cache may hold while devices use memory behind
 * its back, byte by byte: the judge. Nothing here knows of QEMU.
 *
 * A line may be written back, dropped or read in at any moment, as no program can
 * tell when a real cache does. So whatever may have happened counts, and only what
 * is read afterwards is found.
 */
#ifndef PLUGIN_LINES_H
#define PLUGIN_LINES_H

#include <stdbool.h>
#include <stdint.h>

#define LINE		64
/* Memory ends here; what lies above is not followed. */
#define MEMORY_END	(1ULL << 36)

/* Why a reader may get wrong bytes. */
enum found {
	/* a device reads what the CPU stored, and nothing has cleaned since */
	FOUND_DIRTY = 1,
	/* the CPU reads what a device wrote, and nothing has invalidated since */
	FOUND_STALE = 2,
	/* what a device wrote in a line that was dirty, or became so before an
	 * invalidate: written back, the line takes it along
	 */
	FOUND_OVERWRITTEN = 4,
	/* what the CPU stored, when an invalidate came before a clean */
	FOUND_DISCARDED = 8,
};

/* Physical addresses; any number of bytes. */
void cpu_stores(uint64_t at, uint64_t bytes);
void cpu_loads(uint64_t at, uint64_t bytes);
void device_reads(uint64_t at, uint64_t bytes);
/* A device writes at some moment between two calls, of which the 2nd has @ended. */
void device_writes(uint64_t at, uint64_t bytes, bool ended);

/* Maintenance of the line that @at is in. */
void clean(uint64_t at);
void invalidate(uint64_t at);
void clean_and_invalidate(uint64_t at);

/* The user's: called once for each line and cause, until the line changes. */
void report_line(uint64_t line, enum found what, bool by_device);

#endif
