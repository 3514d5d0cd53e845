// SPDX-License-Identifier: GPL-2.0
/*
 * The driver's parameters: see knobs.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <linux/udmabuf.h>

#include "knobs.h"
#include "machine.h"
#include "say.h"

#define PARAMETERS	"/sys/module/udmabuf_fanout/parameters/"

/* A parameter of the driver; odd versions are being written. */
static struct shared_knobs {
	pthread_mutex_t lock;
	struct knob {
		atomic_uint version;
		atomic_uint value;
	} knob[KNOBS];
} *shared;

unsigned int knob_version(unsigned int knob)
{
	return atomic_load(&shared->knob[knob].version);
}

bool knob_steady(unsigned int knob, unsigned int version)
{
	return !(version & 1) && version == knob_version(knob);
}

unsigned int knob_value(unsigned int knob)
{
	return atomic_load(&shared->knob[knob].value);
}

static const struct setting {
	const char *text;
	unsigned int value;
	int error;
} list_settings[] = {
	{ "1024", 1024 }, { "1024", 1024 }, { "1", 1 }, { "3", 3 }, { "0", 0 },
	{ "4294967295", 0xffffffff }, { "-1", 0, EINVAL },
	{ "4294967296", 0, ERANGE }, { "much", 0, EINVAL }, { }
}, size_settings[] = {
	{ "64", 64 }, { "64", 64 }, { "1", 1 }, { "0", 0 }, { "65536", 65536 },
	{ "4294967295", 0xffffffff }, { "-1", 0, EINVAL },
	{ "1e3", 0, EINVAL }, { }
}, policy_settings[] = {
	{ "minimal", 0 }, { "all", 1 }, { "some", 0, EINVAL },
	{ "", 0, EINVAL }, { }
}, copy_settings[] = {
	{ "1024", 1024 }, { "1024", 1024 }, { "0", 0 }, { "1", 1 },
	{ "-1", 0, EINVAL }, { "much", 0, EINVAL }, { }
};

static const struct {
	const char *path;
	const struct setting *settings;
	unsigned int count;
} knobs[] = {
	[LIST_LIMIT] = { PARAMETERS "list_limit", list_settings, 9 },
	[SIZE_LIMIT] = { PARAMETERS "size_limit_mb", size_settings, 8 },
	[POLICY] = { PARAMETERS "sync_policy", policy_settings, 4 },
	[COPY_LIMIT] = { PARAMETERS "copy_limit_mb", copy_settings, 6 },
};

/* Return: the errno. */
static int set_knob(unsigned int knob, const struct setting *setting)
{
	struct knob *k = &shared->knob[knob];
	int fd, error = 0;

	fd = open(knobs[knob].path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	pthread_mutex_lock(&shared->lock);
	atomic_fetch_add(&k->version, 1);
	/* A write of nothing never gets to the driver. */
	if (write(fd, *setting->text ? setting->text : "\n",
		  strlen(setting->text) ?: 1) < 0)
		error = errno;
	else
		atomic_store(&k->value, setting->value);
	atomic_fetch_add(&k->version, 1);
	pthread_mutex_unlock(&shared->lock);
	close(fd);
	return error;
}

void default_parameters(void)
{
	unsigned int i;

	for (i = 0; i < KNOBS; i++)
		set_knob(i, &knobs[i].settings[0]);
}

void allow_long_lists(bool allow)
{
	set_knob(LIST_LIMIT, &list_settings[allow ? 5 : 0]);
}

void call_parameter(struct world *w)
{
	unsigned int knob = pick(w, KNOBS), which;
	int error;

	which = pick(w, knobs[knob].count);
	start(w, "parameter", knob, which, 0);
	error = set_knob(knob, &knobs[knob].settings[which]);
	if (error == ENOENT || error == EACCES || error == EROFS) {
		finish(w, error);
		return;
	}
	expect(w, error, knobs[knob].settings[which].error);
	/* Not for long, or nothing would succeed any more. */
	if (knob <= SIZE_LIMIT && !one_in(w, 8))
		set_knob(knob, &knobs[knob].settings[0]);
}

/* A buffer may be as large as it may be, and not a page larger. */
void call_size_limit(struct world *w)
{
	static const struct setting small = { "1", 1 };
	struct udmabuf_create args = { };
	unsigned int limit = (1 << 20) / PAGE;
	int fd;

	if (machine.threads > 1 || set_knob(SIZE_LIMIT, &small))
		return;
	args.size = (limit + pick(w, 2)) * PAGE;
	args.memfd = syscall(SYS_memfd_create, "large", MFD_ALLOW_SEALING);
	if ((int)args.memfd < 0 || ftruncate(args.memfd, args.size) ||
	    fcntl(args.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		die("memfd: %s", strerror(errno));
	start(w, "UDMABUF_CREATE of a MiB", args.size, 0, 0);
	fd = ioctl(w->node, UDMABUF_CREATE, &args);
	expect(w, error_of(fd), args.size / PAGE > limit ? EINVAL : 0);
	set_knob(SIZE_LIMIT, &size_settings[0]);
	close(args.memfd);
	if (fd < 0)
		return;
	if (lseek(fd, 0, SEEK_END) != (off_t)args.size)
		violation(w, "a MiB has another size");
	close(fd);
}

void share_knobs(void)
{
	pthread_mutexattr_t attributes;

	shared = shared_memory(sizeof(*shared));
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&shared->lock, &attributes);
	default_parameters();
}
