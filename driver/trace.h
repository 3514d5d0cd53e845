/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM udmabuf_fanout

#if !defined(UDMABUF_FANOUT_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define UDMABUF_FANOUT_TRACE_H

#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <linux/tracepoint.h>

#include "mapping.h"

#define show_direction(dir)						\
	__print_symbolic(dir,						\
			 { DMA_BIDIRECTIONAL, "BIDIRECTIONAL" },	\
			 { DMA_TO_DEVICE, "TO_DEVICE" },		\
			 { DMA_FROM_DEVICE, "FROM_DEVICE" })

#define show_event(event)						\
	__print_symbolic(event,						\
			 { SYNC_BEGIN, "begin" },			\
			 { SYNC_END, "end" })

#define show_op(op)							\
	__print_symbolic(op,						\
			 { SYNC_FOR_CPU, "for_cpu" },			\
			 { SYNC_FOR_DEVICE, "for_device" },		\
			 { SYNC_FLUSH, "flush" },			\
			 { SYNC_FETCH, "fetch" },			\
			 { SYNC_PUSH, "push" },				\
			 { SYNC_CLEAN_FETCHED, "for_device" })

/* The caches are about to be maintained for a mapping, and whom it stands for. */
TRACE_EVENT(sync_step,
	TP_PROTO(const struct dma_buf *dmabuf,
		 const struct fanout_mapping *mapping, enum sync_event event,
		 enum sync_op op),
	TP_ARGS(dmabuf, mapping, event, op),
	TP_STRUCT__entry(
		__field(u64, ino)
		__string(device, dev_name(mapping->dev))
		__field(int, requested)
		__field(int, mapped)
		__field(int, event)
		__field(int, op)
	),
	TP_fast_assign(
		__entry->ino = file_inode(dmabuf->file)->i_ino;
		__assign_str(device);
		__entry->requested = mapping->requested;
		__entry->mapped = mapping->dir;
		__entry->event = event;
		__entry->op = op;
	),
	TP_printk("buffer=%llu device=%s requested=%s mapped=%s event=%s op=%s",
		  __entry->ino, __get_str(device),
		  show_direction(__entry->requested),
		  show_direction(__entry->mapped),
		  show_event(__entry->event), show_op(__entry->op))
);

/* The copies of a buffer were merged with its pages. */
TRACE_EVENT(merge,
	TP_PROTO(const struct dma_buf *dmabuf, enum sync_event event,
		 enum sync_op op, u64 bytes, u64 conflicts),
	TP_ARGS(dmabuf, event, op, bytes, conflicts),
	TP_STRUCT__entry(
		__field(u64, ino)
		__field(int, event)
		__field(int, op)
		__field(u64, bytes)
		__field(u64, conflicts)
	),
	TP_fast_assign(
		__entry->ino = file_inode(dmabuf->file)->i_ino;
		__entry->event = event;
		__entry->op = op;
		__entry->bytes = bytes;
		__entry->conflicts = conflicts;
	),
	TP_printk("buffer=%llu event=%s op=%s bytes=%llu conflicts=%llu",
		  __entry->ino, show_event(__entry->event),
		  show_op(__entry->op), __entry->bytes, __entry->conflicts)
);

#endif /* UDMABUF_FANOUT_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
