// SPDX-License-Identifier: GPL-2.0
/*
 * A program to start from: a camera writes into memory of the program's own, and
 * nothing is copied.
 *
 *	cc -O2 -Wall capture.c -o capture
 *	./capture [-n NODE] [-d CAMERA] [-c FRAMES] [-H]
 *
 * -H makes the buffers of huge pages, for cameras that want contiguous memory.
 * `modprobe vivid` gives a machine without a camera one to try.
 *
 * What the CPU does with a buffer stands between START and END of
 * DMA_BUF_IOCTL_SYNC: START shows it what devices wrote, END shows devices what it
 * wrote. Say what is done (READ, WRITE or RW), say the same at the end, and ask
 * again when a signal interrupted it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <linux/videodev2.h>

#define FRAMES	4	/* that go round between camera and program */
#define FILL	0x5a
#define BLOCK	64

struct frame {
	int buffer;		/* the dma-buf */
	unsigned char *data;	/* the same, mapped */
	size_t size;
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* ioctl(), again as long as a signal interrupts it. */
static int call(int fd, unsigned long request, void *argument)
{
	int ret;

	do {
		ret = ioctl(fd, request, argument);
	} while (ret < 0 && (errno == EINTR || errno == EAGAIN));
	return ret;
}

static void sync_frame(const struct frame *frame, __u64 flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	if (call(frame->buffer, DMA_BUF_IOCTL_SYNC, &sync))
		fail("DMA_BUF_IOCTL_SYNC");
}

static void make_frame(struct frame *frame, int node, size_t size, int huge)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC };
	struct stat file;
	int memfd;

	memfd = memfd_create("frame", MFD_CLOEXEC | MFD_ALLOW_SEALING |
			     (huge ? MFD_HUGETLB : 0));
	if (memfd < 0 || fstat(memfd, &file))
		fail("memfd_create");
	/* Whole pages of the memfd, whatever their size. */
	size = (size + file.st_blksize - 1) / file.st_blksize * file.st_blksize;
	if (ftruncate(memfd, size))
		fail("ftruncate");
	/* A buffer is never cut off, so neither may its memory be. */
	if (fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		fail("F_SEAL_SHRINK");
	create.memfd = memfd;
	create.size = size;
	frame->size = size;
	frame->buffer = call(node, UDMABUF_CREATE, &create);
	if (frame->buffer < 0)
		fail("UDMABUF_CREATE");
	close(memfd);	/* the buffer has the memory */
	frame->data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			   frame->buffer, 0);
	if (frame->data == MAP_FAILED)
		fail("mmap");
}

/* Write to a frame that the camera does not have. */
static void fill(const struct frame *frame)
{
	sync_frame(frame, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
	memset(frame->data, FILL, frame->size);
	sync_frame(frame, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
}

/* Read what the camera wrote, and how much of it is still what fill() did. */
static void show(const struct frame *frame, unsigned int number, size_t used)
{
	unsigned char old[BLOCK], first[4];
	size_t at, left = 0;

	memset(old, FILL, sizeof(old));
	sync_frame(frame, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
	memcpy(first, frame->data, sizeof(first));
	for (at = 0; at + BLOCK <= used; at += BLOCK)
		left += !memcmp(frame->data + at, old, BLOCK);
	sync_frame(frame, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
	printf("frame %u: %zu bytes, begins %02x %02x %02x %02x, %zu not written\n",
	       number, used, first[0], first[1], first[2], first[3],
	       left * BLOCK);
}

static void queue(int camera, const struct frame *frames, unsigned int index)
{
	struct v4l2_buffer buffer = {
		.index = index,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_DMABUF,
		.m.fd = frames[index].buffer,
		.length = frames[index].size,
	};

	if (call(camera, VIDIOC_QBUF, &buffer))
		fail("VIDIOC_QBUF");
}

int main(int argc, char **argv)
{
	struct v4l2_format format = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };
	const char *name = "/dev/udmabuf-fanout", *device = "/dev/video0";
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	unsigned int count = 8, i;
	struct v4l2_requestbuffers request = {
		.count = FRAMES,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_DMABUF,
	};
	struct frame frames[FRAMES];
	int node, camera, option, huge = 0;

	while ((option = getopt(argc, argv, "n:d:c:H")) != -1) {
		switch (option) {
		case 'n':
			name = optarg;
			break;
		case 'd':
			device = optarg;
			break;
		case 'c':
			count = atoi(optarg);
			break;
		case 'H':
			huge = 1;
			break;
		default:
			return 2;
		}
	}
	node = open(name, O_RDWR | O_CLOEXEC);
	if (node < 0)
		fail(name);
	camera = open(device, O_RDWR | O_CLOEXEC);
	if (camera < 0)
		fail(device);

	if (call(camera, VIDIOC_G_FMT, &format))
		fail("VIDIOC_G_FMT");
	if (call(camera, VIDIOC_REQBUFS, &request) || request.count != FRAMES)
		fail("VIDIOC_REQBUFS");
	for (i = 0; i < FRAMES; i++) {
		make_frame(&frames[i], node, format.fmt.pix.sizeimage, huge);
		fill(&frames[i]);
		queue(camera, frames, i);
	}
	if (call(camera, VIDIOC_STREAMON, &type))
		fail("VIDIOC_STREAMON");

	for (i = 0; i < count; i++) {
		struct v4l2_buffer buffer = {
			.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
			.memory = V4L2_MEMORY_DMABUF,
		};

		/* From here on the frame is the program's ... */
		if (call(camera, VIDIOC_DQBUF, &buffer))
			fail("VIDIOC_DQBUF");
		show(&frames[buffer.index], i, buffer.bytesused);
		fill(&frames[buffer.index]);
		/* ... and the camera's again. */
		queue(camera, frames, buffer.index);
	}
	if (call(camera, VIDIOC_STREAMOFF, &type))
		fail("VIDIOC_STREAMOFF");
	return 0;
}
