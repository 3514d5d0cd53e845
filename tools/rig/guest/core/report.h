/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The result channel to the host: one JSON object a line, on a serial port. It
 * does not know what is reported.
 */
#ifndef CORE_REPORT_H
#define CORE_REPORT_H

#include <stdbool.h>

/* Return: false, with a word on standard error, if there is no such port. */
bool open_results(const char *port);
void __printf(1, 2) emit(const char *format, ...);
/* The last line, without which the host takes the guest for dead. */
void end_results(int status);

/* Run a program and report what it prints, under @kind, and its exit status. */
void run_program(const char *kind, const char *name, char *const *arguments);

#endif
