/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Of QEMU's interface for plugins, version 4 (QEMU 9.2) and later, what is used here.
 * Debian has no package with its header, which wants GLib's as well.
 */
#ifndef QEMU_PLUGIN_4_H
#define QEMU_PLUGIN_4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QEMU_PLUGIN_VERSION	4
#define QEMU_PLUGIN_EXPORT	__attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
struct qemu_plugin_register;

enum { QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_CB_R_REGS };
enum { QEMU_PLUGIN_MEM_R = 1, QEMU_PLUGIN_MEM_W, QEMU_PLUGIN_MEM_RW };

struct qemu_info {
	const char *target_name;
	int oldest_version;
	int version;
};

struct register_descriptor {
	struct qemu_plugin_register *handle;
	const char *name;
	const char *feature;
};

struct mem_value {
	int type;
	uint64_t low;
	uint64_t high;
};

/* GLib's, as far as it is public. */
struct g_array {
	char *data;
	unsigned int len;
};

typedef void vcpu_cb(uint64_t id, unsigned int vcpu);
typedef void translate_cb(uint64_t id, struct qemu_plugin_tb *tb);
typedef void exec_cb(unsigned int vcpu, void *data);
typedef void mem_cb(unsigned int vcpu, uint32_t info, uint64_t vaddr,
		    void *data);

void qemu_plugin_register_vcpu_init_cb(uint64_t id, vcpu_cb *cb);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translate_cb *cb);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    exec_cb *cb, int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, mem_cb *cb,
				      int flags, int rw, void *data);
void qemu_plugin_register_atexit_cb(uint64_t id,
				    void (*cb)(uint64_t id, void *data),
				    void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
						 size_t index);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to,
			     size_t size);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
unsigned int qemu_plugin_mem_size_shift(uint32_t info);
bool qemu_plugin_mem_is_store(uint32_t info);
struct mem_value qemu_plugin_mem_get_value(uint32_t info);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t info, uint64_t vaddr);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *where);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *where);
const char *qemu_plugin_hwaddr_device_name(const struct qemu_plugin_hwaddr *where);
struct g_array *qemu_plugin_get_registers(void);
int qemu_plugin_read_register(struct qemu_plugin_register *handle,
			      struct g_array *to);
struct g_array *g_byte_array_new(void);
struct g_array *g_byte_array_set_size(struct g_array *array, unsigned int size);

#endif
