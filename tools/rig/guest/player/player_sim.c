// SPDX-License-Identifier: GPL-2.0
/*
 * What the player can be played on without a kernel: a model exporter that
 * merges by twin and diff, as simple as can be, and the same with a mistake.
 * The oracle must be silent about the former, whatever it is free to do, and
 * must notice each of the latter. A program for the tests of the tools:
 *
 *	player_sim SEED GAMES [WORD...]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/dma-buf.h>

#include "games.h"

#define BOUNCED	2	/* the devices that have a copy */

static char *const *words;
static __u8 page[BYTES];
static struct {
	bool mapped;
	bool writes;
	__u8 copy[BYTES], twin[BYTES];
} devices[DEVICES];
static unsigned int open_writes[PROCESSES];
static bool forgotten, kernel_mapped;

/* Whether the command line has @word. */
static bool with(const char *word)
{
	char *const *w;

	for (w = words; *w; w++)
		if (!strcmp(*w, word))
			return true;
	return false;
}

static void print(const char *line)
{
	puts(line);
}

/* Both bounced devices use the first one's copy. */
static __u8 *copy_of(unsigned int d)
{
	return devices[with("shared") ? 0 : d].copy;
}

static __u8 *twin_of(unsigned int d)
{
	return devices[with("shared") ? 0 : d].twin;
}

static void fetch_from(unsigned int d)
{
	__u8 *copy = copy_of(d), *twin = twin_of(d);
	unsigned int i, j;

	if (d >= BOUNCED || !devices[d].mapped || !devices[d].writes)
		return;
	for (i = 0; i < BYTES; i++) {
		if (with("copy-all")) {
			page[i] = copy[i];
			continue;
		}
		if (copy[i] == twin[i])
			continue;
		if (with("by-word")) {
			for (j = i & ~3U; j < (i | 3U) + 1; j++)
				page[j] = copy[j];
			memcpy(twin + (i & ~3U), copy + (i & ~3U), 4);
			continue;
		}
		/* Both wrote: either may stand. */
		if (!with("cpu-wins") || page[i] == twin[i])
			page[i] = copy[i];
		twin[i] = copy[i];
	}
}

static void push_to(unsigned int d)
{
	__u8 *copy = copy_of(d), *twin = twin_of(d);
	unsigned int i;

	if (d >= BOUNCED || !devices[d].mapped)
		return;
	for (i = 0; i < BYTES; i++)
		if (with("push-all") || page[i] != twin[i]) {
			copy[i] = page[i];
			twin[i] = page[i];
		}
}

static void fetch_all(void)
{
	unsigned int d;

	for (d = 0; d < DEVICES; d++)
		fetch_from(d);
}

static void push_all(void)
{
	unsigned int d;

	for (d = 0; d < DEVICES; d++)
		push_to(d);
}

static int world_open(void)
{
	memset(devices, 0, sizeof(devices));
	memset(open_writes, 0, sizeof(open_writes));
	forgotten = false;
	kernel_mapped = false;
	return 0;
}

static void world_close(void)
{
}

static int world_map(unsigned int device, unsigned int direction)
{
	const bool joins = with("shared") && device < BOUNCED &&
			   devices[!device].mapped;

	if (!with("map-fetches-nothing"))
		fetch_all();
	push_all();
	devices[device].mapped = true;
	devices[device].writes = direction != 1;
	if (!joins && device < BOUNCED) {
		memcpy(copy_of(device), page, BYTES);
		memcpy(twin_of(device), page, BYTES);
	}
	return 0;
}

static int world_unmap(unsigned int device)
{
	if (!with("unmap-in-access-loses") ||
	    !(open_writes[0] || open_writes[1] || forgotten))
		fetch_all();
	devices[device].mapped = false;
	if (!with("unmap-pushes-nothing"))
		push_all();
	return 0;
}

static int world_device(unsigned int device, bool write, unsigned int at,
			unsigned int bytes, __u8 *data)
{
	__u8 *memory = device < BOUNCED ? copy_of(device) : page;

	if (write)
		memcpy(memory + at, data, bytes);
	else
		memcpy(data, memory + at, bytes);
	return 0;
}

static int world_sync(unsigned int worker, __u64 flags)
{
	unsigned int *own = &open_writes[worker / 2];
	const bool write = flags & DMA_BUF_SYNC_WRITE;
	const bool any = open_writes[0] || open_writes[1] || forgotten;

	if (!(flags & DMA_BUF_SYNC_END)) {
		if (write)
			(*own)++;
		/* What the first stage did. */
		if (with("open-write-stops-fetch") && any)
			return 0;
		fetch_all();
		if (with("start-pushes"))
			push_all();
		return 0;
	}
	if (with("end-by-owner-only") && write && !*own)
		return 0;
	if (write && *own)
		(*own)--;
	/* Where START has pushed, an END for reading has nothing to show. */
	if (!write && (with("end-read-pushes-nothing") ||
		       (with("start-pushes") && !any)))
		return 0;
	if (!with("end-pushes-nothing"))
		push_all();
	return 0;
}

static int world_interrupted(unsigned int worker, __u64 flags,
			     unsigned int device, bool write, unsigned int at,
			     unsigned int bytes, __u8 *data)
{
	if (with("failed-start-counts"))
		world_sync(worker, flags);
	world_device(device, write, at, bytes, data);
	return EINTR;
}

static int world_store(unsigned int worker, bool memfd, unsigned int at,
		       unsigned int bytes, const __u8 *data)
{
	memcpy(page + at, data, bytes);
	return 0;
}

static int world_load(unsigned int worker, bool memfd, unsigned int at,
		      unsigned int bytes, __u8 *data)
{
	memcpy(data, page + at, bytes);
	return 0;
}

static int world_kernel_map(void)
{
	kernel_mapped = true;
	return 0;
}

static int world_kernel_store(unsigned int at, unsigned int bytes,
			      const __u8 *data)
{
	return world_store(0, false, at, bytes, data);
}

static int world_kernel_unmap(void)
{
	if (with("vunmap-pushes-old"))
		push_all();
	kernel_mapped = false;
	return 0;
}

static int world_half_begin(unsigned int access)
{
	forgotten |= access & DMA_BUF_SYNC_WRITE;
	fetch_all();
	return 0;
}

static int world_kill(unsigned int process)
{
	open_writes[process] = 0;
	return 0;
}

static unsigned int world_seconds(void)
{
	return 0;
}

static const struct world world = {
	.names = { "bounced 1", "bounced 2", "direct 1" },
	.open = world_open,
	.close = world_close,
	.map = world_map,
	.unmap = world_unmap,
	.device = world_device,
	.sync = world_sync,
	.interrupted = world_interrupted,
	.store = world_store,
	.load = world_load,
	.kernel_map = world_kernel_map,
	.kernel_store = world_kernel_store,
	.kernel_unmap = world_kernel_unmap,
	.half_begin = world_half_begin,
	.kill = world_kill,
	.seconds = world_seconds,
	.say = print,
};

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	words = argv + 3;
	return !play_games(&world, atoi(argv[1]), atoi(argv[2]), 1, false);
}
