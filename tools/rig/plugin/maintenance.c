// SPDX-License-Identifier: GPL-2.0
/*
 * A QEMU plugin that counts the cache maintenance of an arm64 guest: lines cleaned,
 * and lines invalidated, by virtual address to the point of coherency. At each mark
 * of the guest, a hint that does nothing, it writes what it counted since the last
 * one, and begins again.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "qemu_plugin.h"

EXPORT int qemu_plugin_version = 1;

#define MARK		0xd5032fffu	/* hint #127 */
#define ANY_REGISTER	(~0x1fu)

/* dc, by virtual address: what it does to the line. */
static const struct {
	uint32_t word;
	bool cleans, invalidates;
} operations[] = {
	{ 0xd5087620, .invalidates = true },			/* ivac */
	{ 0xd50b7a20, .cleans = true },				/* cvac */
	{ 0xd50b7e20, .cleans = true, .invalidates = true },	/* civac */
};

static unsigned long long cleaned, invalidated;
static FILE *out;

static void marked(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	fprintf(out, "%llu %llu\n", cleaned, invalidated);
	fflush(out);
	cleaned = 0;
	invalidated = 0;
}

static void count(struct qemu_plugin_insn *insn, void *number)
{
	qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, number,
						   1);
}

static void look_at(struct qemu_plugin_insn *insn)
{
	uint32_t word;
	size_t i;

	memcpy(&word, qemu_plugin_insn_data(insn), sizeof(word));
	if (word == MARK)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, marked,
						       CALLBACK_NO_REGS, NULL);
	for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if ((word & ANY_REGISTER) != operations[i].word)
			continue;
		if (operations[i].cleans)
			count(insn, &cleaned);
		if (operations[i].invalidates)
			count(insn, &invalidated);
	}
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i;

	(void)id;
	for (i = 0; i < qemu_plugin_tb_n_insns(tb); i++)
		look_at(qemu_plugin_tb_get_insn(tb, i));
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
			       const struct qemu_info_t *qemu, int count,
			       char **arguments)
{
	(void)qemu;
	if (!count || strncmp(arguments[0], "out=", 4))
		return -1;
	out = fopen(arguments[0] + 4, "w");
	if (!out)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
