// SPDX-License-Identifier: GPL-2.0
/*
 * Can every row of the demo's table be right? Plays scenarios.c and programs.c
 * with the core's steps, but on a model exporter in shared memory in place of
 * ioctls: bounced devices have a copy and a twin, START, map and unmap fetch what
 * differs, END, map and unmap push it. A program for the tests of the tools:
 *
 *	rows_sim [WORD...]	with a mistake
 *
 * prints the rows that were not right. Rows on other memory than one memfd of
 * small pages are left out.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../core/buffers.h"
#include "../core/steps.h"
#include "../edu/edu_importer.h"
#include "table.h"

#define BUFFER		(BUFFER_PAGES * PAGE)
#define ATTACHMENTS	4

const char *const device_names[] = { "B1", "B2", "D1", "D2" };
bool all_bounced;

static char *const *words;

/* Other processes of a scenario have it, too. */
static struct model {
	__u8 page[BUFFER];
	unsigned int attached;
	struct {
		enum device device;
		bool mapped;
		__u8 copy[BUFFER], twin[BUFFER];
	} at[ATTACHMENTS];
	struct {
		bool pending, write;
		struct edu_transfer req;
		__u8 data[EDU_TRANSFER_MAX];
	} late;
} *model;

static bool with(const char *word)
{
	char *const *w;

	for (w = words; *w; w++)
		if (!strcmp(*w, word))
			return true;
	return false;
}

static bool is_copy(unsigned int a)
{
	return model->at[a].mapped && model->at[a].device <= B2;
}

static void fetch_all(void)
{
	unsigned int a;
	size_t i;

	for (a = 0; a < model->attached; a++)
		for (i = 0; is_copy(a) && i < BUFFER; i++)
			if (model->at[a].copy[i] != model->at[a].twin[i]) {
				model->page[i] = model->at[a].copy[i];
				model->at[a].twin[i] = model->at[a].copy[i];
			}
}

static void push_all(void)
{
	unsigned int a;
	size_t i;

	for (a = 0; a < model->attached; a++)
		for (i = 0; is_copy(a) && i < BUFFER; i++)
			if (model->page[i] != model->at[a].twin[i] ||
			    with("push-all")) {
				model->at[a].copy[i] = model->page[i];
				model->at[a].twin[i] = model->page[i];
			}
}

static void move_bytes(const struct edu_transfer *req, bool write, void *data)
{
	__u8 *memory = is_copy(req->attachment) ?
		       model->at[req->attachment].copy : model->page;

	if (write)
		memcpy(memory + req->offset, data, req->length);
	else
		memcpy(data, memory + req->offset, req->length);
}

static void finish_late(void)
{
	if (model->late.pending)
		move_bytes(&model->late.req, model->late.write,
			   model->late.data);
	model->late.pending = false;
}

static void transfer(const struct edu_transfer *req, bool write)
{
	void *user = (void *)(uintptr_t)req->data;

	if (!req->delay_ms) {
		move_bytes(req, write, user);
		return;
	}
	model->late.pending = true;
	model->late.write = write;
	model->late.req = *req;
	memcpy(model->late.data, user, req->length);
}

/* Whether a signal comes before the device is done, and ends the call. */
static bool is_interrupted(void)
{
	struct itimerval left, never = { };
	struct sigaction action;

	getitimer(ITIMER_REAL, &left);
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, NULL, &action);
	return left.it_value.tv_usec && !(action.sa_flags & SA_RESTART);
}

static int sync_call(const struct dma_buf_sync *req)
{
	if (req->flags & DMA_BUF_SYNC_END) {
		if (!with("end-pushes-nothing"))
			push_all();
		return 0;
	}
	if (model->late.pending &&
	    (model->late.write || req->flags & DMA_BUF_SYNC_WRITE)) {
		if (is_interrupted())
			return EINTR;
		finish_late();
	}
	if (!with("start-fetches-nothing"))
		fetch_all();
	return 0;
}

static int map_call(const struct edu_map *req, bool map)
{
	if (!map)
		finish_late();
	fetch_all();
	model->at[req->attachment].mapped = map;
	if (map) {
		memcpy(model->at[req->attachment].copy, model->page, BUFFER);
		memcpy(model->at[req->attachment].twin, model->page, BUFFER);
	}
	push_all();
	return 0;
}

static int model_call(unsigned long request, void *arg)
{
	struct edu_address *where = arg;
	struct edu_attach *attach = arg;
	struct edu_vmap *kernel = arg;

	switch (request) {
	case DMA_BUF_IOCTL_SYNC:
		return sync_call(arg);
	case EDU_ATTACH:
		attach->attachment = model->attached++;
		model->at[attach->attachment].device = attach->device;
		return 0;
	case EDU_MAP:
		return map_call(arg, true);
	case EDU_UNMAP:
		return map_call(arg, false);
	case EDU_WRITE:
		transfer(arg, true);
		return 0;
	case EDU_READ:
		transfer(arg, false);
		return 0;
	case EDU_FETCH:
		finish_late();
		memcpy((void *)(uintptr_t)((struct edu_transfer *)arg)->data,
		       model->late.data, ((struct edu_transfer *)arg)->length);
		return 0;
	case EDU_WHERE:
		where->address = where->offset +
				 (is_copy(where->attachment) ? 0 : FOUR_GIB);
		return 0;
	case EDU_KERNEL_WRITE:
		memcpy(model->page + kernel->offset,
		       (void *)(uintptr_t)kernel->data, kernel->length);
		return 0;
	case EDU_HALF_BEGIN:
		fetch_all();
		return 0;
	default:
		return 0;
	}
}

/* What steps.c calls for ioctl(). */
int model_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	int error;

	(void)fd;
	va_start(args, request);
	error = model_call(request, va_arg(args, void *));
	va_end(args);
	errno = error;
	return error ? -1 : 0;
}

void close_buffer(struct run *r)
{
	unsigned int i;

	for (i = 0; i < r->peer_count; i++)
		if (r->attachment[i] >= 0)
			leave(r, i);
}

void drop_caches(void)
{
}

static void run_row(const struct block *block, const struct scenario *s,
		    bool backwards)
{
	static const struct exporter exporter = { "model", "", false };
	struct run r = {
		.exporter = &exporter,
		.made_of = s->memory,
		.pages = BUFFER_PAGES,
		.peer_count = s->peer_count,
		.attachment = { -1, -1, -1 },
		.memory[0] = model->page,
		.cpu = model->page,
	};
	unsigned int i, peer;

	memset(model, 0, sizeof(*model));
	memcpy(r.peers, s->peers, sizeof(r.peers));
	if (!setjmp(r.end)) {
		cpu_put_at(&r, 0, BUFFER, OLD);
		for (i = 0; i < r.peer_count; i++) {
			peer = backwards ? r.peer_count - 1 - i : i;
			if (r.peers[peer].presence == MAPPED)
				join(&r, peer);
		}
		s->steps(&r);
		r.outcome = "right";
	}
	if (strcmp(r.outcome, "right"))
		printf("%s: %s: %s %s\n", block->name, s->name, r.outcome,
		       r.detail);
}

int main(int argc, char **argv)
{
	const struct block *const blocks[] = {
		&by_the_book, &programs_as_they_are
	};
	unsigned int b, rows = 0;
	const struct scenario *s;
	pid_t pid;

	(void)argc;
	words = argv + 1;
	setbuf(stdout, NULL);
	model = mmap(NULL, sizeof(*model), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (model == MAP_FAILED)
		return 2;
	for (b = 0; b < ARRAY_SIZE(blocks); b++) {
		for (s = blocks[b]->scenarios;
		     s < blocks[b]->scenarios + blocks[b]->count; s++) {
			if (s->memory != PAGES)
				continue;
			rows++;
			pid = fork();
			if (!pid) {
				run_row(blocks[b], s, false);
				run_row(blocks[b], s, true);
				_exit(0);
			}
			waitpid(pid, NULL, 0);
		}
	}
	printf("%u rows\n", rows);
	return 0;
}
