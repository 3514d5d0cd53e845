/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A run: one buffer of one exporter with its peers, what readers saw of it, and
 * how it ended.
 *
 * The guest program's layers, each of which knows only those before it:
 *
 *	core/	machine, report; run; words; steps; buffers; workers
 *	parts	demo/, bench/, races/, player/: none knows another one
 *	guest.c	sets the machine up and has one part do its work
 *
 * A scenario, a race or a game is a part's idea: none of it is to come in here.
 * hostile/ is a program of its own, edu/ the module that both call.
 */
#ifndef CORE_RUN_H
#define CORE_RUN_H

#include <setjmp.h>

#include <linux/types.h>

#include "machine.h"

#define BUFFER_PAGES	64
/* Where in its 2 MiB page a part of one begins. */
#define HUGE_PART_AT	(BUFFER_PAGES * PAGE)
#define PEERS_MAX	3
#define CHECKS_MAX	8

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

/* One reader's view of what one writer wrote. */
struct check {
	char reader[16];
	char expected[64];
	char seen[64];
};

struct run {
	const struct exporter *exporter;
	enum memory made_of;
	bool untouched;		/* do not fill the buffer at first */
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

/* Each ends the run, or notes what was seen. */
void __noreturn finish(struct run *r, const char *outcome);
void __noreturn refused(struct run *r, int error);
void __noreturn __printf(2, 3) broken(struct run *r, const char *format, ...);
void __printf(2, 3) step(struct run *r, const char *format, ...);
void judge(struct run *r, const char *reader, const char *expected,
	   const char *seen, bool right);

#endif
