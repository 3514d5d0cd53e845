// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of importers on a buffer, and what debugfs says about them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "edu/edu_importer.h"
#include "hostile_model.h"

#define BUFFER_FILES	DEBUGFS "/udmabuf-fanout"

/* Importers. */

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

/*
 * The importer goes away with all it has. Children of other threads have its
 * file, too, and keep what is mapped: then nothing may be.
 */
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

/* debugfs. */

/* Read a file from start to end. Return: the errno; @text gets its start. */
static int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;
	char rest[512];
	size_t got = 0;
	ssize_t n;

	if (fd < 0)
		return errno;
	do {
		n = read(fd, got < size - 1 ? text + got : rest,
			 got < size - 1 ? size - 1 - got : sizeof(rest));
		if (n < 0)
			error = errno;
		else if (got < size - 1)
			got += n;
	} while (n > 0);
	text[got] = 0;
	close(fd);
	return error;
}

/* The buffer's file says what the model knows. */
void call_debugfs(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	unsigned int i, peers = 0, want = 0;
	char path[80], text[4096];
	unsigned long long size;
	const char *line;
	struct stat st;

	if (!buffer || !machine.debugfs)
		return;
	start(w, "read(debugfs)", buffer - w->buffer, 0, 0);
	if (fstat(buffer->fd, &st))
		die("fstat of a buffer: %s", strerror(errno));
	snprintf(path, sizeof(path), BUFFER_FILES "/%lu",
		 (unsigned long)st.st_ino);
	expect(w, read_text(path, text, sizeof(text)), 0);
	if (sscanf(text, "size: %llu", &size) != 1 ||
	    size != buffer->memory.pages * PAGE)
		violation(w, "debugfs says: %.60s", text);
	for (line = text; (line = strstr(line, "peer: ")); line++)
		peers++;
	for (i = 0; i < ATTACHMENTS; i++)
		want += w->attachment[i].used && w->attachment[i].mapped &&
			w->attachment[i].memory.id == buffer->memory.id;
	/* The parent of a child has attachments of its own. */
	if (peers < want || (peers > want && !w->child))
		violation(w, "debugfs shows %u peers, expected %u", peers,
			  want);
}

/* Those of all threads, while they come and go. */
void call_debugfs_all(struct world *w)
{
	char path[320], text[64];
	struct dirent *entry;
	int error = 0;
	DIR *dir;

	if (!machine.debugfs)
		return;
	start(w, "read(all of debugfs)", 0, 0, 0);
	dir = opendir(BUFFER_FILES);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), BUFFER_FILES "/%s",
			 entry->d_name);
		error = read_text(path, text, sizeof(text));
		if (error && error != ENOENT && error != EIO)
			break;
		error = 0;
	}
	if (dir)
		closedir(dir);
	if (!error)
		error = read_text(DEBUGFS "/dma_buf/bufinfo", text,
				  sizeof(text));
	expect(w, error, 0);
}

void call_fdinfo(struct world *w)
{
	struct buffer *buffer = some_buffer(w);
	char path[40], text[400], *at;
	unsigned long long size;

	if (!buffer)
		return;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", buffer->fd);
	start(w, "read(fdinfo)", buffer - w->buffer, 0, 0);
	expect(w, read_text(path, text, sizeof(text)), 0);
	at = strstr(text, "size:");
	if (!at || sscanf(at, "size: %llu", &size) != 1 ||
	    size != buffer->memory.pages * PAGE)
		violation(w, "fdinfo says: %.60s", at ?: text);
}
