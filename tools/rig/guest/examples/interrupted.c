// SPDX-License-Identifier: GPL-2.0
/*
 * A signal for every other ioctl() of the program that this is linked into, with
 * -Wl,--wrap=ioctl: it must come to the same end.
 */
#include <errno.h>

int __real_ioctl(int fd, unsigned long request, void *argument);

int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
	static unsigned int calls;

	if (calls++ % 2 == 0) {
		errno = EINTR;
		return -1;
	}
	return __real_ioctl(fd, request, argument);
}
