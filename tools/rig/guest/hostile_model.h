/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The model: what a world holds, and what is asked of it. A world is what one
 * thread owns; nobody else touches it, so it is known what every call on it must
 * do. What threads share they race for: there only the set of errors is known,
 * and that the kernel must stay silent.
 *
 * A forked child goes on with a copy of its parent's world while the parent
 * waits. What both see, pages and memfds, is therefore in struct shared_world.
 */
#ifndef HOSTILE_MODEL_H
#define HOSTILE_MODEL_H

#include <time.h>
#include <sys/types.h>

#include "hostile.h"

#define MEMFDS		6
#define BUFFERS		6
#define MAPS		8
#define ATTACHMENTS	8
#define MEMFD_PAGES	16
#define BUFFER_PAGES	40
#define ITEMS		6
#define POOL		1024	/* pages a world can have */
#define INODES		32	/* memfds a world can have, closed ones too */
#define HISTORY		24
#define WORLDS		33
#define SCRATCH		512	/* of a page: arguments, not looked at */

/* Under DMA API debugging more than 7 mappings that write warn. */
#define MAPPED_MAX	7

/* As in enum dma_data_direction. */
enum direction { BOTH, READS, WRITES };

/* A page of memory, in a memfd, in buffers, or both. */
struct page {
	__u64 stamp;		/* what its first and last words say */
	unsigned short refs;	/* of memfds, buffers, maps, attachments */
	unsigned char mapped;	/* by devices that write */
};

/* The memory of a memfd. */
struct inode {
	__u64 size;
	unsigned int seals;
	bool executable;
	unsigned short users;	/* descriptors and maps */
	unsigned short maps;	/* that deny F_SEAL_WRITE */
	unsigned short maps_unsure;	/* that may */
	bool was_mapped;
	unsigned short page[MEMFD_PAGES + 1];
};

/* The memory of a buffer: the same as long as it lives. */
struct memory {
	unsigned int id;
	unsigned int pages;
	unsigned short page[BUFFER_PAGES];
};

struct memfd {
	int fd;			/* -1: none */
	unsigned int inode;
};

struct buffer {
	int fd;			/* -1: none */
	struct memory memory;
};

struct map {
	__u8 *at;		/* NULL: none */
	unsigned int pages;
	unsigned int first;	/* page of the buffer or memfd */
	int prot;
	int inode;		/* -1: of a buffer */
	bool sure;		/* see struct inode */
	struct memory memory;
};

struct attachment {
	bool used;
	bool mapped;
	bool late;		/* had a transfer with a fence */
	unsigned int number;
	unsigned int device;
	enum direction direction;
	struct memory memory;
};

/* What children see, too. */
struct shared_world {
	struct page page[POOL];
	struct inode inode[INODES];
	struct tally tally;
	unsigned int next_page;
	unsigned int next_id;
};

struct world {
	unsigned int thread;
	__u64 random;
	unsigned int child;	/* 1 in a forked child */
	pid_t loose;		/* a child nobody waits for, 0 if none */
	struct shared_world *shared;
	struct tally *tally;
	int node;
	int importer;
	bool timer_made;
	timer_t timer;
	struct memfd memfd[MEMFDS];
	struct buffer buffer[BUFFERS];
	struct map map[MAPS];
	struct attachment attachment[ATTACHMENTS];
	int sync_file;		/* -1: none */
	unsigned int kind;	/* of the call that is being made */
	struct call history[HISTORY];
	__u64 made;
	/* places that are no good as arguments */
	__u8 *none;		/* PROT_NONE */
	__u8 *edge;		/* the last byte before it */
	__u8 *read_only;
};

/* Parameters of the driver. */
enum { LIST_LIMIT, SIZE_LIMIT, POLICY, COPY_LIMIT, KNOBS };

/* Where a page has its stamp. */
extern const size_t stamp_at[2];

/* The call returned @error and must have returned one of the others. */
#define expect(w, error, ...)						\
	expect_one_of(w, error, (const int []) { __VA_ARGS__, -1 })

/* hostile_model.c */
__u64 next(struct world *w);
unsigned int pick(struct world *w, unsigned int n);
bool one_in(struct world *w, unsigned int n);
void start(struct world *w, const char *name, __u64 a, __u64 b, __u64 c);
void finish(struct world *w, int error);
void __noreturn __printf(2, 3) violation(struct world *w,
					 const char *format, ...);
void expect_one_of(struct world *w, int error, const int *allowed);
int error_of(long ret);
unsigned short new_page(struct world *w);
void put_page(struct world *w, unsigned short page);
void get_memory(struct world *w, const struct memory *memory);
void put_memory(struct world *w, const struct memory *memory);
unsigned int pages_of(const struct inode *inode);
void resize(struct world *w, struct inode *inode, __u64 size);
unsigned int new_inode(struct world *w);
void put_inode(struct world *w, unsigned int i);
struct memfd *some_memfd(struct world *w);
struct buffer *some_buffer(struct world *w);
struct map *some_map(struct world *w);
struct attachment *some_attachment(struct world *w, bool used);
struct inode *inode_of(struct world *w, const struct memfd *memfd);
void *bad_place(struct world *w, size_t size, bool output);
void catch_signals(void);
int touch(void *at, __u64 *value, bool write);
void check_stamp(struct world *w, unsigned int page, __u64 seen,
		 const char *where);
void check_mapped(struct world *w, const __u8 *at, unsigned int page,
		  const char *where);

/* hostile_create.c */
void call_memfd(struct world *w);
void call_close_memfd(struct world *w);
void call_truncate(struct world *w);
void reap(struct world *w);
void call_seal(struct world *w);
void call_get_seals(struct world *w);
void call_write_memfd(struct world *w);
void call_read_memfd(struct world *w);
void call_punch(struct world *w);
void check_size(struct world *w, int fd, const struct memory *memory);
void close_buffer(struct world *w, struct buffer *buffer);
void call_create(struct world *w);
void call_create_list(struct world *w);

/* hostile_buffers.c */
void call_close_buffer(struct world *w);
void call_dup(struct world *w);
void call_seek(struct world *w);
void call_sync(struct world *w);
void call_set_name(struct world *w);
void call_sync_file(struct world *w);
void call_poll(struct world *w);
void call_nonsense(struct world *w);
void call_arguments_in_buffer(struct world *w);
void drop_map(struct world *w, struct map *map);
void unmap(struct world *w, struct map *map);
void call_mmap(struct world *w);
void call_mmap_memfd(struct world *w);
void call_munmap(struct world *w);
void call_mremap(struct world *w);
void call_mprotect(struct world *w);
void call_madvise(struct world *w);
void call_touch(struct world *w);

/* hostile_importers.c */
void drop_attachment(struct world *w, struct attachment *a);
void call_attach(struct world *w);
void call_map(struct world *w);
void call_unmap(struct world *w);
void call_detach(struct world *w);
void call_late(struct world *w);
void call_where(struct world *w);
void call_vmap(struct world *w);
void open_importer(struct world *w);
void close_importer(struct world *w);
void call_importer_dies(struct world *w);
void call_debugfs(struct world *w);
void call_debugfs_all(struct world *w);
void call_fdinfo(struct world *w);

/* hostile_calls.c */
unsigned int knob_version(unsigned int knob);
bool knob_steady(unsigned int knob, unsigned int version);
unsigned int knob_value(unsigned int knob);
void allow_long_lists(bool allow);

#endif
