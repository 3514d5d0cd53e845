// SPDX-License-Identifier: GPL-2.0
/*
 * The calls that several actions make: see calls.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/udmabuf.h>

#include "../edu/edu_importer.h"
#include "calls.h"

const int closed[] = { EBADF, EINVAL, ENOTTY, ENODEV, EACCES, 0 };

int sync_dmabuf(int dmabuf, __u64 flags)
{
	struct dma_buf_sync req = { .flags = flags };

	return ioctl(dmabuf, DMA_BUF_IOCTL_SYNC, &req);
}

void import(struct worker *w, int dmabuf)
{
	struct edu_attach attach = { .device = pick(w, 4), .dmabuf = dmabuf };
	struct edu_map map = { .direction = pick(w, 3) };

	if (ioctl(w->importer, EDU_ATTACH, &attach)) {
		was_refused(w, "attach", closed);
		return;
	}
	map.attachment = attach.attachment;
	if (ioctl(w->importer, EDU_MAP, &map)) {
		REFUSED(w, "map", 0);
	} else {
		if (!pick(w, 4))
			usleep(pick(w, 500));
		if (ioctl(w->importer, EDU_UNMAP, &map))
			REFUSED(w, "unmap", 0);
		w->done++;
	}
	if (ioctl(w->importer, EDU_DETACH, &attach))
		REFUSED(w, "detach", 0);
}

int open_node(struct worker *w)
{
	int node = open(w->stage->exporter->node, O_RDWR | O_CLOEXEC);

	/* Not there, being removed, or a node without a driver for now. */
	if (node < 0)
		REFUSED(w, "open", ENOENT, ENODEV, ENXIO);
	return node;
}

int create_one(struct worker *w, int memfd, size_t bytes)
{
	struct udmabuf_create one = {
		.memfd = memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = bytes,
	};
	int dmabuf, node = open_node(w);

	if (node < 0)
		return -1;
	dmabuf = ioctl(node, UDMABUF_CREATE, &one);
	/* Beyond a limit that is being changed, or sealed just now. */
	if (dmabuf < 0)
		REFUSED(w, "create", EINVAL);
	close(node);
	return dmabuf;
}

ssize_t read_whole(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n;
}

int is_open_for_writing(int dmabuf)
{
	char path[64], text[4096];
	struct stat status;

	if (fstat(dmabuf, &status))
		return -1;
	snprintf(path, sizeof(path), DEBUGFS "/%lu",
		 (unsigned long)status.st_ino);
	if (read_whole(path, text, sizeof(text)) < 0)
		return -1;
	return strstr(text, "open for writing: maybe") ? 1 :
	       strstr(text, "open for writing: no") ? 0 : -1;
}
