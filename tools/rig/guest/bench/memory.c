// SPDX-License-Identifier: GPL-2.0
/*
 * A settled machine, its clock, and memory: see memory.h.
 */
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../core/buffers.h"
#include "../core/report.h"
#include "memory.h"

int settle(void)
{
	struct sched_param first = { .sched_priority = 1 };

	if (!write_file("/sys/module/udmabuf/parameters/size_limit_mb",
			"4096") ||
	    !write_file("/sys/module/udmabuf_fanout/parameters/size_limit_mb",
			"4096") ||
	    !write_file("/proc/sys/kernel/sched_rt_runtime_us", "-1") ||
	    !write_file("/sys/kernel/mm/transparent_hugepage/shmem_enabled",
			"advise")) {
		emit("{\"error\": \"a parameter cannot be set\"}");
		return -1;
	}
	/* Nothing else may use instructions between two looks at the clock. */
	sleep(10);
	return sched_setscheduler(0, SCHED_FIFO, &first);
}

long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

/* The i-th of @count pages in an order in which no two are neighbours. */
static size_t scattered(size_t i, size_t count)
{
	return i * 4099 % count;
}

int filled_memfd(enum bench_pages pages, size_t bytes, bool fresh)
{
	size_t size = bytes, i, at;
	char *memory;
	int fd;

	if ((pages == THP || pages == HUGETLB) && size < HUGE_PAGE)
		size = HUGE_PAGE;
	fd = sealed_memfd(size, pages == HUGETLB ? MFD_HUGETLB : 0);
	if (fd < 0 || fresh)
		return fd;
	memory = mmap(NULL, size + HUGE_PAGE, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memory += HUGE_PAGE - (size_t)memory % HUGE_PAGE;
	memory = mmap(memory, size, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_FIXED, fd, 0);
	if (memory == MAP_FAILED)
		return -1;
	if (pages == THP && madvise(memory, size, MADV_HUGEPAGE))
		return -1;
	for (i = 0; i < size / PAGE; i++) {
		at = pages == SCATTERED || pages == HUGETLB ?
		     scattered(i, size / PAGE) : i;
		memory[at * PAGE] = 1;
	}
	munmap(memory, size);
	return fd;
}
