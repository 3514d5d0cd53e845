// SPDX-License-Identifier: GPL-2.0
/*
 * What is said: see say.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "say.h"

static void put_line(const char *mark, const char *format, va_list args)
{
	char line[400];
	int at;

	at = snprintf(line, sizeof(line) - 1, "hostile: %s", mark);
	at += vsnprintf(line + at, sizeof(line) - 1 - at, format, args);
	if (at > (int)sizeof(line) - 2)
		at = sizeof(line) - 2;
	line[at++] = '\n';
	if (write(STDOUT_FILENO, line, at) < 0)
		_exit(2);
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line("", format, args);
	va_end(args);
}

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_line("FAILED ", format, args);
	va_end(args);
	_exit(1);
}
