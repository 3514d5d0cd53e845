// SPDX-License-Identifier: GPL-2.0
/*
 * The machine that the rig boots: see machine.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "machine.h"

#define DROP_CACHES	"/proc/sys/vm/drop_caches"

const char *const device_names[] = {
	[B1] = "bounced 1", [B2] = "bounced 2",
	[D1] = "direct 1", [D2] = "direct 2",
};

bool all_bounced;

bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 &&
		       write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return written;
}

void drop_caches(void)
{
	sync();
	write_file(DROP_CACHES, "1");
}

int load_module(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return errno;
	ret = syscall(SYS_finit_module, fd, parameters, 0) ? errno : 0;
	close(fd);
	return ret;
}
