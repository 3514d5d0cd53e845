/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steps: what importers, the CPU and the kernel do to a run's buffer, and what a
 * reader must see then. Each returns only if it worked, and else ends the run
 * with its outcome. In which order they are taken is not known here.
 */
#ifndef CORE_STEPS_H
#define CORE_STEPS_H

#include <linux/dma-buf.h>

#include "words.h"

const char *peer_name(const struct run *r, unsigned int peer);
void attach_peer(struct run *r, unsigned int peer);
void join(struct run *r, unsigned int peer);
void map_peer(struct run *r, unsigned int peer);
void unmap_peer(struct run *r, unsigned int peer);
void leave(struct run *r, unsigned int peer);
void check_addresses(struct run *r, int attachment, enum device device);
void begin(struct run *r, __u64 access);
void end(struct run *r, __u64 access);
void kernel_map(struct run *r);
void kernel_unmap(struct run *r);
void half_begin(struct run *r, enum direction access);

/*
 * These may fail, with an errno. A signal comes while the second one waits for a
 * fence: @restart if the kernel shall call again by itself.
 */
int try_sync(struct run *r, __u64 flags);
int try_sync_interrupted(struct run *r, __u64 flags, bool restart);

/*
 * The whole-buffer steps touch three places of the buffer, its first, middle
 * and last page; @piece picks one of three neighbouring KiB in each.
 */
void device_put(struct run *r, unsigned int peer, unsigned int piece,
		enum writer writer);
void device_write(struct run *r, unsigned int peer, unsigned int piece);
void device_check(struct run *r, unsigned int peer, unsigned int piece,
		  enum writer expected);
void cpu_put(struct run *r, unsigned int piece, enum writer writer);
void cpu_write(struct run *r, unsigned int piece);
void cpu_check(struct run *r, unsigned int piece, enum writer expected);
void kernel_write(struct run *r, unsigned int piece);
void memfd_write(struct run *r, unsigned int piece);
void memfd_check(struct run *r, unsigned int piece, enum writer expected);

/* Any bytes. */
void device_store(struct run *r, unsigned int peer, size_t at, size_t bytes,
		  const void *data);
void device_load(struct run *r, unsigned int peer, size_t at, size_t bytes,
		 void *data);

/* The same for one piece of the buffer, in bytes that are multiples of 4. */
void device_write_at(struct run *r, unsigned int peer, size_t at, size_t bytes);
void device_check_at(struct run *r, unsigned int peer, size_t at, size_t bytes,
		     enum writer expected);
/* Late: the transfer happens half a second later, and a fence says so. */
void device_write_late(struct run *r, unsigned int peer, size_t at,
		       size_t bytes);
void device_read_late(struct run *r, unsigned int peer, size_t at,
		      size_t bytes);
void device_check_late(struct run *r, unsigned int peer, size_t at,
		       size_t bytes, enum writer expected);
void cpu_put_at(struct run *r, size_t at, size_t bytes, enum writer writer);
void cpu_write_at(struct run *r, size_t at, size_t bytes);
void cpu_check_at(struct run *r, size_t at, size_t bytes,
		  enum writer expected);
void memfd_check_all(struct run *r, enum writer expected);

#endif
