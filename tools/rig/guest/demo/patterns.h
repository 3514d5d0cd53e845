/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steps of the rows of programs.c. Those that need a device which writes take
 * the first one, all that read must see the data.
 */
#ifndef DEMO_PATTERNS_H
#define DEMO_PATTERNS_H

struct run;

void never_ended(struct run *r);
void ended_for_reading(struct run *r);
void stores_ended_for_reading(struct run *r);
void end_alone(struct run *r);
void end_alone_memfd(struct run *r);
void read_begun_write_ended(struct run *r);
void interruption_ignored(struct run *r);
void interruption_believed(struct run *r);
void flushes_in_access(struct run *r);
void rereads_in_access(struct run *r);
void rereads_after_stores(struct run *r);
void begun_twice(struct run *r);
void forgotten_by_other(struct run *r);
void ended_by_other(struct run *r);
void not_ended_by_other(struct run *r);
void ended_by_thread(struct run *r);
void double_buffer(struct run *r);
void mixed_bytes(struct run *r);
void same_bytes(struct run *r);
void kernel_wrote(struct run *r);
void kernel_writes(struct run *r);
void unmaps_in_access(struct run *r);
void maps_in_access(struct run *r);
void half_begun(struct run *r);
void both_write(struct run *r);

#endif
