/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UDMABUF_FANOUT_KIND_H
#define UDMABUF_FANOUT_KIND_H

#include <linux/types.h>

struct device;
struct sg_table;

bool device_snoops(struct device *dev);
bool device_is_direct(struct device *dev);
bool device_is_forced(struct device *dev);
bool device_reaches(struct device *dev, phys_addr_t phys, u64 size);
bool device_is_bounced(struct device *dev, struct sg_table *sgt);
bool arch_has_lazy_for_cpu(void);

#endif /* UDMABUF_FANOUT_KIND_H */
