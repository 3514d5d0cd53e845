// SPDX-License-Identifier: GPL-2.0
/*
 * The system heap of the kernel's own source, unchanged, as a module for a stock
 * kernel that was built without: two files that are made to be built in, each
 * with an initcall, become one with one.
 */
#include <linux/init.h>
#include <linux/module.h>

#pragma push_macro("module_init")
#undef subsys_initcall
#define subsys_initcall(call) \
	static int (*const init_heaps)(void) __initconst = call
#undef module_init
#define module_init(call) \
	static int (*const init_system_heap)(void) __initconst = call

#include "dma-heap.c"
#include "heaps/system_heap.c"

#pragma pop_macro("module_init")

static int __init heap_module_init(void)
{
	return init_heaps() ?: init_system_heap();
}
module_init(heap_module_init);

MODULE_DESCRIPTION("The kernel's system heap, for kernels without");
MODULE_LICENSE("GPL");
/* What MODULE_IMPORT_NS() becomes: its argument is a string from 6.13 on. */
MODULE_INFO(import_ns, "DMA_BUF");
