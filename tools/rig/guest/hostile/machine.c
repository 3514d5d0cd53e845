// SPDX-License-Identifier: GPL-2.0
/*
 * The machine: see machine.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/dma-buf.h>
#include <linux/udmabuf.h>

#include "../edu/edu_importer.h"
#include "machine.h"
#include "say.h"

struct machine machine = {
	.node = "/dev/udmabuf-fanout",
	.threads = 4,
	.seed = 1,
};

void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		say("%s: %s", path, strerror(errno));
	close(fd);
}

/* The number after @name in a file of the kernel, -1 if it is not there. */
static long read_number(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	long number = -1;
	char line[256], *at;

	if (!file)
		return -1;
	while (number < 0 && fgets(line, sizeof(line), file)) {
		at = strstr(line, name);
		if (at)
			number = strtol(at + strlen(name), NULL, 10);
	}
	fclose(file);
	return number;
}

static long pins(void)
{
	/* Have all CPUs add what they counted. */
	write_text("/proc/sys/vm/stat_refresh", "1");
	return read_number("/proc/vmstat", "nr_foll_pin_acquired ") -
	       read_number("/proc/vmstat", "nr_foll_pin_released ");
}

/* How many dma-bufs there are, -1 if nobody tells. */
static long buffers(void)
{
	return read_number(DEBUGFS "/dma_buf/bufinfo", "Total ");
}

/*
 * How many files are open, by whomever. Of several CPUs each keeps up to 32 to
 * itself: then nobody tells.
 */
static long files(void)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		return -1;
	return read_number("/proc/sys/fs/file-nr", "");
}

static bool is_dma_debug(void)
{
	char answer = 'Y';
	int fd = open(DEBUGFS "/dma-api/disabled", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	if (read(fd, &answer, 1) != 1)
		answer = 'Y';
	close(fd);
	return answer == 'N';
}

void check_returned(unsigned int open_files)
{
	struct timespec moment = { .tv_nsec = 20000000 };
	unsigned int i;

	for (i = 0; i < 100; i++) {
		if (pins() == machine.pins && buffers() == machine.buffers &&
		    (machine.files < 0 ||
		     files() == machine.files + open_files))
			return;
		nanosleep(&moment, NULL);
	}
	die("left behind: %ld pins, %ld dma-bufs, %ld files",
	    pins() - machine.pins, buffers() - machine.buffers,
	    files() - machine.files - open_files);
}

static void find_devices(void)
{
	bool swiotlb = access(DEBUGFS "/swiotlb", F_OK) == 0 ||
		       !machine.debugfs;
	bool force = read_number("/proc/cmdline", "swiotlb=force") >= 0;
	struct edu_device_info info = { };
	int fd = open("/dev/edu-importer", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		say("no importer: none of its calls is made");
		return;
	}
	for (; machine.devices < ARRAY_SIZE(machine.bounces); info.index++) {
		if (ioctl(fd, EDU_DEVICE_INFO, &info))
			break;
		machine.bounces[machine.devices] =
			swiotlb && (force || info.mask_bits < 64);
		machine.bounces_any |= machine.bounces[machine.devices++];
	}
	close(fd);
}

void look_around(void)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC };
	struct dma_buf_export_sync_file export = { };
	int node = open(machine.node, O_RDWR | O_CLOEXEC);
	int memfd = memfd_create("probe", MFD_ALLOW_SEALING), buffer;

	if (node < 0 || memfd < 0)
		die("%s: %s", machine.node, strerror(errno));
	machine.debugfs = !access(DEBUGFS "/udmabuf-fanout", F_OK) &&
			  !access(DEBUGFS "/dma_buf/bufinfo", R_OK);
	if (!machine.debugfs)
		say("no debugfs: what is there is not compared with the model");
	machine.uml = read_number("/proc/cpuinfo", "User Mode Linux") >= 0;
	find_devices();

	create.memfd = memfd;
	create.size = PAGE;
	if (ftruncate(memfd, PAGE) || fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		die("no memfd: %s", strerror(errno));
	buffer = ioctl(node, UDMABUF_CREATE, &create);
	if (buffer < 0)
		die("no buffer: %s", strerror(errno));
	machine.sync_files = ioctl(buffer, DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
				   &export) && errno == EINVAL;
	close(buffer);
	close(memfd);
	close(node);
	machine.dma_debug = is_dma_debug();
	machine.pins = pins();
	machine.buffers = buffers();
	machine.files = files();
	say("%u importer devices%s%s; %ld pins, %ld dma-bufs, %ld files",
	    machine.devices, machine.bounces_any ? ", some may be bounced" : "",
	    machine.dma_debug ? ", DMA API debugging" : "", machine.pins,
	    machine.buffers, machine.files);
}

void check_dma_debug(void)
{
	if (machine.dma_debug && !is_dma_debug())
		die("DMA API debugging has given up");
}

void *shared_memory(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		die("no memory: %s", strerror(errno));
	return memory;
}
