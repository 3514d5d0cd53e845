// SPDX-License-Identifier: GPL-2.0
/*
 * Reads histories, and says which line is bad. It must not know what becomes of
 * them.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"

#define WORDS		32

/*
 * Of a line's arguments: d a device, x a device or the exporter, j the other
 * device, p a place, l places, n a process, c a call, v values, and words: m
 * memory, t where to, r a direction, a an access, o which sync, s success.
 */
const struct form forms[] = {
	[USES] = { "uses", false, "dpm", "mapping" },
	[SAME] = { "same", false, "dpj", "mapping" },
	[MAP] = { "map", true, "d" },
	[UNMAP] = { "unmap", true, "d" },
	[BEGIN] = { "begin", true, "an" },
	[END] = { "end", true, "an" },
	[VMAP] = { "vmap", true, "" },
	[VUNMAP] = { "vunmap", true, "" },
	[STORE] = { "store", true, "p" },
	[LOAD] = { "load", true, "p" },
	[WRITE] = { "write", true, "dp" },
	[READ] = { "read", true, "dp" },
	[OTHER] = { "other", true, "" },
	[FILL] = { "fill", false, "dl", "filling of a slot" },
	[SYNC] = { "sync", false, "oxrl", "sync" },
	[MOVED] = { "moved", false, "tdp", "copying" },
	[LATE] = { "late", false, "dp", "late write" },
	[VIEWS] = { "views", false, "v" },
	[RETURN] = { "return", false, "cs" },
};

static const char * const memories[] = { "page", "slot", "copy", NULL };
static const char * const moves_to[] = { "page", "copy", NULL };
static const char * const directions[] = { "both", "to", "from", NULL };
static const char * const accesses[] = { "rw", "w", "r", NULL };
const char * const syncs[] = { "for_cpu", "for_device", NULL };
static const char * const successes[] = { "FAILED", "OK", NULL };

/**
 * fail() - say what is wrong with the input, and exit
 * @line: in which line
 * @format: what, as of printf()
 */
void fail(unsigned int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "replay: line %u: ", line);
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(2);
}

static unsigned int read_number(unsigned int line, const char *word,
				unsigned int from, unsigned int to)
{
	char *end;
	unsigned long value = strtoul(word, &end, 10);

	if (*word < '0' || *word > '9' || *end || value < from || value > to)
		fail(line, "%s should be a number from %u to %u", word, from, to);
	return value;
}

static unsigned int choice(unsigned int line, const char *word,
			   const char * const *words)
{
	unsigned int i;

	for (i = 0; words[i]; i++)
		if (!strcmp(word, words[i]))
			return i;
	fail(line, "%s is not one of %s, %s...", word, words[0], words[1]);
}

/* A letter, or a number. */
static unsigned int place_of(const struct history *history, unsigned int line,
			     const char *word)
{
	unsigned int places = history->config.lines * history->config.bytes;

	if (*word >= 'a' && *word < (int)('a' + places) && !word[1])
		return *word - 'a';
	return read_number(line, word, 0, places - 1);
}

static u8 places_of(const struct history *history, unsigned int line,
		    const char *word)
{
	u8 places = 0;

	if (!strcmp(word, "-"))
		return 0;
	for (; *word; word++) {
		const char letter[] = { *word, '\0' };

		places |= 1 << place_of(history, line, letter);
	}
	return places;
}

static void read_views(const struct history *history, struct said *said,
		       char **words)
{
	unsigned int view, place;

	for (view = 0; view <= history->config.nr_devices; view++)
		for (place = 0; place < history->config.lines *
					history->config.bytes; place++) {
			if (!*words)
				fail(said->line, "there are too few values");
			/* The CPU's are first. */
			said->seen[view ? view - 1 : MODEL_CPU][place] =
				read_number(said->line, *words++, 0,
					    MODEL_VALUES - 1);
		}
	if (*words)
		fail(said->line, "there are too many values");
}

static void read_argument(const struct history *history, struct said *said,
			  char kind, const char *word)
{
	unsigned int devices = history->config.nr_devices, line = said->line;

	switch (kind) {
	case 'x':
	case 'd':
		said->device = kind == 'x' && !strcmp(word, "x") ? EXPORTER :
			       read_number(line, word, 0, devices - 1);
		break;
	case 'j':
		said->other = read_number(line, word, 0, devices - 1);
		break;
	case 'p':
		said->place = place_of(history, line, word);
		break;
	case 'l':
		said->places = places_of(history, line, word);
		break;
	case 'n':
		said->process = read_number(line, word, 0, PROCESSES - 1);
		break;
	case 'c':
		if (read_number(line, word, 0, ~0U) != said->call)
			fail(line, "call %u is under way", said->call);
		break;
	case 'm':
		said->memory = choice(line, word, memories);
		break;
	case 't':
		said->memory = choice(line, word, moves_to) ? COPY : PAGE;
		break;
	case 'r':
		said->dir = choice(line, word, directions);
		break;
	case 'a':
		said->dir = choice(line, word, accesses);
		break;
	case 'o':
		said->for_device = choice(line, word, syncs);
		break;
	case 's':
		said->failed = !choice(line, word, successes);
		break;
	}
}

static void read_head(struct history *history, unsigned int line,
		      char **words)
{
	if (!words[1] || !words[2] || !words[3] || !words[4] || words[5] ||
	    strlen(words[1]) >= sizeof(history->id))
		fail(line, "it is: history ID LINES BYTES NDEV");
	memcpy(history->id, words[1], strlen(words[1]) + 1);
	history->config = (struct model_config) {
		/* Pages always have a line, and nothing is widened. */
		.plan = PLAN_STOCK,
		.lines = read_number(line, words[2], 1, MODEL_LINES),
		.bytes = read_number(line, words[3], 1, MODEL_BYTES),
		.nr_devices = read_number(line, words[4], 1, MODEL_DEVICES),
	};
	history->snoops = 0;
	history->nr_devices = 0;
	history->nr = 0;
	history->call = -1;
}

static void read_device(struct history *history, unsigned int line,
			char **words)
{
	unsigned int i;

	if (!words[1] || !words[2] || !words[3] || words[4] || history->nr ||
	    history->nr_devices == history->config.nr_devices)
		fail(line, "it is: device I DIR SNOOPS, once for each");
	i = read_number(line, words[1], history->nr_devices, history->nr_devices);
	history->config.device[i].dir = choice(line, words[2], directions);
	history->snoops |= read_number(line, words[3], 0, 1) << i;
	history->nr_devices++;
}

static struct said *new_said(struct history *history)
{
	struct said *said;

	if (history->nr == history->room) {
		history->room = history->room ? 2 * history->room : 64;
		history->said = realloc(history->said, history->room *
						       sizeof(*said));
		if (!history->said) {
			perror("replay");
			exit(2);
		}
	}
	said = &history->said[history->nr++];
	memset(said, 0, sizeof(*said));
	return said;
}

static void read_said(struct history *history, unsigned int line, char **words)
{
	bool calls = words[1] && words[2] && !strcmp(words[0], "call");
	struct said *said = new_said(history);
	const char *kind;

	said->line = line;
	if (history->nr_devices < history->config.nr_devices)
		fail(line, "not all devices have been said");
	if (history->call >= 0)
		said->call = history->said[history->call].call;
	else if (history->nr > 1)
		said->call = history->said[history->nr - 2].call;
	if (calls) {
		if (history->call >= 0)
			fail(line, "call %u is under way", said->call);
		said->call = read_number(line, words[1], 0, ~0U);
		history->call = history->nr - 1;
		words += 2;
	}
	while (said->what < ARRAY_SIZE(forms) &&
	       (forms[said->what].calls != calls ||
		strcmp(forms[said->what].word, words[0])))
		said->what++;
	if (said->what == ARRAY_SIZE(forms))
		fail(line, "nothing is called %s", words[0]);
	words++;
	if (said->what == VIEWS) {
		read_views(history, said, words);
		return;
	}
	for (kind = forms[said->what].arguments; *kind; kind++, words++) {
		if (!*words)
			fail(line, "there are too few words");
		read_argument(history, said, *kind, *words);
	}
	if (*words)
		fail(line, "there are too many words");
	if (said->what == RETURN) {
		if (history->call < 0)
			fail(line, "no call is under way");
		history->said[history->call].failed = said->failed;
		history->call = -1;
	}
}

/**
 * read_history() - read the next history from stdin
 * @history: filled in; its memory is used again
 *
 * Return: false if there is none.
 */
bool read_history(struct history *history)
{
	bool has_begun = false;
	char *text = NULL;
	size_t size = 0;

	while (getline(&text, &size, stdin) >= 0) {
		char *words[WORDS + 1], *rest = text;
		unsigned int line = ++history->line, nr = 0;

		do
			words[nr] = strtok_r(rest, " \t\n", &rest);
		while (words[nr] && ++nr <= WORDS);
		if (nr > WORDS)
			fail(line, "there are too many words");
		if (!nr)
			continue;
		if (has_begun != !!strcmp(words[0], "history"))
			fail(line, has_begun ? "the last history has no end" :
					       "there is no history");
		if (has_begun && nr == 1 && !strcmp(words[0], "end")) {
			if (history->call >= 0)
				fail(line, "a call is under way");
			free(text);
			return true;
		}
		if (!has_begun)
			read_head(history, line, words);
		else if (!strcmp(words[0], "device"))
			read_device(history, line, words);
		else
			read_said(history, line, words);
		has_begun = true;
	}
	if (has_begun)
		fail(history->line, "the last history has no end");
	free(text);
	return false;
}
