# SPDX-License-Identifier: GPL-2.0
"""Two changes to stock udmabuf that the review must tell all of.

They are made in the kernel's file at run time, by edits that fail if the file is
another than they know; there is no kernel code here to go stale.
"""

from fanout.host import Failure

NAME = "drivers/dma-buf/udmabuf.c"

_ATTACHMENT = """\
struct udmabuf_attachment {
	struct device *dev;
	struct sg_table *table;
	struct list_head list;
};

struct udmabuf {
	struct list_head attachments;
	struct mutex lock;
"""
_MAP = """\
static int attach_udmabuf(struct dma_buf *buf, struct dma_buf_attachment *at)
{
	struct udmabuf *ubuf = buf->priv;
	struct udmabuf_attachment *a = kzalloc(sizeof(*a), GFP_KERNEL);

	if (!a)
		return -ENOMEM;
	a->table = get_sg_table(at->dev, buf, DMA_BIDIRECTIONAL);
	if (IS_ERR(a->table)) {
		int ret = PTR_ERR(a->table);

		kfree(a);
		return ret;
	}
	a->dev = at->dev;
	at->priv = a;
	mutex_lock(&ubuf->lock);
	list_add(&a->list, &ubuf->attachments);
	mutex_unlock(&ubuf->lock);
	return 0;
}

static void detach_udmabuf(struct dma_buf *buf, struct dma_buf_attachment *at)
{
	struct udmabuf *ubuf = buf->priv;
	struct udmabuf_attachment *a = at->priv;

	mutex_lock(&ubuf->lock);
	list_del(&a->list);
	mutex_unlock(&ubuf->lock);
	put_sg_table(a->dev, a->table, DMA_BIDIRECTIONAL);
	kfree(a);
}

static struct sg_table *map_udmabuf(struct dma_buf_attachment *at,
				    enum dma_data_direction direction)
{
	struct udmabuf_attachment *a = at->priv;

	return a->table;
}

static void unmap_udmabuf(struct dma_buf_attachment *at, struct sg_table *sg,
			  enum dma_data_direction direction)
{
}

"""
_ACCESS = """\
static int {what}_cpu_udmabuf(struct dma_buf *buf,
			     enum dma_data_direction direction)
{{
	struct udmabuf *ubuf = buf->priv;
	struct udmabuf_attachment *a;

	mutex_lock(&ubuf->lock);
	list_for_each_entry(a, &ubuf->attachments, list)
		dma_sync_sgtable_{sync}(a->dev, a->table, direction);
	mutex_unlock(&ubuf->lock);
	return 0;
}}

"""


class _Text:
    """A file that is edited."""

    def __init__(self, text: str) -> None:
        self.text = text

    def replace(self, old: str, new: str) -> None:
        """@old, which is there once, is @new."""
        if self.text.count(old) != 1:
            raise Failure(f"{NAME} is another than the edit knows: it has "
                          f"{self.text.count(old)} times {old.strip()!r}")
        self.text = self.text.replace(old, new)

    def between(self, first: str, end: str, new: str) -> None:
        """What begins with @first and ends before @end is @new."""
        start = self.text.find(first)
        stop = self.text.find(end, start)
        if start < 0 or stop < 0:
            raise Failure(f"{NAME} is another than the edit knows: it has no "
                          f"{first!r} before {end!r}")
        self.text = self.text[:start] + new + self.text[stop:]


def every_attachment(stock: str) -> str:
    """The patch of the mail thread: each attachment is synced, in the direction of
    the access, and nothing for the exporter's own device any more.
    """
    file = _Text(stock)
    file.replace("struct udmabuf {\n", _ATTACHMENT)
    file.between("static struct sg_table *map_udmabuf", 
                 "static void unpin_all_folios", _MAP)
    file.between("static int begin_cpu_udmabuf", "static const struct dma_buf",
                 _ACCESS.format(what="begin", sync="for_cpu")
                 + _ACCESS.format(what="end", sync="for_device"))
    file.text = file.text.replace("\t.cache_sgt_mapping = true,\n", "")
    file.replace("\t.map_dma_buf\t", "\t.attach = attach_udmabuf,\n"
                 "\t.detach = detach_udmabuf,\n\t.map_dma_buf\t")
    file.replace("\tstruct device *dev = ubuf->device->this_device;\n\n"
                 "\tif (ubuf->sg)\n"
                 "\t\tput_sg_table(dev, ubuf->sg, ubuf->sg_dir);\n\n", "\n")
    file.replace("\tubuf->device = device;\n",
                 "\tubuf->device = device;\n"
                 "\tINIT_LIST_HEAD(&ubuf->attachments);\n"
                 "\tmutex_init(&ubuf->lock);\n")
    return file.text


def first_begin_forgotten(stock: str) -> str:
    """What went into stable kernels: the first begin maps, and syncs nothing."""
    file = _Text(stock)
    file.replace("\t\t\tubuf->sg_dir = direction;\n\t\t}\n\t}\n\n"
                 "\tdma_sync_sgtable_for_cpu(dev, ubuf->sg, direction);\n",
                 "\t\t\tubuf->sg_dir = direction;\n\t\t}\n\t} else {\n"
                 "\t\tdma_sync_sgtable_for_cpu(dev, ubuf->sg, direction);\n"
                 "\t}\n")
    return file.text
