/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The machine that all this happens on: what it has, and what is taken of it. Who
 * takes is not known here.
 */
#ifndef HOSTILE_MACHINE_H
#define HOSTILE_MACHINE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PAGE		4096UL
#define DEBUGFS		"/sys/kernel/debug"

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

/* What a call that returned @ret said. */
static inline int error_of(long ret)
{
	return ret < 0 ? errno : 0;
}

/* Fill in what this machine has. */
void look_around(void);

/*
 * Everything that was taken is given back, at once or when a fence signals;
 * @open_files are the caller's, opened since the beginning.
 */
void check_returned(unsigned int open_files);
void check_dma_debug(void);

/* Memory that is one and the same for all processes, zeroed. */
void *shared_memory(size_t bytes);

void write_text(const char *path, const char *text);

#endif
