// SPDX-License-Identifier: GPL-2.0
/*
 * The demo: see demo.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/udmabuf.h>

#include "../core/report.h"
#include "../edu/edu_importer.h"
#include "demo.h"
#include "rows.h"

/* The kernel's own selftest, on the node it knows. */
static void run_selftest(const struct exporter *exporter)
{
	char *const arguments[] = { "/selftest", NULL };

	if (exporter->heap || access(arguments[0], X_OK))
		return;
	if (strcmp(exporter->node, "/dev/udmabuf") &&
	    mount(exporter->node, "/dev/udmabuf", NULL, MS_BIND, NULL))
		return;
	run_program("selftest", exporter->name, arguments);
	if (strcmp(exporter->node, "/dev/udmabuf"))
		umount("/dev/udmabuf");
}

/* What DMA API debugging has counted, in kernels that have it. */
static void report_dma_debug(void)
{
	char errors[32] = "", disabled[32] = "";
	FILE *file;

	file = fopen("/sys/kernel/debug/dma-api/error_count", "r");
	if (!file)
		return;
	if (!fgets(errors, sizeof(errors), file))
		errors[0] = 0;
	fclose(file);
	file = fopen("/sys/kernel/debug/dma-api/disabled", "r");
	if (!file || !fgets(disabled, sizeof(disabled), file))
		disabled[0] = 0;
	if (file)
		fclose(file);
	errors[strcspn(errors, "\n")] = 0;
	disabled[strcspn(disabled, "\n")] = 0;
	emit("{\"dma_api_errors\": %s, \"disabled\": \"%s\"}",
	     *errors ? errors : "-1", disabled);
}

/* Whether our module can be removed while a buffer lives, and afterwards. */
static void report_unload(void)
{
	struct udmabuf_create create = { .size = PAGE };
	int node, dmabuf, alive, after;

	node = open("/dev/udmabuf-fanout", O_RDWR | O_CLOEXEC);
	create.memfd = memfd_create("unload", MFD_ALLOW_SEALING);
	if (node < 0 || ftruncate(create.memfd, PAGE) ||
	    fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return;
	dmabuf = ioctl(node, UDMABUF_CREATE, &create);
	close(node);
	close(create.memfd);
	if (dmabuf < 0)
		return;
	alive = syscall(SYS_delete_module, "udmabuf_fanout", O_NONBLOCK) ?
		errno : 0;
	close(dmabuf);
	after = syscall(SYS_delete_module, "udmabuf_fanout", O_NONBLOCK) ?
		errno : 0;
	emit("{\"unload\": %d, \"after\": %d}", alive, after);
}

/* Which devices snoop the CPU's caches, in PCI order. */
static void report_coherent(void)
{
	int importer = open("/dev/edu-importer", O_RDWR | O_CLOEXEC);
	struct edu_device_info device = { .index = B1 };

	for (; !ioctl(importer, EDU_DEVICE_INFO, &device); device.index++)
		emit("{\"device\": \"%s\", \"coherent\": %u}",
		     device_names[device.index], device.coherent);
	close(importer);
}

static void run_block(const struct block *block,
		      const struct exporter *exporters, unsigned int count)
{
	const struct scenario *s;
	unsigned int e;

	for (s = block->scenarios; s < block->scenarios + block->count; s++) {
		emit("{\"scenario\": \"%s\", \"title\": \"%s\", \"block\": \"%s\", \"design\": %s}",
		     s->name, s->title, block->name,
		     s->design ? "true" : "false");
		for (e = 0; e < count; e++)
			run_scenario(&exporters[e], s);
	}
}

int run_demo(const struct exporter *exporters, unsigned int count)
{
	unsigned int e;

	report_coherent();
	run_block(&by_the_book, exporters, count);
	run_block(&programs_as_they_are, exporters, count);
	for (e = 0; e < count; e++)
		run_selftest(&exporters[e]);
	report_unload();
	report_dma_debug();
	return 0;
}
