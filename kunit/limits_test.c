// SPDX-License-Identifier: GPL-2.0
/*
 * What limits a buffer: the module's parameters, and what they take; and memory
 * cgroups, but not RLIMIT_MEMLOCK. What the stock driver has as well is tried on
 * both.
 *
 * Would miss: a limit of memory that the machine has not got.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/memcontrol.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/resource.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/udmabuf.h>

#include "../driver/bindings/bindings.h"
#include "../driver/buffer.h"
#include "../driver/table.h"
#include "files.h"
#include "memory.h"
#include "nodes.h"

/* Items and bytes. */

static void check_list_limit(struct kunit *test, enum driver driver, u32 limit)
{
	struct udmabuf_create_item *items;
	struct memory *mem = nodes_memory(test, F_SEAL_SHRINK);
	long fd;
	u32 i;

	items = kunit_kcalloc(test, limit + 1, sizeof(*items), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, items);
	for (i = 0; i <= limit; i++)
		items[i] = memory_item(mem, i % NR_PAGES, 1);

	KUNIT_EXPECT_EQ(test, -EINVAL, nodes_create_list(test, driver, NATIVE,
							 0, items, limit + 1));
	fd = nodes_create_list(test, driver, NATIVE, 0, items, limit);
	KUNIT_ASSERT_GE(test, fd, 0);
	nodes_close(test, fd);
}

/* list_limit is the most items of a list: 1024, or what it is set to. */
static void list_limit_counts_items(struct kunit *test)
{
	enum driver driver;

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		check_list_limit(test, driver, 1024);
		nodes_set_param(test, driver, "list_limit", "3");
		check_list_limit(test, driver, 3);
		nodes_set_param(test, driver, "list_limit", "1024");
	}
}

/* Limits are not negative, which the stock driver takes for none at all. */
static void limits_are_not_negative(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, -EINVAL,
			nodes_try_param(test, FANOUT, "list_limit", "-1"));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			nodes_try_param(test, FANOUT, "size_limit_mb", "-1"));
	check_list_limit(test, FANOUT, 1024);
}

/*
 * However large list_limit is, a count whose items would fill more than
 * INT_MAX bytes, or wrap to few, is an error and no warning.
 */
static void a_count_cannot_overflow(struct kunit *test)
{
	static const u32 counts[] = {
		INT_MAX / sizeof(struct udmabuf_create_item) + 1,
		U32_MAX / sizeof(struct udmabuf_create_item) + 1,
		2 * (U32_MAX / sizeof(struct udmabuf_create_item) + 1),
		INT_MAX,
		(u32)INT_MAX + 1,
		U32_MAX,
	};
	struct udmabuf_create_item item =
		memory_item(nodes_memory(test, F_SEAL_SHRINK), 0, 1);
	struct nodes *nodes = test->priv;
	struct udmabuf_create_list head = { };
	unsigned int i;
	long fd;

	nodes_set_param(test, FANOUT, "list_limit", "4294967295");
	fd = nodes_create_list(test, FANOUT, NATIVE, 0, &item, 1);
	KUNIT_EXPECT_GE(test, fd, 0);
	if (fd >= 0)
		nodes_close(test, fd);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		head.count = counts[i];
		KUNIT_EXPECT_EQ(test, 0,
				copy_to_user((void __user *)nodes->user, &head,
					     sizeof(head)));
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
				    nodes_call(nodes, FANOUT, NATIVE,
					       UDMABUF_CREATE_LIST,
					       nodes->user), "%u items",
				    counts[i]);
	}
	nodes_set_param(test, FANOUT, "list_limit", "1024");
}

/*
 * A list that is longer than the longest piece of contiguous memory is read,
 * all of it: its first item is the bad one.
 */
static void a_long_list_needs_no_contiguous_memory(struct kunit *test)
{
	struct udmabuf_create_list head = {
		.count = KMALLOC_MAX_SIZE / sizeof(struct udmabuf_create_item) +
			 1,
	};
	const struct udmabuf_create_item bad = {
		.memfd = -1,
		.size = PAGE_SIZE,
	};
	struct nodes *nodes = test->priv;
	unsigned long user;

	/* The other items are zeros: aligned, and nothing. */
	user = kunit_vm_mmap(test, NULL, 0,
			     PAGE_ALIGN(sizeof(head) +
					head.count * sizeof(bad)),
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, !user || IS_ERR_VALUE(user));
	KUNIT_ASSERT_EQ(test, 0, copy_to_user((void __user *)user, &head,
					      sizeof(head)));
	KUNIT_ASSERT_EQ(test, 0,
			copy_to_user((void __user *)user + sizeof(head), &bad,
				     sizeof(bad)));
	nodes_set_param(test, FANOUT, "list_limit", "4294967295");
	KUNIT_EXPECT_EQ(test, -EBADFD, nodes_call(nodes, FANOUT, NATIVE,
						  UDMABUF_CREATE_LIST, user));
	nodes_set_param(test, FANOUT, "list_limit", "1024");
}

/* size_limit_mb is the largest buffer: 64 MiB, or what it is set to. */
static void size_limit_mb_counts_mebibytes(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, (2 * SZ_1M) / PAGE_SIZE + 1);
	struct udmabuf_create_item fits, does_not;
	enum driver driver;
	long fd;

	fits = memory_item(mem, 0, mem->nr_pages - 1);
	does_not = memory_item(mem, 0, mem->nr_pages);
	for (driver = 0; driver < NR_DRIVERS; driver++) {
		nodes_set_param(test, driver, "size_limit_mb", "2");
		KUNIT_EXPECT_EQ(test, -EINVAL,
				nodes_create(test, driver, NATIVE, 0,
					     &does_not));
		fd = nodes_create(test, driver, NATIVE, 0, &fits);
		nodes_set_param(test, driver, "size_limit_mb", "64");
		KUNIT_ASSERT_GE(test, fd, 0);
		nodes_close(test, fd);
	}
}

/* The limits were passed, and nothing needs to be pinned to see it. */
static long pin_no_space(struct file *memfd, loff_t start, loff_t end,
			 struct folio **folios, unsigned int max_folios,
			 unsigned long *offset)
{
	return -ENOSPC;
}

/* What a size_t does not hold is refused before. */
static int no_space(u64 size)
{
	return size >> PAGE_SHIFT > SIZE_MAX >> PAGE_SHIFT ? -EINVAL : -ENOSPC;
}

/* Limits of 4 GiB and more are what they say, to the page. */
static void size_limit_mb_does_not_overflow(struct kunit *test)
{
	static const struct {
		const char *limit;
		u64 size;
	} sizes[] = {
		{ "2048", SZ_2G },
		{ "4095", SZ_4G - SZ_1M },
		{ "4096", SZ_4G },
		{ "65536", 16 * SZ_4G },
	};
	struct udmabuf_create_item item =
		memory_item(nodes_memory(test, F_SEAL_SHRINK), 0, 1);
	struct udmabuf_create_item items[2];
	unsigned int i;

	kunit_activate_static_stub(test, bindings_memfd_pin_folios,
				   pin_no_space);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		nodes_set_param(test, FANOUT, "size_limit_mb", sizes[i].limit);
		item.size = sizes[i].size;
		KUNIT_EXPECT_EQ_MSG(test, no_space(item.size),
				    nodes_create(test, FANOUT, NATIVE, 0,
						 &item), "%s MiB",
				    sizes[i].limit);
		item.size = sizes[i].size + PAGE_SIZE;
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
				    nodes_create(test, FANOUT, NATIVE, 0,
						 &item), "%s MiB and a page",
				    sizes[i].limit);

		/* The same, and twice as much, in two halves. */
		item.size = sizes[i].size / 2;
		items[0] = item;
		items[1] = item;
		KUNIT_EXPECT_EQ_MSG(test, no_space(sizes[i].size),
				    nodes_create_list(test, FANOUT, NATIVE, 0,
						      items, 2), "%s MiB",
				    sizes[i].limit);
		items[0].size *= 2;
		items[1].size *= 2;
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
				    nodes_create_list(test, FANOUT, NATIVE, 0,
						      items, 2), "twice %s MiB",
				    sizes[i].limit);
	}
	/* Whatever the limit, pages are counted in 32 bits. */
	nodes_set_param(test, FANOUT, "size_limit_mb", "4294967295");
	item.size = U32_MAX * (u64)PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, no_space(item.size),
			nodes_create(test, FANOUT, NATIVE, 0, &item));
	item.size += 2 * PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, -EINVAL,
			nodes_create(test, FANOUT, NATIVE, 0, &item));
	nodes_set_param(test, FANOUT, "size_limit_mb", "64");
}

/* Under a limit of 64 GiB, buffers beyond 64 MiB are made for real. */
static void a_large_limit_makes_large_buffers(struct kunit *test)
{
	struct memory *mem = memory_shmem(test, SZ_64M / PAGE_SIZE + 1);
	struct udmabuf_create_item item = memory_item(mem, 0, mem->nr_pages);
	enum driver driver;
	long fd;

	for (driver = 0; driver < NR_DRIVERS; driver++) {
		nodes_set_param(test, driver, "size_limit_mb", "65536");
		fd = nodes_create(test, driver, NATIVE, 0, &item);
		nodes_set_param(test, driver, "size_limit_mb", "64");
		KUNIT_ASSERT_GE(test, fd, 0);
		nodes_close(test, fd);
		KUNIT_EXPECT_EQ(test, -EINVAL,
				nodes_create(test, driver, NATIVE, 0, &item));
	}
}

/* Memory. */

/*
 * Pinned memory is not locked memory: a user who may lock none can make buffers,
 * and nothing is charged for them, as with the stock driver.
 */
static void pins_are_not_locked_memory(struct kunit *test)
{
	struct rlimit *limit = &current->signal->rlim[RLIMIT_MEMLOCK];
	struct udmabuf_create_item item =
		memory_item(nodes_memory(test, F_SEAL_SHRINK), 0, NR_PAGES);
	unsigned long before = limit->rlim_cur, locked = current->mm->locked_vm;
	s64 pinned = atomic64_read(&current->mm->pinned_vm);
	struct cred *user = prepare_creds();
	const struct cred *root;
	enum driver driver;
	long fd;

	KUNIT_ASSERT_NOT_NULL(test, user);
	cap_clear(user->cap_effective);
	for (driver = 0; driver < NR_DRIVERS; driver++) {
		root = override_creds(user);
		WRITE_ONCE(limit->rlim_cur, 0);
		fd = nodes_create(test, driver, NATIVE, 0, &item);
		WRITE_ONCE(limit->rlim_cur, before);
		revert_creds(root);
		KUNIT_EXPECT_GE(test, fd, 0);
		KUNIT_EXPECT_EQ(test, locked, current->mm->locked_vm);
		KUNIT_EXPECT_EQ(test, pinned,
				atomic64_read(&current->mm->pinned_vm));
		if (fd >= 0)
			nodes_close(test, fd);
	}
	put_cred(user);
}

static bool is_charged_to(struct memory *mem, u32 page, struct mem_cgroup *memcg)
{
	struct folio *folio = page_folio(pfn_to_page(memory_pfn(mem, page)));

	guard(rcu)();
	return folio_memcg(folio) == memcg;
}

/*
 * Pages are charged to the memory cgroup of whoever allocates them, which may be
 * the one who makes the buffer. At its limit there is no buffer, and nothing is
 * pinned.
 */
static void the_memory_cgroup_is_the_limit(struct kunit *test)
{
	struct memory *others, *mine, *too_much;
	struct udmabuf_create_item items[3];
	struct mem_cgroup *memcg, *before;
	enum driver driver;
	long fd[3];
	u32 i;

	memcg = memory_cgroup(test, "4M");
	for (driver = 0; driver < NR_DRIVERS; driver++) {
		others = memory_shmem(test, NR_PAGES);
		memory_fill(test, others);
		mine = memory_shmem(test, NR_PAGES);
		too_much = memory_shmem(test, SZ_8M / PAGE_SIZE);
		items[0] = memory_item(others, 0, others->nr_pages);
		items[1] = memory_item(mine, 0, mine->nr_pages);
		items[2] = memory_item(too_much, 0, too_much->nr_pages);

		before = set_active_memcg(memcg);
		for (i = 0; i < 3; i++)
			fd[i] = nodes_create(test, driver, NATIVE, 0, &items[i]);
		set_active_memcg(before);
		KUNIT_EXPECT_GE(test, fd[0], 0);
		KUNIT_EXPECT_GE(test, fd[1], 0);
		KUNIT_EXPECT_EQ(test, fd[2], -ENOMEM);
		for (i = 0; i < NR_PAGES; i++) {
			KUNIT_EXPECT_FALSE(test,
					   is_charged_to(others, i, memcg));
			KUNIT_EXPECT_TRUE(test, is_charged_to(mine, i, memcg));
		}
		for (i = 0; i < 3; i++)
			if (fd[i] >= 0)
				nodes_close(test, fd[i]);
		memory_drop(test, too_much);
	}
}

/*
 * However large size_limit_mb is, what would be more than kvmalloc() gives is an
 * error and no warning: a table of so many entries, a kernel mapping of so many
 * pages.
 */
static void what_is_too_large_is_an_error(struct kunit *test)
{
	const struct extents mem = { .nr_pages = U32_MAX };
	struct sg_table table = { };
	struct cpu_mappings cpu;

	cpu_mappings_init(&cpu, &mem);
	KUNIT_EXPECT_EQ(test, -ENOMEM, table_alloc(&table, U32_MAX));
	KUNIT_EXPECT_NULL(test, cpu_vmap(&cpu));
}

/* Parameters. */

/* Read a module parameter of ours. */
static ssize_t read_param(struct kunit *test, const char *name, char *value,
			  size_t size)
{
	struct nodes *nodes = test->priv;
	struct file *file;
	loff_t pos = 0;
	char path[64];
	ssize_t ret;

	snprintf(path, sizeof(path), "module/udmabuf_fanout/parameters/%s",
		 name);
	file = files_open(nodes->sysfs, path, O_RDONLY);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	ret = kernel_read(file, value, size, &pos);
	__fput_sync(file);
	return ret;
}

/* The parameters that take a name take no other, and give it back. */
static void parameters_take_their_names_only(struct kunit *test)
{
	static const struct {
		const char *param;
		const int *value;
		const char *name[2];	/* the default last */
		int is[2];
	} params[] = {
		{ "sync_policy", &fanout_sync_policy, { "all", "minimal" },
		  { SYNC_POLICY_ALL, SYNC_POLICY_MINIMAL } },
	};
	char text[16];
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(params); i++) {
		for (j = 0; j < 2; j++) {
			/* As echo writes it. */
			snprintf(text, sizeof(text), "%s\n",
				 params[i].name[j]);
			KUNIT_EXPECT_EQ(test, strlen(text),
					nodes_try_param(test, FANOUT,
							params[i].param, text));
			KUNIT_EXPECT_EQ(test, params[i].is[j],
					*params[i].value);

			KUNIT_EXPECT_EQ(test, -EINVAL,
					nodes_try_param(test, FANOUT,
							params[i].param,
							"some"));
			KUNIT_EXPECT_EQ(test, params[i].is[j],
					*params[i].value);

			memset(text, 0, sizeof(text));
			KUNIT_EXPECT_EQ(test, strlen(params[i].name[j]) + 1,
					read_param(test, params[i].param, text,
						   sizeof(text) - 1));
			KUNIT_EXPECT_STREQ(test, params[i].name[j],
					   strim(text));
		}
	}
}

/*
 * copy_limit_mb is a number of mebibytes, up to more memory than there is or, with
 * 32 bits, to as many pages as these can count, and holds at once; a quarter of
 * all memory, rounded down, is what it is at first.
 */
static void copy_limit_mb_counts_mebibytes(struct kunit *test)
{
	static const struct {
		const char *value;
		unsigned long mb;
	} good[] = {
		{ "0", 0 },
		{ "1", 1 },
		{ "4294967295\n", MIN_T(u64, U32_MAX,
				       LONG_MAX >> (20 - PAGE_SHIFT)) },
		{ "0x10", 16 },
	};
	static const char * const bad[] = { "-1", "4294967296", "1.5", "some", "" };
	const unsigned long before = copy_limit_pages;
	unsigned long mb = 0;
	char text[16];
	unsigned int i;

	/*
	 * Unless who booted this kernel has said otherwise. There was less memory
	 * then, as the kernel's own first part had not been given back.
	 */
	KUNIT_EXPECT_LE(test, before, totalram_pages() / 4);
	KUNIT_EXPECT_GT(test, before, totalram_pages() / 8);
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		KUNIT_EXPECT_EQ(test, strlen(good[i].value),
				nodes_try_param(test, FANOUT, "copy_limit_mb",
						good[i].value));
		KUNIT_EXPECT_EQ(test, good[i].mb,
				copy_limit_pages >> (20 - PAGE_SHIFT));
		memset(text, 0, sizeof(text));
		KUNIT_EXPECT_GT(test, read_param(test, "copy_limit_mb", text,
						 sizeof(text) - 1), 0);
		KUNIT_EXPECT_EQ(test, 0, kstrtoul(text, 10, &mb));
		KUNIT_EXPECT_EQ(test, good[i].mb, mb);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_LE_MSG(test,
				    nodes_try_param(test, FANOUT,
						    "copy_limit_mb", bad[i]),
				    0, "%s", bad[i]);
		KUNIT_EXPECT_EQ(test, 16UL << (20 - PAGE_SHIFT),
				copy_limit_pages);
	}
	copy_limit_pages = before;
}

static struct kunit_case limits_cases[] = {
	KUNIT_CASE(list_limit_counts_items),
	KUNIT_CASE(limits_are_not_negative),
	KUNIT_CASE(a_count_cannot_overflow),
	KUNIT_CASE(a_long_list_needs_no_contiguous_memory),
	KUNIT_CASE(size_limit_mb_counts_mebibytes),
	KUNIT_CASE(size_limit_mb_does_not_overflow),
	KUNIT_CASE(a_large_limit_makes_large_buffers),
	KUNIT_CASE(what_is_too_large_is_an_error),
	KUNIT_CASE(pins_are_not_locked_memory),
	KUNIT_CASE(the_memory_cgroup_is_the_limit),
	KUNIT_CASE(parameters_take_their_names_only),
	KUNIT_CASE(copy_limit_mb_counts_mebibytes),
	{ }
};

static struct kunit_suite limits_suite = {
	.name = "udmabuf_fanout_limits",
	.init = nodes_init,
	.test_cases = limits_cases,
};

kunit_test_suite(limits_suite);
