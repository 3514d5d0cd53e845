/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a buffer says of itself.
 */
#ifndef UDMABUF_FANOUT_DEBUGFS_H
#define UDMABUF_FANOUT_DEBUGFS_H

struct dentry;
struct dma_buf;

void fanout_debugfs_add(struct dma_buf *dmabuf, struct dentry *dir);

#endif /* UDMABUF_FANOUT_DEBUGFS_H */
