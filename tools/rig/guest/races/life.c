// SPDX-License-Identifier: GPL-2.0
/*
 * Actions with buffers that come and go, as the module does, or under the hands
 * of others.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/udmabuf.h>

#include "actions.h"
#include "calls.h"

/* From three items, each page of which stands in the next, too. */
static int create_list(struct worker *w)
{
	struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item items[3];
	} list = { .head = { UDMABUF_FLAGS_CLOEXEC, 3 } };
	int dmabuf, node = open_node(w);
	unsigned int i;

	if (node < 0)
		return -1;
	for (i = 0; i < 3; i++) {
		list.items[i].memfd = w->memfd;
		list.items[i].offset = i * PAGE;
		list.items[i].size = (SMALL_PAGES - 3) * PAGE;
	}
	dmabuf = ioctl(node, UDMABUF_CREATE_LIST, &list);
	if (dmabuf < 0)
		REFUSED(w, "create list", EINVAL);
	close(node);
	return dmabuf;
}

/*
 * The module may come and go: while there is a buffer it stays, and its
 * buffer's file is where it belongs.
 */
static void make_use_close(struct worker *w)
{
	int dmabuf = pick(w, 2) ? create_list(w) :
		     create_one(w, w->memfd, SMALL_PAGES * PAGE);

	if (dmabuf < 0)
		return;
	if (is_open_for_writing(dmabuf))
		wrong(w->stage, "a new buffer's file in debugfs: %s",
		      strerror(errno));
	if (sync_dmabuf(dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW))
		REFUSED(w, "START", 0);
	import(w, dmabuf);
	close(dmabuf);
	usleep(pick(w, 5000));
	w->done++;
}

static void unload_and_load(struct worker *w)
{
	int error;

	if (syscall(SYS_delete_module, MODULE, O_NONBLOCK)) {
		REFUSED(w, "unload", EAGAIN);
		usleep(pick(w, 300));
		return;
	}
	error = load_module("/" MODULE ".ko", COPY_LIMIT);
	if (error) {
		errno = error;
		REFUSED(w, "load", 0);
	}
	usleep(pick(w, 5000));
	w->done++;
}

/* Others use its number, which may be another file's the next moment. */
static void make_publish_close(struct worker *w)
{
	int dmabuf = create_one(w, w->memfd, SMALL_PAGES * PAGE);

	if (dmabuf < 0)
		return;
	__atomic_store_n(&w->stage->published, dmabuf, __ATOMIC_RELEASE);
	usleep(pick(w, 5000));
	close(dmabuf);
	w->done++;
}

static void use_published(struct worker *w)
{
	static const __u64 accesses[] = { DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE,
					  DMA_BUF_SYNC_RW };
	int dmabuf = __atomic_load_n(&w->stage->published, __ATOMIC_ACQUIRE);
	const size_t bytes = SMALL_PAGES / 2 * PAGE;
	__u64 access;
	__u8 *cpu;

	if (dmabuf < 0) {
		sched_yield();
		return;
	}
	switch (pick(w, 3)) {
	case 0:
		access = accesses[pick(w, 3)];
		if (sync_dmabuf(dmabuf, access | DMA_BUF_SYNC_START) ||
		    sync_dmabuf(dmabuf, access | DMA_BUF_SYNC_END))
			was_refused(w, "SYNC", closed);
		else
			w->done++;
		break;
	case 1:
		import(w, dmabuf);
		break;
	case 2:
		cpu = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			   dmabuf, 0);
		if (cpu == MAP_FAILED) {
			was_refused(w, "mmap", closed);
			break;
		}
		munmap(cpu, bytes);
		w->done++;
		break;
	}
}

ACTION(make_use_close, true);
ACTION(unload_and_load, true);
ACTION(make_publish_close);
ACTION(use_published, true);
