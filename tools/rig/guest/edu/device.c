// SPDX-License-Identifier: GPL-2.0
/*
 * The devices: QEMU's edu, which really moves memory, and stand-ins that do all
 * but that. No buffer is known here.
 */
#include <linux/delay.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "edu.h"

#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98
#define EDU_DMA_RUN	BIT(0)
#define EDU_DMA_TO_RAM	BIT(1)
#define EDU_DMA_BUFFER	0x40000	/* the device's own memory, as it sees it */

#define EDU_DEVICES_MAX	16

static int mask_bits[EDU_DEVICES_MAX];
static int mask_bits_count;
module_param_array(mask_bits, int, &mask_bits_count, 0444);
MODULE_PARM_DESC(mask_bits, "DMA mask of each device, in PCI order; the device cannot tell");

static unsigned int stand_ins;
module_param(stand_ins, uint, 0444);
MODULE_PARM_DESC(stand_ins, "devices to make after those on PCI, where there are none: they do all but transfer");

static struct edu *edus[EDU_DEVICES_MAX];
static int edu_count;

static int edu_move(struct edu *edu, dma_addr_t from, dma_addr_t to,
		    u32 length, u64 command)
{
	u32 busy;

	writeq(from, edu->bar + EDU_DMA_SRC);
	writeq(to, edu->bar + EDU_DMA_DST);
	writeq(length, edu->bar + EDU_DMA_COUNT);
	writeq(command | EDU_DMA_RUN, edu->bar + EDU_DMA_CMD);
	/* The device takes its 100 ms: sleep, so that a QEMU may skip them. */
	msleep(101);
	return readl_poll_timeout(edu->bar + EDU_DMA_CMD, busy,
				  !(busy & EDU_DMA_RUN), 5000, 5000000);
}

int edu_write(struct edu *edu, dma_addr_t to, const void *data, u32 length)
{
	int ret;

	if (!edu->bar)
		return -ENODEV;
	guard(mutex)(&edu->lock);
	memcpy(edu->staging, data, length);
	dma_sync_single_for_device(edu->dev, edu->staging_dma, length,
				   DMA_TO_DEVICE);
	ret = edu_move(edu, edu->staging_dma, EDU_DMA_BUFFER, length, 0);
	if (ret)
		return ret;
	return edu_move(edu, EDU_DMA_BUFFER, to, length, EDU_DMA_TO_RAM);
}

int edu_read(struct edu *edu, dma_addr_t from, void *data, u32 length)
{
	int ret;

	if (!edu->bar)
		return -ENODEV;
	guard(mutex)(&edu->lock);
	ret = edu_move(edu, from, EDU_DMA_BUFFER, length, 0);
	if (ret)
		return ret;
	memset(edu->staging, 0, length);
	dma_sync_single_for_device(edu->dev, edu->staging_dma, length,
				   DMA_FROM_DEVICE);
	ret = edu_move(edu, EDU_DMA_BUFFER, edu->staging_dma, length,
		       EDU_DMA_TO_RAM);
	dma_sync_single_for_cpu(edu->dev, edu->staging_dma, length,
				DMA_FROM_DEVICE);
	if (!ret)
		memcpy(data, edu->staging, length);
	return ret;
}

/* Return: the device, or NULL. */
struct edu *edu_device(u32 index)
{
	return index < edu_count ? edus[index] : NULL;
}

int edu_device_info(struct edu_device_info *info, bool set)
{
	struct edu *edu = edu_device(info->index);

	if (!edu)
		return -ENODEV;
	if (set)
		dma_set_max_seg_size(edu->dev,
				     info->max_seg_size ?: UINT_MAX);
	info->mask_bits = mask_bits[info->index];
	info->max_seg_size = dma_get_max_seg_size(edu->dev);
	info->coherent = dev_is_dma_coherent(edu->dev);
	strscpy(info->name, dev_name(edu->dev), sizeof(info->name));
	return 0;
}

static void edu_free_staging(void *data)
{
	struct edu *edu = data;

	dma_free_noncoherent(edu->dev, PAGE_SIZE, edu->staging,
			     edu->staging_dma, DMA_BIDIRECTIONAL);
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct edu *edu;
	int ret;

	if (edu_count == mask_bits_count)
		return dev_err_probe(dev, -ENODEV, "mask_bits= is too short\n");
	edu = devm_kzalloc(dev, sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	edu->dev = dev;
	mutex_init(&edu->lock);
	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	pci_set_master(pdev);
	ret = dma_set_mask_and_coherent(dev,
					DMA_BIT_MASK(mask_bits[edu_count]));
	if (ret)
		return ret;
	edu->bar = pcim_iomap(pdev, 0, 0);
	if (!edu->bar)
		return -ENOMEM;
	/* Cached, and so memory like any other to whoever watches the caches. */
	edu->staging = dma_alloc_noncoherent(dev, PAGE_SIZE, &edu->staging_dma,
					     DMA_BIDIRECTIONAL, GFP_KERNEL);
	if (!edu->staging)
		return -ENOMEM;
	ret = devm_add_action_or_reset(dev, edu_free_staging, edu);
	if (ret)
		return ret;
	edus[edu_count++] = edu;
	return 0;
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{ }
};
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {
	.name = "edu-importer",
	.id_table = edu_ids,
	.probe = edu_probe,
	.driver.suppress_bind_attrs = true,
};

/* No driver is bound to a stand-in, so its memory is freed here. */
static void edu_remove_stand_ins(void)
{
	while (edu_count && !edus[edu_count - 1]->bar) {
		struct edu *edu = edus[--edu_count];

		platform_device_unregister(to_platform_device(edu->dev));
		kfree(edu);
	}
}

static int edu_add_stand_in(void)
{
	struct platform_device *pdev;
	struct edu *edu;
	int bits;

	if (edu_count == mask_bits_count)
		return -ENODEV;
	edu = kzalloc(sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	pdev = platform_device_register_simple("edu-stand-in", edu_count,
					       NULL, 0);
	if (IS_ERR(pdev)) {
		kfree(edu);
		return PTR_ERR(pdev);
	}
	edu->dev = &pdev->dev;
	mutex_init(&edu->lock);
	bits = mask_bits[edu_count];
	edus[edu_count++] = edu;
	return dma_set_mask_and_coherent(edu->dev, DMA_BIT_MASK(bits));
}

int edu_register_devices(void)
{
	unsigned int i;
	int ret;

	ret = pci_register_driver(&edu_driver);
	if (ret)
		return ret;
	for (i = 0; i < stand_ins && !ret; i++)
		ret = edu_add_stand_in();
	if (ret)
		edu_unregister_devices();
	return ret;
}

void edu_unregister_devices(void)
{
	edu_remove_stand_ins();
	pci_unregister_driver(&edu_driver);
}
