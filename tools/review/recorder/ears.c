// SPDX-License-Identifier: GPL-2.0
/*
 * The ears: the DMA API's trace events and the architecture's cache hooks, and
 * what of the data is seen to have moved when one of them speaks. What was heard
 * in a call is told when it is over, for only then is known where a device that
 * was being mapped finds its places.
 */
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/lockdep.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/stacktrace.h>
#include <linux/tracepoint.h>
#include <trace/events/dma.h>

#include "recorder.h"

#define MOST		512	/* heard in one call */
#define RANGES		16
#define DEPTH		24
#define TABLES		32

enum what {
	MAP,
	UNMAP,
	FOR_CPU,
	FOR_DEVICE,
	WAIT,
	LATE,
	VIEWS,
};

static const char * const words[] = {
	[MAP] = "map", [UNMAP] = "unmap", [FOR_CPU] = "for_cpu",
	[FOR_DEVICE] = "for_device",
};

struct views {
	u8 of[1 + DEVICES][PLACES];
};

struct heard {
	enum what what;
	struct device *dev;
	enum dma_data_direction dir;
	unsigned long attrs;
	size_t bytes;
	size_t maintained;
	struct {
		dma_addr_t first;
		size_t size;
	} range[RANGES];
	unsigned int nr_ranges;
	struct device *table;
	char locks[64];
	unsigned int place;
	struct views views;
	unsigned long stack[DEPTH];
	unsigned int depth;
};

static DEFINE_SPINLOCK(lock);
static bool listening;
static struct buffer *buffer;
static struct importer *importers;
static unsigned int nr_importers;

static struct heard heard[MOST];
static unsigned int nr_heard;
static size_t pending;			/* maintained before its event */
static struct heard *unmapping;		/* its maintenance comes after it */
static struct views last;

/* Which device a table was mapped for. */
static struct {
	const struct scatterlist *sgl;
	struct device *dev;
} tables[TABLES];

static struct heard *add(enum what what)
{
	if (nr_heard == MOST) {
		fail("more than %u events in one call", MOST);
		return NULL;
	}
	memset(&heard[nr_heard], 0, sizeof(heard[0]));
	heard[nr_heard].what = what;
	return &heard[nr_heard++];
}

static u64 stamps;			/* of this history, the lowest byte 0 */

/**
 * stamp_of() - what a write leaves at a place
 * @value: the number of the write, 1 for what is there before any
 *
 * Return: the stamp; no other history has the same.
 */
u64 stamp_of(unsigned int value)
{
	return stamps | value;
}

static u8 value_at(const void *place)
{
	u64 stamp;

	if (!place)
		return 0;
	stamp = READ_ONCE(*(const u64 *)place);
	return (stamp & ~0xffULL) == stamps ? stamp & 0xff : 0;
}

/* What all would read, if it is not what they would have before. */
static void look(void)
{
	struct views now = {};
	struct heard *event;
	unsigned int i, p;

	for (p = 0; p < PLACES; p++) {
		now.of[0][p] = value_at(buffer->place[p]);
		for (i = 0; i < nr_importers; i++)
			now.of[1 + i][p] = value_at(importers[i].view[p]);
	}
	if (!memcmp(&now, &last, sizeof(now)))
		return;
	event = add(VIEWS);
	if (event)
		event->views = now;
	last = now;
}

/* What lockdep says this thread holds, without the ears' own lock. */
static void name_locks(char *text, size_t size)
{
	size_t n = 0;
	int i;

	for (i = 0; i < current->lockdep_depth; i++) {
		const struct lockdep_map *map = current->held_locks[i].instance;

		if (map == &lock.dep_map ||
		    !strcmp(map->name, "reservation_ww_class_acquire"))
			continue;
		n += scnprintf(text + n, size - n, "%s%s", n ? "+" : "",
			       strstarts(map->name, "reservation_ww") ? "resv" :
			       map->name + (*map->name == '&'));
	}
	if (!n)
		strscpy(text, "-", size);
}

static struct heard *hear(enum what what, struct device *dev,
			  enum dma_data_direction dir, unsigned long attrs)
{
	struct heard *event;

	look();
	event = add(what);
	if (!event)
		return NULL;
	event->dev = dev;
	event->dir = dir;
	event->attrs = attrs;
	name_locks(event->locks, sizeof(event->locks));
	event->depth = stack_trace_save(event->stack, DEPTH, 0);
	unmapping = NULL;
	if (what == UNMAP) {
		unmapping = event;
	} else {
		event->maintained = pending;
		pending = 0;
	}
	return event;
}

static void cover(struct heard *event, dma_addr_t first, size_t size)
{
	event->bytes += size;
	if (event->nr_ranges == RANGES) {
		fail("a table with more than %u entries", RANGES);
		return;
	}
	event->range[event->nr_ranges].first = first;
	event->range[event->nr_ranges++].size = size;
}

static void hear_list(enum what what, struct device *dev,
		      struct scatterlist *sgl, int nents,
		      enum dma_data_direction dir, unsigned long attrs)
{
	struct heard *event;
	struct scatterlist *sg;
	unsigned int t, free = TABLES;
	unsigned long flags;
	int i;

	spin_lock_irqsave(&lock, flags);
	if (!listening)
		goto out;
	event = hear(what, dev, dir, attrs);
	if (!event)
		goto out;
	/* Not sg_page(): DMABUF_DEBUG of 6.12 scrambles it. */
	for_each_sg(sgl, sg, nents, i)
		cover(event, sg_dma_address(sg), sg->length);
	for (t = 0; t < TABLES; t++) {
		if (tables[t].sgl == sgl)
			break;
		if (!tables[t].sgl)
			free = t;
	}
	if (t == TABLES)
		t = free;
	if (t == TABLES) {
		fail("more than %u tables", TABLES);
		goto out;
	}
	if (what == MAP) {
		tables[t].sgl = sgl;
		tables[t].dev = dev;
	}
	event->table = tables[t].dev;
	if (what == UNMAP) {
		tables[t].sgl = NULL;
		tables[t].dev = NULL;
	}
out:
	spin_unlock_irqrestore(&lock, flags);
}

static void hear_range(enum what what, struct device *dev, dma_addr_t address,
		       size_t size, enum dma_data_direction dir,
		       unsigned long attrs)
{
	struct heard *event;
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	event = listening ? hear(what, dev, dir, attrs) : NULL;
	if (event) {
		event->table = dev;
		cover(event, address, size);
	}
	spin_unlock_irqrestore(&lock, flags);
}

/* Map and sync are told of when they are done, unmap before. */

static void map_sg(void *data, struct device *dev, struct scatterlist *sgl,
		   int nents, int ents, enum dma_data_direction dir,
		   unsigned long attrs)
{
	hear_list(MAP, dev, sgl, ents, dir, attrs);
}

static void unmap_sg(void *data, struct device *dev, struct scatterlist *sgl,
		     int nents, enum dma_data_direction dir,
		     unsigned long attrs)
{
	hear_list(UNMAP, dev, sgl, nents, dir, attrs);
}

static void sg_for_cpu(void *data, struct device *dev, struct scatterlist *sgl,
		       int nents, enum dma_data_direction dir)
{
	hear_list(FOR_CPU, dev, sgl, nents, dir, 0);
}

static void sg_for_device(void *data, struct device *dev,
			  struct scatterlist *sgl, int nents,
			  enum dma_data_direction dir)
{
	hear_list(FOR_DEVICE, dev, sgl, nents, dir, 0);
}

static void map_range(void *data, struct device *dev, phys_addr_t phys,
		      dma_addr_t address, size_t size,
		      enum dma_data_direction dir, unsigned long attrs)
{
	hear_range(MAP, dev, address, size, dir, attrs);
}

static void unmap_range(void *data, struct device *dev, dma_addr_t address,
			size_t size, enum dma_data_direction dir,
			unsigned long attrs)
{
	hear_range(UNMAP, dev, address, size, dir, attrs);
}

static void range_for_cpu(void *data, struct device *dev, dma_addr_t address,
			  size_t size, enum dma_data_direction dir)
{
	hear_range(FOR_CPU, dev, address, size, dir, 0);
}

static void range_for_device(void *data, struct device *dev,
			     dma_addr_t address, size_t size,
			     enum dma_data_direction dir)
{
	hear_range(FOR_DEVICE, dev, address, size, dir, 0);
}

/* By name: 6.18 renamed some. One of each pair is there. */
static struct {
	const char *name;
	void *probe;
	unsigned int of;
	bool found;
} probes[] = {
	{ "dma_map_sg", map_sg, 0 },
	{ "dma_unmap_sg", unmap_sg, 1 },
	{ "dma_sync_sg_for_cpu", sg_for_cpu, 2 },
	{ "dma_sync_sg_for_device", sg_for_device, 3 },
	{ "dma_sync_single_for_cpu", range_for_cpu, 4 },
	{ "dma_sync_single_for_device", range_for_device, 5 },
	{ "dma_map_page", map_range, 6 },
	{ "dma_map_phys", map_range, 6 },
	{ "dma_unmap_page", unmap_range, 7 },
	{ "dma_unmap_phys", unmap_range, 7 },
};

static void probe(struct tracepoint *tp, void *data)
{
	unsigned int i;
	int error;

	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		if (strcmp(tp->name, probes[i].name))
			continue;
		error = tracepoint_probe_register(tp, probes[i].probe, NULL);
		probes[i].found = !error;
	}
}

/**
 * ears_init() - begin to listen
 *
 * Return: 0, or -ENOENT if this kernel has no trace event for something.
 */
int ears_init(void)
{
	unsigned int i, all = 0;

	for_each_kernel_tracepoint(probe, NULL);
	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (probes[i].found)
			all |= BIT(probes[i].of);
	return all == GENMASK(7, 0) ? 0 : -ENOENT;
}

static void maintain(size_t size)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	if (listening) {
		look();
		if (unmapping && unmapping->maintained < unmapping->bytes)
			unmapping->maintained += size;
		else
			pending += size;
	}
	spin_unlock_irqrestore(&lock, flags);
}

/* The architecture: it has no caches, and only tells. */

void arch_sync_dma_for_device(phys_addr_t phys, size_t size,
			      enum dma_data_direction dir)
{
	maintain(size);
}

void arch_sync_dma_for_cpu(phys_addr_t phys, size_t size,
			   enum dma_data_direction dir)
{
	maintain(size);
}

/**
 * ears_hear_wait() - somebody begins to wait for a device's write
 */
void ears_hear_wait(void)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	if (listening) {
		look();
		add(WAIT);
	}
	spin_unlock_irqrestore(&lock, flags);
}

/**
 * ears_hear_late() - a write that was announced has been made
 * @importer: whose
 * @place: where
 */
void ears_hear_late(struct importer *importer, unsigned int place)
{
	unsigned long flags;
	struct heard *event;

	spin_lock_irqsave(&lock, flags);
	if (listening) {
		event = add(LATE);
		if (event) {
			event->dev = importer->dev;
			event->place = place;
		}
		look();
	}
	spin_unlock_irqrestore(&lock, flags);
}

/**
 * ears_history() - a history begins; nothing is known yet
 */
void ears_history(void)
{
	memset(&last, 0, sizeof(last));
	memset(tables, 0, sizeof(tables));
	stamps = (stamps | 0x57a3900000000000ULL) + 0x100;
}

/**
 * ears_listen() - a call begins
 * @buf: the buffer
 * @imp: its importers
 * @nr: how many
 */
void ears_listen(struct buffer *buf, struct importer *imp, unsigned int nr)
{
	buffer = buf;
	importers = imp;
	nr_importers = nr;
	nr_heard = 0;
	pending = 0;
	unmapping = NULL;
	listening = true;
}

static struct importer *importer_of(const struct device *dev)
{
	unsigned int i;

	for (i = 0; i < nr_importers; i++)
		if (importers[i].dev == dev)
			return &importers[i];
	return NULL;
}

static const char *name_of(const struct device *dev)
{
	struct importer *importer = importer_of(dev);

	if (!dev)
		return "?";
	return importer ? importer->name : "exporter";
}

/* An exporter's own device uses physical addresses. */
static bool covers(const struct heard *event, unsigned int place)
{
	struct importer *importer = importer_of(event->dev);
	dma_addr_t address = importer ? importer->address[place] :
			     buffer->place[place] ?
			     virt_to_phys(buffer->place[place]) : 0;
	unsigned int i;

	for (i = 0; address && i < event->nr_ranges; i++)
		if (address - event->range[i].first < event->range[i].size)
			return true;
	return false;
}

static void tell_event(const struct heard *event)
{
	static const char * const dirs[] = { "both", "to", "from", "none" };
	char attrs[24] = "-", places[PLACES + 1] = "-", stack[DEPTH * 18];
	unsigned int i, p, n = 0;

	if (event->attrs == DMA_ATTR_SKIP_CPU_SYNC)
		strscpy(attrs, "skip");
	else if (event->attrs & DMA_ATTR_SKIP_CPU_SYNC)
		snprintf(attrs, sizeof(attrs), "skip+%lx",
			 event->attrs & ~DMA_ATTR_SKIP_CPU_SYNC);
	else if (event->attrs)
		snprintf(attrs, sizeof(attrs), "%lx", event->attrs);
	for (p = 0; p < PLACES; p++)
		if (covers(event, p))
			places[n++] = 'a' + p;
	say("%s %s %s %s %zu %s %s %s %zu", words[event->what],
	    name_of(event->dev), dirs[event->dir], attrs, event->bytes, places,
	    name_of(event->table), event->locks, event->maintained);
	for (i = 0, n = 0; i < event->depth; i++)
		n += scnprintf(stack + n, sizeof(stack) - n, " %lx",
			       event->stack[i]);
	say("at%s", stack);
}

static void tell_views(const struct views *views)
{
	char text[160];
	unsigned int i, p, n = 0;

	for (i = 0; i <= nr_importers; i++) {
		n += scnprintf(text + n, sizeof(text) - n, " %s",
			       i ? importers[i - 1].name : "cpu");
		for (p = 0; p < PLACES; p++)
			n += scnprintf(text + n, sizeof(text) - n, ":%u",
				       views->of[i][p]);
	}
	say("views%s", text);
}

/**
 * ears_tell() - the call is over: say what was heard in it
 */
void ears_tell(void)
{
	unsigned int i;

	look();
	listening = false;
	for (i = 0; i < nr_heard; i++) {
		switch (heard[i].what) {
		case VIEWS:
			tell_views(&heard[i].views);
			break;
		case WAIT:
			say("wait");
			break;
		case LATE:
			say("late %s %c", name_of(heard[i].dev),
			    'a' + heard[i].place);
			break;
		default:
			tell_event(&heard[i]);
			break;
		}
	}
}
