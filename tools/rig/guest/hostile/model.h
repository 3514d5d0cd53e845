/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The model: which memory a world has, what stands in it, and who refers to it.
 * Which calls there are is not known here.
 */
#ifndef HOSTILE_MODEL_H
#define HOSTILE_MODEL_H

#include "record.h"

/* Where a page has its stamp. */
extern const size_t stamp_at[2];

unsigned short new_page(struct world *w);
void put_page(struct world *w, unsigned short page);
void get_memory(struct world *w, const struct memory *memory);
void put_memory(struct world *w, const struct memory *memory);
unsigned int pages_of(const struct inode *inode);
void resize(struct world *w, struct inode *inode, __u64 size);
unsigned int new_inode(struct world *w);
void put_inode(struct world *w, unsigned int i);
struct inode *inode_of(struct world *w, const struct memfd *memfd);

/* Some slot that is in use, or NULL. */
struct memfd *some_memfd(struct world *w);
struct buffer *some_buffer(struct world *w);
struct map *some_map(struct world *w);
struct attachment *some_attachment(struct world *w, bool used);

/* What is seen is what the model says. */
void check_stamp(struct world *w, unsigned int page, __u64 seen,
		 const char *where);
void check_mapped(struct world *w, const __u8 *at, unsigned int page,
		  const char *where);
void check_size(struct world *w, int fd, const struct memory *memory);

#endif
