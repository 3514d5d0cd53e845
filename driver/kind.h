/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UDMABUF_FANOUT_KIND_H
#define UDMABUF_FANOUT_KIND_H

#include "sync_plan.h"

struct device;
struct scatterlist;
struct sg_table;

/* A mapping has one kind, or two: its own pages and bounced ones (H18). */
#define MAX_KINDS	2

unsigned int kinds_of_mapping(struct device *dev, struct sg_table *sgt,
			      enum sync_kind kinds[MAX_KINDS]);
bool device_snoops(struct device *dev);
enum sync_kind kind_of_segment(struct device *dev, struct scatterlist *sg);

#endif /* UDMABUF_FANOUT_KIND_H */
