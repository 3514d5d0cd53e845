// SPDX-License-Identifier: GPL-2.0
/*
 * Moves in words: see tell.h.
 */
#include <stdarg.h>
#include <stdio.h>

#include "tell.h"

static const char *const access_names[] = { "", "READ", "WRITE", "RW" };
static const char *const direction_names[] = {
	"both directions", "reads", "writes"
};

void say(const struct world *world, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	world->say(text);
}

void tell_move(const struct world *world, unsigned int number,
	       const struct move *m)
{
	const char *name = world->names[m->device];
	char who[32], where[48], how[32] = "";

	snprintf(who, sizeof(who), "process %u, thread %u", m->worker / 2 + 1,
		 m->worker % 2 + 1);
	snprintf(where, sizeof(where), "bytes %u to %u", m->at,
		 m->at + m->bytes - 1);
	if (m->memfd)
		snprintf(how, sizeof(how), " through the memfd");
	switch (m->kind) {
	case MAP:
		say(world, "%3u. %s maps, %s", number, name,
		    direction_names[m->direction]);
		break;
	case UNMAP:
		say(world, "%3u. %s unmaps", number, name);
		break;
	case DEVICE_WRITES:
		say(world, "%3u. %s writes %s", number, name, where);
		break;
	case DEVICE_READS:
		say(world, "%3u. %s reads bytes %u to %u", number, name,
		    m->at / ARENA * ARENA, m->at / ARENA * ARENA + ARENA - 1);
		break;
	case START:
		say(world, "%3u. %s: START(%s), reads all%s", number, who,
		    access_names[m->access], how);
		break;
	case END:
		say(world, "%3u. %s: END(%s)", number, who,
		    access_names[m->access]);
		break;
	case INTERRUPTED:
		say(world, "%3u. %s: START(%s) waits for %s's %s, is interrupted",
		    number, who, access_names[m->access], name, where);
		break;
	case STORE:
		say(world, "%3u. %s stores %s%s", number, who, where, how);
		break;
	case LOAD:
		say(world, "%3u. %s reads all%s", number, who, how);
		break;
	case KERNEL_MAP:
		say(world, "%3u. the kernel maps", number);
		break;
	case KERNEL_STORE:
		say(world, "%3u. the kernel stores %s", number, where);
		break;
	case KERNEL_UNMAP:
		say(world, "%3u. the kernel unmaps", number);
		break;
	case HALF_BEGIN:
		say(world, "%3u. begin for %s, and the core's own wait fails",
		    number, access_names[m->access]);
		break;
	case KILL:
		say(world, "%3u. process %u is killed, another takes its place",
		    number, m->worker / 2 + 1);
		break;
	default:
		break;
	}
}
