/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The CPU's mappings of a buffer. Knows nothing of devices.
 */
#ifndef UDMABUF_FANOUT_CPU_H
#define UDMABUF_FANOUT_CPU_H

#include <linux/rwsem.h>

struct address_space;
struct extents;
struct vm_area_struct;

/**
 * struct cpu_mappings - how the CPU maps the buffer
 * @mem: the memory
 * @mapped: user mappings of it
 * @faults: held for reading by faults, for writing while there must be none
 */
struct cpu_mappings {
	const struct extents *mem;
	struct address_space *mapped;
	struct rw_semaphore faults;
};

void cpu_mappings_init(struct cpu_mappings *cpu, const struct extents *mem);
void cpu_mmap(struct cpu_mappings *cpu, struct vm_area_struct *vma);
void cpu_take_mappings(struct cpu_mappings *cpu);
void cpu_allow_faults(struct cpu_mappings *cpu);
void *cpu_vmap(const struct cpu_mappings *cpu);

#endif /* UDMABUF_FANOUT_CPU_H */
