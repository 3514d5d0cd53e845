// SPDX-License-Identifier: GPL-2.0
/*
 * The script: histories, a line for each step, from a file of the host. Runs them
 * when the kernel has booted, and switches the machine off.
 *
 *	exporter fanout|udmabuf|system_heap
 *	history NAME [list] [neighbours]
 *	device NAME KIND to|from|both
 *	step map|unmap DEVICE
 *	step begin|end r|w|rw [by PROCESS | interrupted]
 *	step vmap | step vunmap
 *	step store PLACE | step write DEVICE PLACE	the CPU, a device
 *	step load PLACE | step read DEVICE PLACE	is seen in the views
 *	step fence DEVICE PLACE		it will write, when somebody waits
 *	step late DEVICE		it writes now, and signals
 *	end
 *
 * What is not a step is no part of the record. Whoever has mapped when a history
 * ends is an error: the script says when.
 */
#define pr_fmt(fmt) "review: " fmt

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/iosys-map.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/mmu_context.h>
#include <linux/moduleparam.h>
#include <linux/mount.h>
#include <linux/reboot.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "recorder.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX	"review."

#define PROCESSES	3
#define SCRIPT_MOST	(4 << 20)

static char *script;
module_param(script, charp, 0444);
MODULE_PARM_DESC(script, "A file of the host: what to do");

static unsigned int lines;
static bool failed;

/**
 * say() - one line of the record
 * @format: as of printf(), without a line's end
 */
void say(const char *format, ...)
{
	struct va_format vaf;
	va_list args;

	va_start(args, format);
	vaf.fmt = format;
	vaf.va = &args;
	pr_info("%pV\n", &vaf);
	va_end(args);
	lines++;
}

/**
 * fail() - the record is not what it should be
 * @format: why
 */
void fail(const char *format, ...)
{
	struct va_format vaf;
	va_list args;

	va_start(args, format);
	vaf.fmt = format;
	vaf.va = &args;
	pr_info("failed %pV\n", &vaf);
	va_end(args);
	failed = true;
}

/* What the history that runs has. */

static const char *exporter = "";
static struct importer importers[DEVICES];
static unsigned int nr_importers;
static unsigned int nr_writes, nr_calls;
static struct iosys_map kernel_map;

static void put(void *place)
{
	WRITE_ONCE(*(u64 *)place, stamp_of(1 + ++nr_writes));
}

/* Writes that a fence announces. */

struct late_write {
	struct dma_fence fence;
	spinlock_t lock;	/* the fence's */
	struct importer *importer;
	unsigned int place;
	struct work_struct work;
	bool held;		/* it does not come before it is asked for */
};

static const char *fence_name(struct dma_fence *fence)
{
	return "review";
}

static void write_now(struct late_write *late)
{
	if (dma_fence_is_signaled(&late->fence))
		return;
	if (late->importer->view[late->place]) {
		put(late->importer->view[late->place]);
		ears_hear_late(late->importer, late->place);
	}
	dma_fence_signal(&late->fence);
}

static void write_when_waited(struct work_struct *work)
{
	write_now(container_of(work, struct late_write, work));
}

static bool start_waiting(struct dma_fence *fence)
{
	struct late_write *late = container_of(fence, struct late_write, fence);

	ears_hear_wait();
	if (!late->held)
		schedule_work(&late->work);
	return true;
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_name,
	.get_timeline_name = fence_name,
	.enable_signaling = start_waiting,
};

static int announce(struct importer *importer, unsigned int place)
{
	struct dma_resv *resv = review_buffer.dmabuf->resv;
	struct late_write *late = kzalloc(sizeof(*late), GFP_KERNEL);
	int error;

	if (!late)
		return -ENOMEM;
	spin_lock_init(&late->lock);
	late->importer = importer;
	late->place = place;
	INIT_WORK(&late->work, write_when_waited);
	dma_fence_init(&late->fence, &fence_ops, &late->lock,
		       dma_fence_context_alloc(1), 1);
	importer->fence = late;
	dma_resv_lock(resv, NULL);
	error = dma_resv_reserve_fences(resv, 1);
	if (!error)
		dma_resv_add_fence(resv, &late->fence, DMA_RESV_USAGE_WRITE);
	dma_resv_unlock(resv);
	return error;
}

/* Steps. */

static struct importer *find_importer(const char *name)
{
	unsigned int i;

	for (i = 0; name && i < nr_importers; i++)
		if (!strcmp(importers[i].name, name))
			return &importers[i];
	fail("no device %s", name);
	return NULL;
}

static int find_place(const char *name)
{
	if (name && name[0] >= 'a' && name[0] < 'a' + PLACES && !name[1])
		return name[0] - 'a';
	fail("no place %s", name);
	return 0;
}

static int map(struct importer *importer)
{
	struct dma_buf_attachment *attachment;
	struct sg_table *sgt;

	attachment = dma_buf_attach(review_buffer.dmabuf, importer->dev);
	if (IS_ERR(attachment))
		return PTR_ERR(attachment);
	sgt = dma_buf_map_attachment_unlocked(attachment, importer->dir);
	if (IS_ERR(sgt)) {
		dma_buf_detach(review_buffer.dmabuf, attachment);
		return PTR_ERR(sgt);
	}
	importer->attachment = attachment;
	importer->sgt = sgt;
	importer_locate(importer);
	return 0;
}

static int unmap(struct importer *importer)
{
	if (!importer->sgt)
		return -EINVAL;
	dma_buf_unmap_attachment_unlocked(importer->attachment, importer->sgt,
					  importer->dir);
	dma_buf_detach(review_buffer.dmabuf, importer->attachment);
	memset(importer->view, 0, sizeof(importer->view));
	importer->sgt = NULL;
	return 0;
}

static u64 access_flags(const char *access)
{
	if (!strcmp(access, "r"))
		return DMA_BUF_SYNC_READ;
	if (!strcmp(access, "w"))
		return DMA_BUF_SYNC_WRITE;
	if (strcmp(access, "rw"))
		fail("no access %s", access);
	return DMA_BUF_SYNC_RW;
}

/* Several processes, each a thread with memory of its own. */

static struct process {
	struct task_struct *task;
	struct completion asked, answered;
	u64 flags;
	bool interrupted;
	int answer;
} processes[PROCESSES];

static int interrupted_sync(u64 flags)
{
	unsigned int i;
	int ret;

	for (i = 0; i < nr_importers; i++)
		if (importers[i].fence)
			importers[i].fence->held = true;
	send_sig(SIGUSR1, current, 1);
	ret = buffer_sync(&review_buffer, flags);
	flush_signals(current);
	return ret;
}

static int live(void *data)
{
	struct process *process = data;
	struct mm_struct *mm = mm_alloc();

	allow_signal(SIGUSR1);
	if (mm)
		kthread_use_mm(mm);
	for (;;) {
		wait_for_completion(&process->asked);
		if (!process->flags)
			break;
		if (!mm)
			process->answer = -ENOMEM;
		else if (process->interrupted)
			process->answer = interrupted_sync(process->flags);
		else
			process->answer = buffer_sync(&review_buffer,
						      process->flags);
		complete(&process->answered);
	}
	if (mm) {
		kthread_unuse_mm(mm);
		mmput(mm);
	}
	complete(&process->answered);
	return 0;
}

/* The answer of process @nr, which is born when it is asked first. */
static int ask(unsigned int nr, u64 flags, bool interrupted)
{
	struct process *process = &processes[nr];
	struct task_struct *task;

	if (!process->task) {
		init_completion(&process->asked);
		init_completion(&process->answered);
		task = kthread_run(live, process, "review/%u", nr + 1);
		if (IS_ERR(task))
			return PTR_ERR(task);
		process->task = task;
	}
	process->flags = flags;
	process->interrupted = interrupted;
	complete(&process->asked);
	wait_for_completion(&process->answered);
	return process->answer;
}

static void die_all(void)
{
	unsigned int i;

	for (i = 0; i < PROCESSES; i++) {
		if (!processes[i].task)
			continue;
		ask(i, 0, false);
		processes[i].task = NULL;
	}
}

static int sync(u64 flags, const char *caller)
{
	bool interrupted = caller && !strcmp(caller, "interrupted");
	unsigned int nr = 1;

	if (caller && !interrupted && sscanf(caller, "by %u", &nr) != 1)
		nr = 0;
	if (!nr || nr > PROCESSES) {
		fail("no caller %s", caller);
		return -EINVAL;
	}
	return ask(nr - 1, flags, interrupted);
}

static int step(char *text)
{
	char *verb = strsep(&text, " "), *word = strsep(&text, " ");
	struct importer *importer;
	void *place;

	if (!strcmp(verb, "begin") && word)
		return sync(DMA_BUF_SYNC_START | access_flags(word), text);
	if (!strcmp(verb, "end") && word)
		return sync(DMA_BUF_SYNC_END | access_flags(word), text);
	if (!strcmp(verb, "vmap"))
		return dma_buf_vmap_unlocked(review_buffer.dmabuf, &kernel_map);
	if (!strcmp(verb, "vunmap")) {
		if (iosys_map_is_null(&kernel_map))
			return -EINVAL;
		dma_buf_vunmap_unlocked(review_buffer.dmabuf, &kernel_map);
		iosys_map_clear(&kernel_map);
		return 0;
	}
	if (!strcmp(verb, "store")) {
		put(review_buffer.place[find_place(word)]);
		return 0;
	}
	if (!strcmp(verb, "load")) {
		find_place(word);
		return 0;
	}
	importer = find_importer(word);
	if (!importer)
		return -EINVAL;
	if (!strcmp(verb, "map"))
		return map(importer);
	if (!strcmp(verb, "unmap"))
		return unmap(importer);
	if (!strcmp(verb, "fence"))
		return announce(importer, find_place(text));
	if (!strcmp(verb, "late") && importer->fence) {
		write_now(importer->fence);
		return 0;
	}
	place = importer->view[find_place(text)];
	if (!place)
		return -EINVAL;
	if (!strcmp(verb, "write"))
		put(place);
	else if (strcmp(verb, "read"))
		fail("no verb %s", verb);
	return 0;
}

/* Histories. */

static void tell_uses(const struct importer *importer)
{
	static const char * const words[] = {
		[USES_PAGE] = "page", [USES_SLOT] = "slot",
		[USES_COPY] = "copy",
	};
	unsigned int i, p;

	for (p = 0; p < PLACES; p++) {
		const struct importer *other = importer;

		for (i = 0; i < nr_importers; i++)
			if (&importers[i] != importer &&
			    importers[i].view[p] == importer->view[p])
				other = &importers[i];
		say("uses %s %c %s %s", importer->name, 'a' + p,
		    words[importer->uses[p]], other->name);
	}
}

static void one_step(char *text)
{
	bool had[DEVICES];
	unsigned int i;
	int error;

	say("call %u %s", ++nr_calls, text);
	for (i = 0; i < nr_importers; i++) {
		had[i] = importers[i].sgt;
		if (!had[i])
			memset(importers[i].address, 0,
			       sizeof(importers[i].address));
	}
	ears_listen(&review_buffer, importers, nr_importers);
	error = step(text);
	for (i = 0; i < nr_importers; i++)
		if (importers[i].sgt && !had[i])
			tell_uses(&importers[i]);
	ears_tell();
	say("return %u %d", nr_calls, -error);
}

static void begin_history(char *text)
{
	bool list = false, neighbours = false;
	char *word, *name = strsep(&text, " ");
	int error;

	while ((word = strsep(&text, " "))) {
		list |= !strcmp(word, "list");
		neighbours |= !strcmp(word, "neighbours");
	}
	lines = 0;
	nr_writes = 0;
	nr_calls = 0;
	nr_importers = 0;
	memset(importers, 0, sizeof(importers));
	ears_history();
	say("begin %s", name);
	error = buffer_make(&review_buffer, exporter, list, neighbours);
	if (error)
		fail("%s gives no buffer: %d", exporter, error);
}

static void add_device(char *text)
{
	char *name = strsep(&text, " "), *kind = strsep(&text, " ");
	struct importer *importer = &importers[nr_importers];

	if (nr_importers == DEVICES || !kind || !text) {
		fail("no device %s", name);
		return;
	}
	say("device %s %s %s", name, kind, text);
	strscpy(importer->name, name);
	importer->dir = !strcmp(text, "to") ? DMA_TO_DEVICE :
			!strcmp(text, "from") ? DMA_FROM_DEVICE :
						DMA_BIDIRECTIONAL;
	importer->dev = device_of_kind(kind, name);
	if (importer->dev)
		nr_importers++;
	else
		fail("no device that is %s", kind);
}

static void end_history(const char *name)
{
	unsigned int i;

	if (iosys_map_is_set(&kernel_map))
		fail("%s ends with a kernel mapping", name);
	die_all();
	for (i = 0; i < nr_importers; i++) {
		struct late_write *late = importers[i].fence;

		if (importers[i].sgt)
			fail("%s ends, and %s has mapped", name,
			     importers[i].name);
		if (late) {
			dma_fence_signal(&late->fence);
			flush_work(&late->work);
			dma_fence_put(&late->fence);
		}
	}
	buffer_gone(&review_buffer);
	for (i = 0; i < nr_importers; i++)
		device_gone(importers[i].dev);
	say("end %s %u", name, lines + 1);
}

static void run(char *text)
{
	char *line, *word, *name = NULL;

	while (!failed && (line = strsep(&text, "\n"))) {
		word = strsep(&line, " ");
		if (!*word)
			continue;
		if (!strcmp(word, "exporter") && line) {
			exporter = line;
		} else if (!strcmp(word, "history") && line) {
			name = line;
			begin_history(line);
		} else if (!strcmp(word, "device") && line && name) {
			add_device(line);
		} else if (!strcmp(word, "step") && line && name) {
			one_step(line);
		} else if (!strcmp(word, "end") && name) {
			end_history(name);
			name = NULL;
		} else {
			fail("no such line: %s", word);
		}
	}
}

static char *read_script(void)
{
	struct file_system_type *type = get_fs_type("hostfs");
	struct vfsmount *host = type ? kern_mount(type) : ERR_PTR(-ENODEV);
	char *text = vzalloc(SCRIPT_MOST);
	struct file *file;
	loff_t pos = 0;
	ssize_t n = -ENOMEM;

	if (IS_ERR(host) || !text)
		return NULL;
	file = file_open_root_mnt(host, script, O_RDONLY, 0);
	if (!IS_ERR(file)) {
		n = kernel_read(file, text, SCRIPT_MOST - 1, &pos);
		fput(file);
	}
	return n > 0 && n < SCRIPT_MOST - 1 ? text : NULL;
}

static int record(void *data)
{
	struct mm_struct *mm = mm_alloc();
	char *text = read_script();

	if (mm)
		kthread_use_mm(mm);
	if (!mm || !text)
		fail("no script %s", script);
	else if (buffer_init() || importers_init() || ears_init())
		fail("this kernel has no /dev, no swiotlb or no trace events");
	else
		run(text);
	pr_info("done\n");
	kernel_power_off();
	return 0;
}

static int __init review_init(void)
{
	if (!script)
		return 0;
	kthread_run(record, NULL, "review");
	/* There is nothing else to boot. */
	for (;;)
		msleep(1000);
	return 0;
}
late_initcall_sync(review_init);
