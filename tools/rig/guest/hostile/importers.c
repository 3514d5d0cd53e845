// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of importers: see importers.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>

#include "../edu/edu_importer.h"
#include "importers.h"
#include "loose.h"
#include "machine.h"
#include "say.h"

/* Under DMA API debugging more than 7 mappings that write warn. */
#define MAPPED_MAX	7

static void count_mapping(struct world *w, const struct attachment *a, int by)
{
	unsigned int i;

	if (a->direction == READS)
		return;
	for (i = 0; i < a->memory.pages; i++) {
		struct page *p = &w->shared->page[a->memory.page[i]];

		p->mapped += by;
	}
}

void drop_attachment(struct world *w, struct attachment *a)
{
	if (a->mapped)
		count_mapping(w, a, -1);
	put_memory(w, &a->memory);
	a->used = false;
}

void call_attach(struct world *w)
{
	struct attachment *a = some_attachment(w, false);
	struct buffer *buffer = some_buffer(w);
	struct edu_attach req = { };
	int error, want = 0;

	if (!buffer || !a || !machine.devices)
		return;
	req.device = pick(w, machine.devices);
	req.dmabuf = buffer->fd;
	switch (one_in(w, 10) ? pick(w, 3) : 3) {
	case 0:
		req.device = machine.devices + pick(w, 99);
		want = ENODEV;
		break;
	case 1:
		req.dmabuf = w->node;
		want = EINVAL;
		break;
	case 2:
		req.dmabuf = -1 - (int)pick(w, 9);
		want = EBADF;
		break;
	}
	start(w, "attach", buffer - w->buffer, req.device, want);
	error = error_of(ioctl(w->importer, EDU_ATTACH, &req));
	expect(w, error, want);
	if (error)
		return;
	*a = (struct attachment) {
		.used = true, .number = req.attachment, .device = req.device,
		.memory = buffer->memory,
	};
	get_memory(w, &a->memory);
}

static bool too_often(struct world *w, const struct attachment *a)
{
	unsigned int i;

	for (i = 0; i < a->memory.pages; i++) {
		const struct page *p = &w->shared->page[a->memory.page[i]];
		unsigned int same = 0, j;

		for (j = 0; j < a->memory.pages; j++)
			same += a->memory.page[j] == a->memory.page[i];
		if (p->mapped + same > MAPPED_MAX)
			return true;
	}
	return false;
}

void call_map(struct world *w)
{
	struct attachment *a = some_attachment(w, true);
	struct edu_map req = { };
	int error;

	if (!a)
		return;
	req.attachment = a->number;
	req.direction = pick(w, 3);
	start(w, "map", a - w->attachment, a->device, req.direction);
	if (one_in(w, 20)) {
		req.direction = 3 + pick(w, 9);
		expect(w, error_of(ioctl(w->importer, EDU_MAP, &req)),
		       a->mapped ? EBUSY : EINVAL);
		return;
	}
	if (!a->mapped && req.direction != READS && too_often(w, a))
		return;
	error = error_of(ioctl(w->importer, EDU_MAP, &req));
	if (a->mapped)
		expect(w, error, EBUSY);
	else if (machine.bounces[a->device])
		expect(w, error, 0, ENOMEM);
	else
		expect(w, error, 0);
	if (error)
		return;
	if (!req.entries || req.entries > a->memory.pages)
		violation(w, "%u entries for %u pages", req.entries,
			  a->memory.pages);
	a->mapped = true;
	a->direction = req.direction;
	count_mapping(w, a, 1);
}

void call_unmap(struct world *w)
{
	struct attachment *a = some_attachment(w, true);
	struct edu_map req = { };

	if (!a)
		return;
	req.attachment = a->number;
	start(w, "unmap", a - w->attachment, a->mapped, 0);
	expect(w, error_of(ioctl(w->importer, EDU_UNMAP, &req)),
	       a->mapped ? 0 : ENOENT);
	if (a->mapped)
		count_mapping(w, a, -1);
	a->mapped = false;
}

void call_detach(struct world *w)
{
	struct attachment *a = some_attachment(w, true);
	struct edu_attach req = { };

	if (!a)
		return;
	req.attachment = a->number;
	start(w, "detach", a - w->attachment, a->mapped, 0);
	expect(w, error_of(ioctl(w->importer, EDU_DETACH, &req)),
	       a->mapped ? EBUSY : 0);
	if (!a->mapped)
		drop_attachment(w, a);
}

/* A transfer to come, so that a fence stands in the reservation object. */
void call_late(struct world *w)
{
	struct attachment *a = some_attachment(w, true);
	struct edu_transfer req = { };
	__u64 data;
	int error;

	if (!a)
		return;
	req.attachment = a->number;
	req.length = sizeof(data);
	req.data = (uintptr_t)&data;
	req.delay_ms = 1 + pick(w, 20);
	start(w, "late transfer", a - w->attachment, req.delay_ms, a->mapped);
	error = error_of(ioctl(w->importer, EDU_READ, &req));
	if (!a->mapped)
		expect(w, error, ENOENT);
	else
		expect(w, error, 0, EBUSY);
	if (!error)
		a->late = true;
}

void call_where(struct world *w)
{
	struct attachment *a = some_attachment(w, true);
	struct edu_address req = { };
	bool beyond = one_in(w, 4);

	if (!a)
		return;
	req.attachment = a->number;
	req.offset = pick(w, a->memory.pages) * PAGE +
		     (beyond ? a->memory.pages * PAGE : 0);
	start(w, "where", a - w->attachment, req.offset, a->mapped);
	expect(w, error_of(ioctl(w->importer, EDU_WHERE, &req)),
	       !a->mapped ? ENOENT : beyond ? ERANGE : 0);
}

void call_vmap(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	struct edu_vmap req = { };
	unsigned int page;
	__u64 stamp = 0;

	if (!buffer || w->importer < 0)
		return;
	page = pick(w, buffer->memory.pages);
	req.dmabuf = buffer->fd;
	req.length = sizeof(stamp);
	req.offset = page * PAGE + stamp_at[pick(w, 2)];
	req.data = (uintptr_t)&stamp;
	start(w, "vmap", buffer - w->buffer, req.offset, 0);
	if (one_in(w, 8)) {
		req.data = (uintptr_t)w->none;
		expect(w, error_of(ioctl(w->importer, EDU_VMAP, &req)), EFAULT);
		return;
	}
	if (one_in(w, 8)) {
		req.offset += buffer->memory.pages * PAGE;
		expect(w, error_of(ioctl(w->importer, EDU_VMAP, &req)), ERANGE);
		return;
	}
	expect(w, error_of(ioctl(w->importer, EDU_VMAP, &req)), 0);
	check_stamp(w, buffer->memory.page[page], stamp, "vmap");
}

void open_importer(struct world *w)
{
	w->importer = -1;
	if (!machine.devices)
		return;
	w->importer = open("/dev/edu-importer", O_RDWR | O_CLOEXEC);
	if (w->importer < 0)
		die("/dev/edu-importer: %s", strerror(errno));
}

void close_importer(struct world *w)
{
	unsigned int i;

	if (w->importer < 0)
		return;
	for (i = 0; i < ATTACHMENTS && machine.threads > 1; i++) {
		struct edu_map req = { .attachment = w->attachment[i].number };

		if (w->attachment[i].used && w->attachment[i].mapped &&
		    ioctl(w->importer, EDU_UNMAP, &req))
			violation(w, "unmap: %s", strerrorname_np(errno));
	}
	close(w->importer);
	w->importer = -1;
	for (i = 0; i < ATTACHMENTS; i++)
		if (w->attachment[i].used)
			drop_attachment(w, &w->attachment[i]);
}

void call_importer_dies(struct world *w)
{
	if (!machine.devices)
		return;
	start(w, "close(importer)", 0, 0, 0);
	/* A child may have a copy, which keeps it alive. */
	reap(w);
	close_importer(w);
	finish(w, 0);
	open_importer(w);
}
