// SPDX-License-Identifier: GPL-2.0
/*
 * The result channel to the host: see report.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "report.h"

static int results = -1;

bool open_results(const char *port)
{
	struct termios raw;

	results = open(port, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (results < 0 || tcgetattr(results, &raw)) {
		dprintf(2, "rig: %s: %s\n", port, strerror(errno));
		return false;
	}
	cfmakeraw(&raw);
	tcsetattr(results, TCSANOW, &raw);
	return true;
}

void emit(const char *format, ...)
{
	static char line[16384];
	size_t done = 0;
	va_list args;
	ssize_t n;
	int size;

	va_start(args, format);
	size = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (size < 0 || (size_t)size >= sizeof(line) - 1)
		abort();
	line[size++] = '\n';
	while (done < (size_t)size) {
		n = write(results, line + done, size - done);
		if (n < 0 && errno != EINTR)
			abort();
		done += n > 0 ? n : 0;
	}
	/* Who watches from outside knows by it what is going on. */
	tcdrain(results);
}

void end_results(int status)
{
	if (results < 0)
		return;
	emit("{\"end\": %d}", status);
}

void run_program(const char *kind, const char *name, char *const *arguments)
{
	int pipes[2], status = -1;
	char line[512];
	FILE *output;
	pid_t pid;

	if (pipe(pipes))
		return;
	pid = fork();
	if (!pid) {
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		close(pipes[0]);
		close(pipes[1]);
		execv(arguments[0], arguments);
		_exit(127);
	}
	close(pipes[1]);
	output = fdopen(pipes[0], "r");
	while (output && fgets(line, sizeof(line), output)) {
		line[strcspn(line, "\n\"\\")] = 0;
		emit("{\"%s\": \"%s\", \"line\": \"%s\"}", kind, name, line);
	}
	if (waitpid(pid, &status, 0) == pid)
		emit("{\"%s\": \"%s\", \"status\": %d}", kind, name,
		     WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	fclose(output);
}
