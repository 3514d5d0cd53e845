// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel tells of buffers: see debugfs.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "debugfs.h"
#include "machine.h"
#include "say.h"

#define BUFFER_FILES	DEBUGFS "/udmabuf-fanout"

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
