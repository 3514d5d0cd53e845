// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps the model: chance, what was called and what it had to return, which
 * memory there is, and what stands in it.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/dma-buf.h>

#include "hostile_model.h"

static __thread struct {
	sigjmp_buf back;
	volatile sig_atomic_t armed;
} trap;

/* Chance. */

__u64 next(struct world *w)
{
	__u64 z = w->random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

unsigned int pick(struct world *w, unsigned int n)
{
	return next(w) % n;
}

bool one_in(struct world *w, unsigned int n)
{
	return !pick(w, n);
}

/* Record and judge. */

static void add_to_hash(struct world *w, __u64 value)
{
	w->tally->hash = (w->tally->hash ^ value) * 0x100000001b3ULL;
	w->tally->hash ^= w->tally->hash >> 29;
}

/* Nothing in @a, @b and @c may differ from run to run: no address, no number
 * that the kernel chose.
 */
void start(struct world *w, const char *name, __u64 a, __u64 b, __u64 c)
{
	w->history[w->made++ % HISTORY] = (struct call) {
		.name = name, .arg = { a, b, c }, .error = -1 };
	add_to_hash(w, w->kind);
	add_to_hash(w, a);
	add_to_hash(w, b);
	add_to_hash(w, c);
}

void finish(struct world *w, int error)
{
	w->history[(w->made - 1) % HISTORY].error = error;
	w->tally->calls++;
	if (error)
		w->tally->failed[w->kind]++;
	else
		w->tally->passed[w->kind]++;
}

void __noreturn __printf(2, 3) violation(struct world *w,
					 const char *format, ...)
{
	char text[200];
	va_list args;
	__u64 i;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);

	say("thread %u%s, seed %llu, call %llu; its last calls:", w->thread,
	    w->child ? " (a forked child)" : "", machine.seed,
	    w->tally->calls);
	for (i = w->made > HISTORY ? w->made - HISTORY : 0; i < w->made; i++) {
		const struct call *call = &w->history[i % HISTORY];

		say("  %s %#llx %#llx %#llx: %s", call->name, call->arg[0],
		    call->arg[1], call->arg[2],
		    call->error < 0 ? "..." : call->error ?
		    strerrorname_np(call->error) : "0");
	}
	die("%s", text);
}

static const char *errno_name(int error)
{
	return error ? strerrorname_np(error) ?: "?" : "success";
}

void expect_one_of(struct world *w, int error, const int *allowed)
{
	char text[120] = "";
	const int *e;

	finish(w, error);
	for (e = allowed; *e >= 0; e++)
		if (*e == error)
			return;
	for (e = allowed; *e >= 0; e++) {
		strcat(text, e == allowed ? "" : " or ");
		strcat(text, errno_name(*e));
		if (e - allowed == 6)
			break;
	}
	violation(w, "%s: got %s, expected %s",
		  w->history[(w->made - 1) % HISTORY].name, errno_name(error),
		  text);
}

int error_of(long ret)
{
	return ret < 0 ? errno : 0;
}

/* The model's memory. */

unsigned short new_page(struct world *w)
{
	struct shared_world *s = w->shared;
	unsigned int i;

	for (i = 0; i < POOL; i++) {
		s->next_page = s->next_page % (POOL - 1) + 1;
		if (s->page[s->next_page].refs)
			continue;
		s->page[s->next_page] = (struct page) { .refs = 1 };
		return s->next_page;
	}
	die("the model has too few pages");
}

void put_page(struct world *w, unsigned short page)
{
	w->shared->page[page].refs--;
}

void get_memory(struct world *w, const struct memory *memory)
{
	unsigned int i;

	for (i = 0; i < memory->pages; i++)
		w->shared->page[memory->page[i]].refs++;
}

void put_memory(struct world *w, const struct memory *memory)
{
	unsigned int i;

	for (i = 0; i < memory->pages; i++)
		put_page(w, memory->page[i]);
}

unsigned int pages_of(const struct inode *inode)
{
	return (inode->size + PAGE - 1) / PAGE;
}

void resize(struct world *w, struct inode *inode, __u64 size)
{
	unsigned int old = pages_of(inode), i;

	inode->size = size;
	for (i = old; i < pages_of(inode); i++)
		inode->page[i] = new_page(w);
	for (i = pages_of(inode); i < old; i++)
		put_page(w, inode->page[i]);
}

unsigned int new_inode(struct world *w)
{
	unsigned int i;

	for (i = 0; i < INODES; i++) {
		if (w->shared->inode[i].users)
			continue;
		w->shared->inode[i] = (struct inode) { .users = 1 };
		return i;
	}
	die("the model has too few inodes");
}

void put_inode(struct world *w, unsigned int i)
{
	struct inode *inode = &w->shared->inode[i];

	if (!--inode->users)
		resize(w, inode, 0);
}

/* Some slot that is in use, or NULL. */

struct memfd *some_memfd(struct world *w)
{
	unsigned int at = pick(w, MEMFDS), i;

	for (i = 0; i < MEMFDS; i++, at = (at + 1) % MEMFDS)
		if (w->memfd[at].fd >= 0)
			return &w->memfd[at];
	return NULL;
}

struct buffer *some_buffer(struct world *w)
{
	unsigned int at = pick(w, BUFFERS), i;

	for (i = 0; i < BUFFERS; i++, at = (at + 1) % BUFFERS)
		if (w->buffer[at].fd >= 0)
			return &w->buffer[at];
	return NULL;
}

struct map *some_map(struct world *w)
{
	unsigned int at = pick(w, MAPS), i;

	for (i = 0; i < MAPS; i++, at = (at + 1) % MAPS)
		if (w->map[at].at)
			return &w->map[at];
	return NULL;
}

struct attachment *some_attachment(struct world *w, bool used)
{
	unsigned int at = pick(w, ATTACHMENTS), i;

	for (i = 0; i < ATTACHMENTS; i++, at = (at + 1) % ATTACHMENTS)
		if (w->attachment[at].used == used)
			return &w->attachment[at];
	return NULL;
}

struct inode *inode_of(struct world *w, const struct memfd *memfd)
{
	return &w->shared->inode[memfd->inode];
}

/* Bad places for arguments of @size bytes; @output: they are written to. */
void *bad_place(struct world *w, size_t size, bool output)
{
	switch (pick(w, output ? 7 : 6)) {
	case 0:
		return NULL;
	case 1:
		return w->none;
	case 2:
		return w->edge + 1 - (size > 8 ? 8 : 1);
	case 3:
		return (void *)~7UL;
	case 4:
		return (void *)0xffff888000000000UL;
	case 5:
		return (void *)8UL;
	default:
		return w->read_only;
	}
}

/* Signals. */

static void on_fault(int signal)
{
	if (!trap.armed)
		die("signal %d out of nowhere", signal);
	siglongjmp(trap.back, signal);
}

static void on_alarm(int signal)
{
	(void)signal;
}

void catch_signals(void)
{
	struct sigaction fault = { .sa_handler = on_fault };
	struct sigaction alarm = { .sa_handler = on_alarm };

	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	/* Without SA_RESTART: a wait that is interrupted must say so. */
	sigaction(SIGALRM, &alarm, NULL);
}

/* Read or write one word. Return: the signal that it cost, 0 for none. */
int touch(void *at, __u64 *value, bool write)
{
	int signal = sigsetjmp(trap.back, 1);

	if (!signal) {
		trap.armed = 1;
		if (write)
			*(volatile __u64 *)at = *value;
		else
			*value = *(volatile __u64 *)at;
	}
	trap.armed = 0;
	return signal;
}

/* Stamps. */

const size_t stamp_at[] = { 0, PAGE - sizeof(__u64) };

void check_stamp(struct world *w, unsigned int page, __u64 seen,
		 const char *where)
{
	const struct page *p = &w->shared->page[page];

	if (seen != p->stamp)
		violation(w, "%s: page %u has %#llx, expected %#llx", where,
			  page, seen, p->stamp);
}

/* Look through a map of a page. */
void check_mapped(struct world *w, const __u8 *at, unsigned int page,
		  const char *where)
{
	__u64 seen;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stamp_at); i++) {
		memcpy(&seen, at + stamp_at[i], sizeof(seen));
		check_stamp(w, page, seen, where);
	}
}
