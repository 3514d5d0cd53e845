// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU's TCG that has lines.c judge a guest: it sees the loads and
 * stores of an arm64 CPU, the DC instructions, and in the registers of edu devices
 * which memory they read and write. The guest knows nothing of it.
 *
 * Its arguments: out=FILE, a JSON object a line for what is found, with how much
 * there was of results=FILE, the guest's own report; the last line is what was seen.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lines.h"
#include "qemu_plugin_4.h"

#define PAGE		4096

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

/* DC instructions by virtual address, without their register. */
enum {
	DC_IVAC = 0xd5087620,
	DC_ZVA = 0xd50b7420,
	DC_CVAC = 0xd50b7a20,
	DC_CVAP = 0xd50b7c20,
	DC_CVADP = 0xd50b7d20,
	DC_CIVAC = 0xd50b7e20,
};

/* The kernel's linear map: in the lower half of its addresses. */
#define LINEAR_MAP	0xffff000000000000ULL
#define LINEAR_MAP_END	0xffff800000000000ULL

/* An edu device's transfer, see QEMU's hw/misc/edu.c. */
#define EDU_SIZE	0x100000
#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98
#define EDU_DMA_RUN	1
#define EDU_DMA_TO_RAM	2

struct edu {
	uint64_t base;
	uint64_t source;
	uint64_t target;
	uint64_t count;
	bool writing;		/* to memory, and not known to have ended */
};

static struct edu edus[16];
static struct qemu_plugin_register *registers[31];
static uint64_t linear_offset;	/* what makes a physical address virtual */
static uint64_t reader;		/* where the code is that loads, or the device */
static const char *results;
static FILE *out;

/* What was seen, and what was not although it was there. */
static struct {
	uint64_t loads, stores, zeroed, cleaned, invalidated, reads, writes;
	uint64_t unplaced, zeroed_elsewhere, maintained_elsewhere;
} seen;

void report_line(uint64_t line, enum found what, bool by_device)
{
	static const char *const names[] = {
		[FOUND_DIRTY] = "dirty", [FOUND_STALE] = "stale",
		[FOUND_OVERWRITTEN] = "overwritten",
		[FOUND_DISCARDED] = "discarded",
	};
	struct stat report = { 0 };

	stat(results, &report);
	fprintf(out, "{\"at\": %lld, \"line\": \"%#llx\", ",
		(long long)report.st_size, (unsigned long long)line);
	fprintf(out, "\"found\": \"%s\", \"by\": \"%s %#llx\"}\n", names[what],
		by_device ? "device" : "code", (unsigned long long)reader);
}

static void edu_access(uint64_t at, uint32_t info)
{
	const uint64_t value = qemu_plugin_mem_get_value(info).low;
	const uint64_t base = at - at % EDU_SIZE;
	struct edu *edu = edus;

	while (edu->base != base && edu->base)
		if (++edu == edus + sizeof(edus) / sizeof(*edus))
			return;
	edu->base = base;
	if (!qemu_plugin_mem_is_store(info)) {
		if (at % EDU_SIZE == EDU_DMA_CMD && edu->writing &&
		    !(value & EDU_DMA_RUN)) {
			edu->writing = false;
			device_writes(edu->target, edu->count, true);
		}
		return;
	}
	switch (at % EDU_SIZE) {
	case EDU_DMA_SRC:
		edu->source = value;
		break;
	case EDU_DMA_DST:
		edu->target = value;
		break;
	case EDU_DMA_COUNT:
		edu->count = value;
		break;
	case EDU_DMA_CMD:
		reader = base;
		edu->writing = value & EDU_DMA_TO_RAM;
		if (edu->writing) {
			seen.writes++;
			device_writes(edu->target, edu->count, false);
		} else {
			seen.reads++;
			device_reads(edu->source, edu->count);
		}
	}
}

static void on_access(unsigned int vcpu, uint32_t info, uint64_t vaddr,
		      void *code)
{
	const struct qemu_plugin_hwaddr *where =
		qemu_plugin_get_hwaddr(info, vaddr);
	uint64_t bytes = 1ULL << qemu_plugin_mem_size_shift(info), at;

	(void)vcpu;
	if (!where) {
		seen.unplaced++;
		return;
	}
	at = qemu_plugin_hwaddr_phys_addr(where);
	if (qemu_plugin_hwaddr_is_io(where)) {
		if (!strcmp(qemu_plugin_hwaddr_device_name(where), "edu-mmio"))
			edu_access(at, info);
		return;
	}
	if (vaddr >= LINEAR_MAP && vaddr < LINEAR_MAP_END) {
		linear_offset = vaddr - at;
	} else if (vaddr % PAGE + bytes > PAGE) {
		/* Where the next page is, is not told. */
		bytes = PAGE - vaddr % PAGE;
		seen.unplaced++;
	}
	if (qemu_plugin_mem_is_store(info)) {
		seen.stores++;
		cpu_stores(at, bytes);
	} else {
		seen.loads++;
		reader = (uintptr_t)code;
		cpu_loads(at, bytes);
	}
}

static void on_dc(unsigned int vcpu, void *instruction)
{
	const uint32_t word = (uintptr_t)instruction;
	static struct g_array *value;
	uint64_t at = 0;

	(void)vcpu;
	if (!value)
		value = g_byte_array_new();
	g_byte_array_set_size(value, 0);
	if (word % 32 < 31)
		qemu_plugin_read_register(registers[word % 32], value);
	if (value->len == sizeof(at))
		memcpy(&at, value->data, sizeof(at));
	/*
	 * Elsewhere it is not told where that is. As it boots, the kernel
	 * maintains its own image and tables there.
	 */
	if (at < LINEAR_MAP || at >= LINEAR_MAP_END) {
		if ((word & ~31) == DC_ZVA)
			seen.zeroed_elsewhere++;
		else if (seen.reads || seen.writes)
			seen.maintained_elsewhere++;
		return;
	}
	at -= linear_offset;
	switch (word & ~31) {
	case DC_ZVA:
		seen.zeroed++;
		cpu_stores(at - at % LINE, LINE);
		break;
	case DC_IVAC:
		seen.invalidated++;
		invalidate(at);
		break;
	case DC_CIVAC:
		seen.cleaned++;
		seen.invalidated++;
		clean_and_invalidate(at);
		break;
	default:
		seen.cleaned++;
		clean(at);
	}
}

static bool is_dc(uint32_t word)
{
	switch (word & ~31) {
	case DC_IVAC:
	case DC_ZVA:
	case DC_CVAC:
	case DC_CVAP:
	case DC_CVADP:
	case DC_CIVAC:
		return true;
	}
	return false;
}

static void on_translate(uint64_t id, struct qemu_plugin_tb *tb)
{
	const size_t count = qemu_plugin_tb_n_insns(tb);
	struct qemu_plugin_insn *insn;
	uint32_t word;
	void *code;
	size_t i;

	(void)id;
	for (i = 0; i < count; i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		qemu_plugin_insn_data(insn, &word, sizeof(word));
		if (is_dc(word))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_dc,
							       QEMU_PLUGIN_CB_R_REGS,
							       (void *)(uintptr_t)word);
		code = (void *)(uintptr_t)qemu_plugin_insn_vaddr(insn);
		qemu_plugin_register_vcpu_mem_cb(insn, on_access,
						 QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_RW, code);
	}
}

static void on_vcpu(uint64_t id, unsigned int vcpu)
{
	const struct g_array *all = qemu_plugin_get_registers();
	const struct register_descriptor *r = (void *)all->data;
	unsigned int number;
	char end;

	(void)id;
	(void)vcpu;
	for (; r < (struct register_descriptor *)all->data + all->len; r++)
		if (sscanf(r->name, "x%u%c", &number, &end) == 1 && number < 31)
			registers[number] = r->handle;
}

static void on_end(uint64_t id, void *data)
{
	static const char *const names[] = {
		"loads", "stores", "zeroed", "cleaned", "invalidated",
		"device_reads", "device_writes", "unplaced",
		"zeroed_elsewhere", "maintained_elsewhere",
	};
	size_t i;

	(void)id;
	(void)data;
	for (i = 0; i < sizeof(seen) / sizeof(uint64_t); i++)
		fprintf(out, "%s\"%s\": %llu", i ? ", " : "{", names[i],
			(unsigned long long)((uint64_t *)&seen)[i]);
	fprintf(out, "}\n");
	fclose(out);
}

QEMU_PLUGIN_EXPORT
int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int argc,
			char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		else if (!strncmp(argv[i], "results=", 8))
			results = argv[i] + 8;
	}
	if (strcmp(info->target_name, "aarch64") || !out || !results) {
		fprintf(stderr, "cache: for aarch64, with out= and results=\n");
		return -1;
	}
	qemu_plugin_register_vcpu_init_cb(id, on_vcpu);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	qemu_plugin_register_atexit_cb(id, on_end, NULL);
	return 0;
}
