// SPDX-License-Identifier: GPL-2.0
/*
 * Actions on the driver's parameters.
 */
#include <errno.h>
#include <string.h>

#include "actions.h"
#include "calls.h"

static const struct {
	const char *file;
	const char *values[3];
} knobs[] = {
	{ PARAMETERS "sync_policy", { "minimal", "all", "all" } },
	{ PARAMETERS "copy_limit_mb", { "64", "512", "1024" } },
	{ PARAMETERS "size_limit_mb", { "0", "1", "64" } },
	{ PARAMETERS "list_limit", { "0", "2", "1024" } },
};

static void turn_knobs(struct worker *w)
{
	unsigned int i = pick(w, ARRAY_SIZE(knobs));

	if (!write_file(knobs[i].file, knobs[i].values[pick(w, 3)]))
		REFUSED(w, knobs[i].file, 0);
	w->done++;
}

static void read_knobs(struct worker *w)
{
	unsigned int i = pick(w, ARRAY_SIZE(knobs)), v;
	char text[64];

	if (read_whole(knobs[i].file, text, sizeof(text)) < 0) {
		REFUSED(w, knobs[i].file, ENOENT, ENODEV);
		return;
	}
	text[strcspn(text, "\n")] = 0;
	for (v = 0; v < 3; v++)
		if (!strcmp(text, knobs[i].values[v])) {
			w->done++;
			return;
		}
	wrong(w->stage, "%s is %s", knobs[i].file, text);
}

ACTION(turn_knobs);
ACTION(read_knobs);
