// SPDX-License-Identifier: GPL-2.0
/*
 * All calls there are: see calls.h.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "buffers.h"
#include "calls.h"
#include "create.h"
#include "debugfs.h"
#include "importers.h"
#include "knobs.h"
#include "life.h"
#include "loose.h"
#include "machine.h"
#include "maps.h"
#include "memfds.h"
#include "say.h"
#include "shared.h"

/* A child makes some of them, too, while its parent waits. */
static void call_fork(struct world *w)
{
	unsigned int calls = 1 + pick(w, 40);
	__u64 seed = next(w);
	unsigned int i;
	int status;
	pid_t pid;

	if (w->child)
		return;
	start(w, "fork", calls, seed, 0);
	reap(w);
	pid = fork();
	if (!pid) {
		inherit(w);
		w->random = seed;
		for (i = 0; i < calls; i++)
			random_call(w);
		/* The kernel closes what is left. */
		disown(w);
		_exit(0);
	}
	expect(w, error_of(pid), 0);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %s", strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		die("a child ended with status %#x", status);
}

static const struct {
	const char *name;
	unsigned int weight;
	void (*call)(struct world *w);
} calls[] = {
	{ "memfd_create", 24, call_memfd },
	{ "close(memfd)", 6, call_close_memfd },
	{ "ftruncate", 10, call_truncate },
	{ "F_ADD_SEALS", 8, call_seal },
	{ "F_GET_SEALS", 4, call_get_seals },
	{ "pwrite(memfd)", 40, call_write_memfd },
	{ "pread(memfd)", 30, call_read_memfd },
	{ "punch hole", 10, call_punch },
	{ "CREATE", 100, call_create },
	{ "CREATE_LIST", 70, call_create_list },
	{ "CREATE of a MiB", 1, call_size_limit },
	{ "close(buffer)", 30, call_close_buffer },
	{ "dup(buffer)", 8, call_dup },
	{ "lseek(buffer)", 16, call_seek },
	{ "SYNC", 140, call_sync },
	{ "SET_NAME", 10, call_set_name },
	{ "SYNC_FILE", 16, call_sync_file },
	{ "poll(buffer)", 16, call_poll },
	{ "nonsense", 16, call_nonsense },
	{ "arguments in buffer", 6, call_arguments_in_buffer },
	{ "mmap(buffer)", 50, call_mmap },
	{ "mmap(memfd)", 10, call_mmap_memfd },
	{ "munmap", 20, call_munmap },
	{ "mremap", 12, call_mremap },
	{ "mprotect", 16, call_mprotect },
	{ "madvise", 12, call_madvise },
	{ "touch", 120, call_touch },
	{ "attach", 50, call_attach },
	{ "map", 60, call_map },
	{ "unmap", 40, call_unmap },
	{ "detach", 30, call_detach },
	{ "late transfer", 6, call_late },
	{ "where", 12, call_where },
	{ "vmap", 12, call_vmap },
	{ "importer dies", 1, call_importer_dies },
	{ "debugfs", 6, call_debugfs },
	{ "all of debugfs", 2, call_debugfs_all },
	{ "fdinfo", 4, call_fdinfo },
	{ "parameter", 10, call_parameter },
	{ "shared", 100, call_shared },
	{ "fork", 2, call_fork },
	{ "fork without wait", 2, call_loose_child },
	{ "end of the world", 1, call_end_of_the_world },
};

static_assert(ARRAY_SIZE(calls) <= KINDS_MAX, "KINDS_MAX is too small");

const unsigned int kinds = ARRAY_SIZE(calls);

const char *kind_name(unsigned int kind)
{
	return calls[kind].name;
}

void random_call(struct world *w)
{
	static unsigned int total;
	unsigned int at, kind;

	if (!total)
		for (kind = 0; kind < kinds; kind++)
			total += calls[kind].weight;
	at = pick(w, total);
	for (kind = 0; at >= calls[kind].weight; kind++)
		at -= calls[kind].weight;
	w->kind = kind;
	calls[kind].call(w);
}
