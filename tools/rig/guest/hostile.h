/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the hostile program share: who calls, what it has called,
 * and what must hold.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PAGE		4096UL
#define DEBUGFS		"/sys/kernel/debug"
#define KINDS_MAX	64

struct world;

/* One call, as it is shown when something is wrong. */
struct call {
	const char *name;
	__u64 arg[3];
	int error;		/* what it returned */
};

/* What the process that judges must see of a thread and of its children. */
struct tally {
	__u64 hash;		/* of the calls and what was given to them */
	__u64 calls;
	__u64 passed[KINDS_MAX];	/* by kind of call */
	__u64 failed[KINDS_MAX];
};

/* The whole machine, as all processes see it. */
struct machine {
	const char *node;
	unsigned int threads;
	unsigned int devices;	/* of the importer, 0 if there is none */
	bool bounces[16];	/* this device may be bounced */
	bool bounces_any;
	bool debugfs;
	bool sync_files;
	bool uml;
	unsigned long long seed;
	bool dma_debug;
	long pins;		/* before it all */
	long buffers;
	long files;
};

extern struct machine machine;

/* hostile_calls.c */
extern const unsigned int kinds;
const char *kind_name(unsigned int kind);
void share_arena(void);
void start_over(void);
struct world *open_world(unsigned int thread);
void random_call(struct world *w);
void close_world(struct world *w);
void close_shared(void);
void default_parameters(void);
const struct tally *tally_of(unsigned int thread);

/* hostile_failnth.c */
void sweep(void);

/* hostile.c */
void __noreturn __printf(1, 2) die(const char *format, ...);
void __printf(1, 2) say(const char *format, ...);
void write_text(const char *path, const char *text);
void check_returned(unsigned int open_files);

#endif
