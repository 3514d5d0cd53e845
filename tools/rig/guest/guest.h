/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the guest program share: the exporters, a buffer with its
 * peers, and steps that either happen or end the run with its outcome.
 */
#ifndef GUEST_H
#define GUEST_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <linux/dma-buf.h>
#include <linux/types.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define PAGE		4096UL
#define HUGE_PAGE	(512 * PAGE)
#define FOUR_GIB	0x100000000ULL
#define BUFFER_PAGES	64
/* Where in its 2 MiB page a part of one begins. */
#define HUGE_PART_AT	(BUFFER_PAGES * PAGE)
/* Node 0 is the memory below 4 GiB, node 1 what lies above. */
#define LOW_NODE	1UL
#define HIGH_NODE	2UL
#define PEERS_MAX	3
#define CHECKS_MAX	8

/* In PCI order: which devices the rig gives the guest. */
enum device { B1, B2, D1, D2 };

/* As in enum dma_data_direction: what the device does. */
enum direction { BOTH, READS, WRITES };

/* Who wrote a word: its top byte. The rest says where the word belongs. */
enum writer {
	NOBODY = 0, OLD = 'o', CPU = 'c', CPU_NEW = 'C', DEVICE = 'd',
	DEVICE_NEW = 'D', KERNEL = 'k',
};

struct exporter {
	const char *name;	/* in the results */
	const char *node;
	bool heap;		/* allocates, instead of taking memfds */
};

enum memory {
	PAGES,		/* one memfd, 4 KiB pages above 4 GiB */
	PART_LOW,	/* the first half of it below 4 GiB */
	TWO_MEMFDS,	/* a list of four items, alternating */
	SAME_TWICE,	/* a list of two items, both the same pages */
	HUGE_PART,	/* part of one 2 MiB page */
	HUGE_WHOLE,	/* two 2 MiB pages */
};

enum presence {
	MAPPED,		/* attached and mapped before the steps begin */
	LATE,		/* attached and mapped by a step */
	IDLE,		/* attached, never mapped */
};

struct peer {
	enum device device;
	enum direction direction;
	enum presence presence;
};

struct run;

struct scenario {
	const char *name;
	const char *title;
	bool design;		/* in the table of the stock kernels' faults */
	enum memory memory;
	bool untouched;		/* do not fill the buffer at first */
	unsigned int peer_count;
	struct peer peers[PEERS_MAX];
	void (*steps)(struct run *r);
};

/* One reader's view of what one writer wrote. */
struct check {
	char reader[16];
	char expected[64];
	char seen[64];
};

/* One scenario with one exporter in one order of its peers. */
struct run {
	const struct exporter *exporter;
	const struct scenario *scenario;
	char step[48];		/* what is being done, for refusals */
	unsigned int pages;
	int memfds[2];
	__u8 *memory[2];	/* the memfds, mapped */
	int dmabuf;
	__u8 *cpu;		/* the dma-buf, mapped */
	int importer;
	unsigned int peer_count;
	struct peer peers[PEERS_MAX];
	int attachment[PEERS_MAX];	/* -1: none */
	bool mapped[PEERS_MAX];
	unsigned int check_count;
	struct check checks[CHECKS_MAX];
	/* how it ended */
	const char *outcome;
	int error;
	char detail[160];
	jmp_buf end;
};

/* A scenario's peers. */
#define PLAYED_BY(...) \
	.peer_count = sizeof((struct peer[]){ __VA_ARGS__ }) / \
		      sizeof(struct peer), \
	.peers = { __VA_ARGS__ }

/* A part of the table. */
struct block {
	const char *name;
	const struct scenario *scenarios;
	unsigned int count;
};

extern const struct block by_the_book, programs_as_they_are;

extern const char *const device_names[];
extern bool all_bounced;	/* every device, by swiotlb=force */
extern bool huge_memory;	/* all memfds have 2 MiB pages */

/* The result channel: one JSON object a line. */
void __printf(1, 2) emit(const char *format, ...);

/* Each ends the run, or notes what was seen. */
void __noreturn finish(struct run *r, const char *outcome);
void __noreturn refused(struct run *r, int error);
void __noreturn __printf(2, 3) broken(struct run *r, const char *format, ...);
void __printf(2, 3) step(struct run *r, const char *format, ...);
void judge(struct run *r, const char *reader, const char *expected,
	   const char *seen, bool right);

/* Steps. Each returns only if it worked. */
const char *peer_name(const struct run *r, unsigned int peer);
void attach_peer(struct run *r, unsigned int peer);
void join(struct run *r, unsigned int peer);
void map_peer(struct run *r, unsigned int peer);
void unmap_peer(struct run *r, unsigned int peer);
void leave(struct run *r, unsigned int peer);
void check_addresses(struct run *r, int attachment, enum device device);
int try_sync(struct run *r, __u64 flags);
void begin(struct run *r, __u64 access);
void end(struct run *r, __u64 access);
void kernel_map(struct run *r);
void kernel_unmap(struct run *r);
void half_begin(struct run *r, enum direction access);
void make_buffer(struct run *r);
void close_buffer(struct run *r);

/*
 * The whole-buffer steps touch three places of the buffer, its first, middle
 * and last page; @piece picks one of three neighbouring KiB in each.
 */
size_t place(const struct run *r, unsigned int which, unsigned int piece);
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

void drop_caches(void);

int sealed_memfd(size_t bytes, unsigned int flags);
bool write_file(const char *path, const char *text);

/* Return: 0 or an errno. */
int load_module(const char *path, const char *parameters);

/* Run a program and report what it prints, under @kind, and its exit status. */
void run_program(const char *kind, const char *name, char *const *arguments);

int run_bench(const struct exporter *exporters, unsigned int count);
void run_races(const struct exporter *exporter);
void run_player(const struct exporter *exporter);
void bench_plans(void);

#endif
