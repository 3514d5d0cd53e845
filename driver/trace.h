/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM udmabuf_fanout

#if !defined(UDMABUF_FANOUT_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define UDMABUF_FANOUT_TRACE_H

#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <linux/tracepoint.h>

#include "buffer.h"

#define show_direction(dir)						\
	__print_symbolic(dir,						\
			 { DMA_BIDIRECTIONAL, "BIDIRECTIONAL" },	\
			 { DMA_TO_DEVICE, "TO_DEVICE" },		\
			 { DMA_FROM_DEVICE, "FROM_DEVICE" },		\
			 { DMA_NONE, "NONE" })

/* One sync of one part of a mapping, about to be made. */
TRACE_EVENT(sync_step,
	TP_PROTO(const struct fanout_buffer *buffer,
		 const struct fanout_mapping *mapping, enum sync_kind kind,
		 enum sync_event event, enum dma_data_direction access,
		 enum sync_phase phase),
	TP_ARGS(buffer, mapping, kind, event, access, phase),
	TP_STRUCT__entry(
		__field(u64, ino)
		__string(device, dev_name(mapping->dev))
		__field(int, kind)
		__field(int, requested)
		__field(int, mapped)
		__field(int, event)
		__field(int, access)
		__field(int, phase)
	),
	TP_fast_assign(
		__entry->ino = file_inode(buffer->dmabuf->file)->i_ino;
		__assign_str(device);
		__entry->kind = kind;
		__entry->requested = mapping->requested;
		__entry->mapped = mapping->dir;
		__entry->event = event;
		__entry->access = access;
		__entry->phase = phase;
	),
	TP_printk("buffer=%llu device=%s kind=%s requested=%s mapped=%s event=%s access=%s phase=%s",
		  __entry->ino, __get_str(device),
		  __print_symbolic(__entry->kind,
				   { SYNC_COHERENT, "coherent" },
				   { SYNC_NONCOHERENT, "noncoherent" },
				   { SYNC_OPAQUE, "opaque" },
				   { SYNC_BOUNCED, "bounced" }),
		  show_direction(__entry->requested),
		  show_direction(__entry->mapped),
		  __print_symbolic(__entry->event,
				   { SYNC_BEGIN, "begin" },
				   { SYNC_END, "end" },
				   { SYNC_MAP, "map" },
				   { SYNC_UNMAP, "unmap" }),
		  show_direction(__entry->access),
		  __print_symbolic(__entry->phase,
				   { SYNC_FOR_CPU, "for_cpu" },
				   { SYNC_FOR_DEVICE, "for_device" }))
);

#endif /* UDMABUF_FANOUT_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
