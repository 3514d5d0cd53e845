// SPDX-License-Identifier: GPL-2.0
/*
 * When all is quiet again: see quiet.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../core/steps.h"
#include "calls.h"
#include "quiet.h"

#define SETTLE_MS	10000
#define QUIET_PAGE	40	/* of the lasting buffer, nobody's own */

static const struct peer quiet[] = { { B1, BOTH, LATE }, { D1, READS, LATE } };

/* The CPU to both devices, then the bounced one to the CPU. */
void round_trip(struct run *r)
{
	const size_t at = QUIET_PAGE * PAGE, late = at + 2048;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(quiet); i++) {
		r->peers[i] = quiet[i];
		join(r, i);
	}
	begin(r, DMA_BUF_SYNC_RW);
	cpu_write_at(r, at, 512);
	end(r, DMA_BUF_SYNC_RW);
	device_check_at(r, 0, at, 512, CPU);
	device_check_at(r, 1, at, 512, CPU);
	device_write_at(r, 0, late, 512);
	begin(r, DMA_BUF_SYNC_READ);
	cpu_check_at(r, late, 512, DEVICE);
	cpu_check_at(r, at, 512, CPU);
	end(r, DMA_BUF_SYNC_READ);
	for (i = 0; i < ARRAY_SIZE(quiet); i++)
		leave(r, i);
}

/* Pages that are pinned anywhere in the system. */
static long pinned_pages(void)
{
	static const char *const names[] = { "nr_foll_pin_acquired ",
					     "nr_foll_pin_released " };
	long counts[2] = { -1, -1 };
	unsigned int i;
	char line[128];
	FILE *file;

	write_file("/proc/sys/vm/stat_refresh", "1");
	file = fopen("/proc/vmstat", "r");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		for (i = 0; i < 2; i++)
			if (!strncmp(line, names[i], strlen(names[i])))
				counts[i] = atol(line + strlen(names[i]));
	fclose(file);
	/* None was ever pinned: they are not counted. */
	return counts[0] > 0 ? counts[0] - counts[1] : -1;
}

/* Return: 0 once the module is gone, or why it stays. */
static int unload(void)
{
	unsigned int ms;

	/* Files are released a moment after the last process has ended. */
	for (ms = 0; ms < SETTLE_MS; ms += 100) {
		if (!syscall(SYS_delete_module, MODULE, O_NONBLOCK))
			return 0;
		usleep(100000);
	}
	return errno;
}

/* A parameter that is given is not the default, though it is nothing. */
static void try_no_copies(struct stage *stage)
{
	char said[16] = "";
	int error;

	error = load_module("/" MODULE ".ko", "copy_limit_mb=0");
	if (!error) {
		read_whole(PARAMETERS "copy_limit_mb", said, sizeof(said));
		said[strcspn(said, "\n")] = 0;
		if (strcmp(said, "0"))
			wrong(stage, "copy_limit_mb=0 became %s", said);
		error = unload();
	}
	if (error)
		wrong(stage, "the module with copy_limit_mb=0: %s",
		      strerror(error));
}

void clean_up(struct stage *stage)
{
	int error = unload();
	long pinned;

	if (error)
		wrong(stage, "the module stays: %s", strerror(error));
	pinned = pinned_pages();
	if (pinned)
		wrong(stage, "%ld pages stay pinned", pinned);
	if (error)
		return;
	try_no_copies(stage);
	error = load_module("/" MODULE ".ko", COPY_LIMIT);
	if (error)
		wrong(stage, "the module cannot be loaded: %s",
		      strerror(error));
}
