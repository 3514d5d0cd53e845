// SPDX-License-Identifier: GPL-2.0
/*
 * The scenarios: who attaches, who writes when, who must then see it. Each is
 * run once for every order in which its peers can attach, on every exporter.
 */
#include <errno.h>

#include "../core/buffers.h"
#include "../core/steps.h"
#include "table.h"

#define READ_ACCESS	DMA_BUF_SYNC_READ
#define WRITE_ACCESS	DMA_BUF_SYNC_WRITE

static void device_to_cpu(struct run *r)
{
	device_write(r, 0, 0);
	begin(r, READ_ACCESS);
	cpu_check(r, 0, DEVICE);
	end(r, READ_ACCESS);
}

static void cpu_to_device(struct run *r)
{
	begin(r, WRITE_ACCESS);
	cpu_write(r, 0);
	end(r, WRITE_ACCESS);
	device_check(r, 0, 0, CPU);
}

/* 4 bytes of a page that the device has just written. */
static void partial_write(struct run *r)
{
	device_write_at(r, 0, 5 * PAGE, 1024);
	begin(r, WRITE_ACCESS);
	cpu_write_at(r, 5 * PAGE + 2048, 4);
	end(r, WRITE_ACCESS);
}

static void partial_write_device(struct run *r)
{
	partial_write(r);
	device_check_at(r, 0, 5 * PAGE, 1024, DEVICE);
}

static void partial_write_cpu(struct run *r)
{
	partial_write(r);
	begin(r, READ_ACCESS);
	cpu_check_at(r, 5 * PAGE, 1024, DEVICE);
	end(r, READ_ACCESS);
}

static void fence_cpu_reads(struct run *r)
{
	device_write_late(r, 0, LATE_AT, 1024);
	begin(r, READ_ACCESS);
	cpu_check_at(r, LATE_AT, 1024, DEVICE);
	end(r, READ_ACCESS);
}

static void through_read_access(struct run *r)
{
	device_write(r, 0, 0);
	begin(r, READ_ACCESS);
	end(r, READ_ACCESS);
	device_check(r, 1, 0, DEVICE);
}

static void idle_writer(struct run *r)
{
	begin(r, WRITE_ACCESS);
	cpu_write(r, 0);
	end(r, WRITE_ACCESS);
	begin(r, READ_ACCESS);
	cpu_check(r, 0, CPU);
	end(r, READ_ACCESS);
}

static void open_write_kept(struct run *r)
{
	begin(r, WRITE_ACCESS);
	cpu_write(r, 0);
	begin(r, READ_ACCESS);
	cpu_check(r, 0, CPU);
	end(r, READ_ACCESS);
	end(r, WRITE_ACCESS);
}

static void open_write_seen(struct run *r)
{
	begin(r, WRITE_ACCESS);
	cpu_write(r, 0);
	begin(r, WRITE_ACCESS);
	cpu_write(r, 1);
	end(r, WRITE_ACCESS);
	end(r, WRITE_ACCESS);
	device_check(r, 0, 0, CPU);
	device_check(r, 0, 1, CPU);
}

static void open_write_read_seen(struct run *r)
{
	begin(r, WRITE_ACCESS);
	cpu_write(r, 0);
	begin(r, READ_ACCESS);
	end(r, READ_ACCESS);
	end(r, WRITE_ACCESS);
	device_check(r, 0, 0, CPU);
}

/* Two accesses that end in the order in which they began. */
static void overlapping(struct run *r)
{
	device_write(r, 0, 0);
	begin(r, READ_ACCESS);
	begin(r, WRITE_ACCESS);
	cpu_write(r, 1);
	cpu_check(r, 0, DEVICE);
	end(r, READ_ACCESS);
	cpu_check(r, 1, CPU);
	end(r, WRITE_ACCESS);
	device_check(r, 0, 0, DEVICE);
	device_check(r, 0, 1, CPU);
}

static void writer_unmaps(struct run *r)
{
	device_write(r, 0, 0);
	leave(r, 0);
	begin(r, READ_ACCESS);
	cpu_check(r, 0, DEVICE);
	end(r, READ_ACCESS);
}

static void writer_unmaps_reader(struct run *r)
{
	device_write(r, 0, 0);
	leave(r, 0);
	begin(r, READ_ACCESS);
	end(r, READ_ACCESS);
	device_check(r, 1, 0, DEVICE);
}

static void reclaimed(struct run *r)
{
	begin(r, WRITE_ACCESS);
	cpu_write_at(r, 0, r->pages * PAGE);
	end(r, WRITE_ACCESS);
	close_buffer(r);
	drop_caches();
	memfd_check_all(r, CPU);
}

static void reclaimed_device(struct run *r)
{
	device_write(r, 0, 0);
	close_buffer(r);
	drop_caches();
	memfd_check(r, 0, DEVICE);
}

static void two_readers(struct run *r)
{
	begin(r, WRITE_ACCESS);
	cpu_write(r, 0);
	end(r, WRITE_ACCESS);
	device_check(r, 0, 0, CPU);
	device_check(r, 1, 0, CPU);
}

static void three_devices(struct run *r)
{
	device_write(r, 0, 0);
	begin(r, READ_ACCESS | WRITE_ACCESS);
	cpu_check(r, 0, DEVICE);
	cpu_write(r, 1);
	end(r, READ_ACCESS | WRITE_ACCESS);
	device_check(r, 1, 0, DEVICE);
	device_check(r, 2, 0, DEVICE);
	device_check(r, 1, 1, CPU);
	device_check(r, 2, 1, CPU);
}

static void reader_joins(struct run *r)
{
	begin(r, WRITE_ACCESS);
	cpu_write(r, 0);
	join(r, 0);
	cpu_write(r, 1);
	end(r, WRITE_ACCESS);
	device_check(r, 0, 0, CPU);
	device_check(r, 0, 1, CPU);
}

static void writer_joins(struct run *r)
{
	begin(r, WRITE_ACCESS);
	cpu_write(r, 0);
	join(r, 0);
	cpu_check(r, 0, CPU);
	cpu_write(r, 1);
	end(r, WRITE_ACCESS);
	device_write(r, 0, 1);
	begin(r, READ_ACCESS);
	cpu_check(r, 0, CPU);
	cpu_check(r, 1, DEVICE);
	end(r, READ_ACCESS);
}

/* Device and CPU write neighbouring bytes of one cache line. */
static void one_line(struct run *r)
{
	device_write_at(r, 0, 5 * PAGE, 40);
	begin(r, WRITE_ACCESS);
	cpu_write_at(r, 5 * PAGE + 40, 40);
	end(r, WRITE_ACCESS);
	device_check_at(r, 0, 5 * PAGE, 40, DEVICE);
	device_check_at(r, 0, 5 * PAGE + 40, 40, CPU);
	begin(r, READ_ACCESS);
	cpu_check_at(r, 5 * PAGE, 40, DEVICE);
	cpu_check_at(r, 5 * PAGE + 40, 40, CPU);
	end(r, READ_ACCESS);
}

static void both_ways(struct run *r)
{
	device_write(r, 0, 0);
	begin(r, READ_ACCESS | WRITE_ACCESS);
	cpu_check(r, 0, DEVICE);
	cpu_write(r, 1);
	end(r, READ_ACCESS | WRITE_ACCESS);
	device_check(r, 0, 0, DEVICE);
	device_check(r, 0, 1, CPU);
}

static void both_ways_memfd(struct run *r)
{
	device_write(r, 0, 0);
	begin(r, READ_ACCESS | WRITE_ACCESS);
	memfd_check(r, 0, DEVICE);
	memfd_write(r, 1);
	end(r, READ_ACCESS | WRITE_ACCESS);
	device_check(r, 0, 0, DEVICE);
	device_check(r, 0, 1, CPU);
}

static void same_twice(struct run *r)
{
	device_write_at(r, 0, 0, 1024);
	begin(r, READ_ACCESS);
	cpu_check_at(r, 0, 1024, DEVICE);
	end(r, READ_ACCESS);
}

static void fence_cpu_writes(struct run *r)
{
	device_write_late(r, 0, LATE_AT, 1024);
	begin(r, WRITE_ACCESS);
	cpu_write_at(r, NEXT_TO_LATE, 1024);
	end(r, WRITE_ACCESS);
	begin(r, READ_ACCESS);
	cpu_check_at(r, LATE_AT, 1024, DEVICE);
	cpu_check_at(r, NEXT_TO_LATE, 1024, CPU);
	end(r, READ_ACCESS);
	device_check_at(r, 0, LATE_AT, 1024, DEVICE);
	device_check_at(r, 0, NEXT_TO_LATE, 1024, CPU);
}

static void fence_reader(struct run *r)
{
	device_read_late(r, 0, LATE_AT, 1024);
	begin(r, WRITE_ACCESS);
	cpu_write_at(r, LATE_AT, 1024);
	end(r, WRITE_ACCESS);
	device_check_late(r, 0, LATE_AT, 1024, OLD);
	device_check_at(r, 0, LATE_AT, 1024, CPU);
}

/* A signal hits START while it waits; the caller calls again, or the kernel. */
static void interrupted_begin(struct run *r, __u64 access, bool restart)
{
	int error = try_sync_interrupted(r, access | DMA_BUF_SYNC_START,
					 restart);

	if (error == 0 && !restart)
		broken(r, "the SYNC call was not interrupted");
	if (error == EINTR)
		begin(r, access);
	else if (error)
		refused(r, error);
}

static void interrupted_read(struct run *r)
{
	device_write_late(r, 0, LATE_AT, 1024);
	interrupted_begin(r, READ_ACCESS, false);
	cpu_check_at(r, LATE_AT, 1024, DEVICE);
	end(r, READ_ACCESS);
}

static void restarted_read(struct run *r)
{
	device_write_late(r, 0, LATE_AT, 1024);
	interrupted_begin(r, READ_ACCESS, true);
	cpu_check_at(r, LATE_AT, 1024, DEVICE);
	end(r, READ_ACCESS);
}

/* An access that was begun twice and ended once must not stay open. */
static void interrupted_write(struct run *r)
{
	device_write_late(r, 0, LATE_AT, 1024);
	interrupted_begin(r, WRITE_ACCESS, false);
	cpu_write(r, 1);
	end(r, WRITE_ACCESS);
	device_write(r, 0, 0);
	begin(r, READ_ACCESS);
	cpu_check(r, 0, DEVICE);
	cpu_check(r, 1, CPU);
	cpu_check_at(r, LATE_AT, 1024, DEVICE);
	end(r, READ_ACCESS);
}

static void remapped(struct run *r)
{
	device_write(r, 0, 0);
	unmap_peer(r, 0);
	begin(r, READ_ACCESS);
	cpu_check(r, 0, DEVICE);
	end(r, READ_ACCESS);
	map_peer(r, 0);
	device_write(r, 0, 1);
	begin(r, READ_ACCESS | WRITE_ACCESS);
	cpu_check(r, 1, DEVICE);
	cpu_check(r, 0, DEVICE);
	cpu_write(r, 0);
	end(r, READ_ACCESS | WRITE_ACCESS);
	device_check(r, 0, 0, CPU);
}

static void two_writers(struct run *r)
{
	device_write(r, 0, 0);
	device_write(r, 1, 1);
	begin(r, READ_ACCESS);
	cpu_check(r, 0, DEVICE);
	cpu_check(r, 1, DEVICE);
	end(r, READ_ACCESS);
}

static const struct scenario scenarios[] = {
	/* The table of what stock kernels do: each row of it, in its order. */
	{ "bounced-writer", "bounced writer -> CPU",
	  .design = true, PLAYED_BY({ B1, WRITES }), .steps = device_to_cpu },
	{ "bounced-reader", "CPU -> bounced reader",
	  .design = true, PLAYED_BY({ B1, READS }), .steps = cpu_to_device },
	{ "direct-reader", "CPU -> direct reader",
	  .design = true, PLAYED_BY({ D1, READS }), .steps = cpu_to_device },
	{ "idle-bounced-reader", "direct writer, bounced reader idle -> CPU",
	  .design = true, PLAYED_BY({ D1, WRITES }, { B1, READS }),
	  .steps = device_to_cpu },
	{ "partial-write-device",
	  "bounced device wrote, CPU writes 4 bytes elsewhere -> device reads",
	  .design = true, PLAYED_BY({ B1, BOTH }), .steps = partial_write_device },
	{ "partial-write-cpu",
	  "bounced device wrote, CPU writes 4 bytes elsewhere -> CPU reads",
	  .design = true, PLAYED_BY({ B1, BOTH }), .steps = partial_write_cpu },
	{ "idle-bounced-both",
	  "direct writer, bounced bidirectional mapping idle -> CPU",
	  .design = true, PLAYED_BY({ D1, WRITES }, { B1, BOTH }),
	  .steps = device_to_cpu },
	{ "fence-read", "bounced write announced by a fence -> CPU",
	  .design = true, PLAYED_BY({ B1, WRITES }), .steps = fence_cpu_reads },
	{ "read-access-between",
	  "direct writer -> CPU read-only access -> bounced reader",
	  .design = true, PLAYED_BY({ D1, WRITES }, { B1, READS }),
	  .steps = through_read_access },
	{ "idle-bounced-writer",
	  "CPU writes, bounced FROM_DEVICE peer idle -> CPU reads back",
	  .design = true, PLAYED_BY({ B1, WRITES }), .steps = idle_writer },
	{ "open-write-kept",
	  "CPU read access begins in an open write access -> CPU reads back",
	  .design = true, PLAYED_BY({ B1, BOTH }), .steps = open_write_kept },
	{ "open-write-seen",
	  "CPU write access begins in an open write access -> device reads",
	  .design = true, PLAYED_BY({ B1, BOTH }), .steps = open_write_seen },
	{ "writer-unmaps", "bounced writer unmaps -> CPU",
	  .design = true, PLAYED_BY({ B1, WRITES }), .steps = writer_unmaps },
	{ "reclaimed",
	  "written by the CPU, closed, page cache dropped -> memfd",
	  .design = true, .untouched = true, PLAYED_BY({ B1, BOTH, IDLE }),
	  .steps = reclaimed },

	/* Beyond that table. */
	{ "open-write-read-seen",
	  "CPU read access begins in an open write access -> device reads",
	  PLAYED_BY({ B1, BOTH }), .steps = open_write_read_seen },
	{ "overlapping", "overlapping CPU accesses, bounced bidirectional peer",
	  PLAYED_BY({ B1, BOTH }), .steps = overlapping },
	{ "two-bounced-readers", "CPU -> two bounced readers",
	  PLAYED_BY({ B1, READS }, { B2, READS }), .steps = two_readers },
	{ "mixed-readers", "CPU -> one bounced, one direct reader",
	  PLAYED_BY({ B1, READS }, { D1, READS }), .steps = two_readers },
	{ "bounced-to-direct",
	  "bounced writer -> CPU read-only access -> direct reader",
	  PLAYED_BY({ B1, WRITES }, { D1, READS }), .steps = through_read_access },
	{ "bounced-to-bounced",
	  "bounced writer -> CPU read-only access -> bounced reader",
	  PLAYED_BY({ B1, WRITES }, { B2, READS }), .steps = through_read_access },
	{ "three-devices", "direct writer, CPU in between -> two bounced readers",
	  PLAYED_BY({ D1, WRITES }, { B1, READS }, { B2, READS }),
	  .steps = three_devices },
	{ "three-devices-bounced",
	  "bounced writer, CPU in between -> bounced and direct reader",
	  PLAYED_BY({ B1, WRITES }, { B2, READS }, { D1, READS }),
	  .steps = three_devices },
	{ "reader-joins", "bounced reader attaches inside a CPU write access",
	  PLAYED_BY({ B1, READS, LATE }, { D1, READS }),
	  .steps = reader_joins },
	{ "writer-joins", "bounced writer attaches inside a CPU write access",
	  PLAYED_BY({ B1, WRITES, LATE }, { D1, READS }),
	  .steps = writer_joins },
	{ "one-cache-line", "device and CPU write into one cache line",
	  PLAYED_BY({ B1, BOTH }), .steps = one_line },
	{ "part-bounced", "only half of the pages are bounced, both directions",
	  .memory = PART_LOW, PLAYED_BY({ B1, BOTH }), .steps = both_ways },
	{ "part-bounced-direct",
	  "direct writer -> reader of which half is bounced",
	  .memory = PART_LOW, PLAYED_BY({ D1, WRITES }, { B1, READS }),
	  .steps = through_read_access },
	{ "two-memfds", "list buffer from two memfds, bounced, both directions",
	  .memory = TWO_MEMFDS, PLAYED_BY({ B1, BOTH }), .steps = both_ways },
	{ "two-memfds-memfd", "list buffer from two memfds, CPU uses the memfds",
	  .memory = TWO_MEMFDS, PLAYED_BY({ B1, BOTH }), .steps = both_ways_memfd },
	{ "memfd-access", "CPU uses the memfd inside SYNC, bounced both ways",
	  PLAYED_BY({ B1, BOTH }), .steps = both_ways_memfd },
	{ "hugetlb", "part of a hugetlb page, bounced, both directions",
	  .memory = HUGE_PART, PLAYED_BY({ B1, BOTH }), .steps = both_ways },
	{ "hugetlb-direct", "part of a hugetlb page, direct, both directions",
	  .memory = HUGE_PART, PLAYED_BY({ D1, BOTH }), .steps = both_ways },
	{ "hugetlb-long", "4 MiB of 2 MiB pages, bounced, both directions",
	  .memory = HUGE_WHOLE, PLAYED_BY({ B1, BOTH }), .steps = both_ways },
	{ "hugetlb-mixed",
	  "4 MiB of 2 MiB pages: direct writer -> CPU -> bounced reader",
	  .memory = HUGE_WHOLE, PLAYED_BY({ D1, WRITES }, { B1, READS }),
	  .steps = through_read_access },
	{ "fence-write",
	  "bounced write announced by a fence, CPU writes elsewhere",
	  PLAYED_BY({ B1, BOTH }), .steps = fence_cpu_writes },
	{ "fence-bounced-reader",
	  "bounced read announced by a fence, CPU writes: reads the old data",
	  PLAYED_BY({ B1, READS }), .steps = fence_reader },
	{ "fence-direct-reader",
	  "direct read announced by a fence, CPU writes: reads the old data",
	  PLAYED_BY({ D1, READS }), .steps = fence_reader },
	{ "interrupted-read", "SYNC for reading interrupted, called again",
	  PLAYED_BY({ B1, WRITES }), .steps = interrupted_read },
	{ "restarted-read", "SYNC for reading interrupted, kernel restarts it",
	  PLAYED_BY({ B1, WRITES }), .steps = restarted_read },
	{ "interrupted-write",
	  "SYNC for writing interrupted, called again; device writes -> CPU",
	  PLAYED_BY({ B1, BOTH }), .steps = interrupted_write },
	{ "remapped", "bounced peer unmaps and maps between accesses",
	  PLAYED_BY({ B1, BOTH }), .steps = remapped },
	{ "writer-unmaps-reader",
	  "bounced writer unmaps -> CPU read-only access -> bounced reader",
	  PLAYED_BY({ B1, WRITES }, { B2, READS }), .steps = writer_unmaps_reader },
	{ "two-bounced-writers", "two bounced writers -> CPU",
	  PLAYED_BY({ B1, WRITES }, { B2, WRITES }), .steps = two_writers },
	{ "mixed-writers", "one bounced, one direct writer -> CPU",
	  PLAYED_BY({ B1, WRITES }, { D1, WRITES }), .steps = two_writers },
	{ "two-direct-writers", "two direct writers -> CPU",
	  PLAYED_BY({ D1, WRITES }, { D2, WRITES }), .steps = two_writers },
	{ "same-page-twice", "the same page twice in one bounced buffer",
	  .memory = SAME_TWICE, PLAYED_BY({ B1, BOTH }), .steps = same_twice },
	{ "reclaimed-device",
	  "written by a direct device, closed, page cache dropped -> memfd",
	  .untouched = true, PLAYED_BY({ D1, WRITES }),
	  .steps = reclaimed_device },
};

const struct block by_the_book = {
	"by the book", scenarios, ARRAY_SIZE(scenarios)
};
