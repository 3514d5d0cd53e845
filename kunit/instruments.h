/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the instruments share: tables to map, and inner tests, of
 * which failing is expected.
 *
 *	struct kunit *inner = inner_begin(test);
 *
 *	... what must make a test fail, on behalf of inner ...
 *	KUNIT_EXPECT_EQ(test, KUNIT_FAILURE, inner_end(test, inner));
 */
#ifndef UDMABUF_FANOUT_INSTRUMENTS_H
#define UDMABUF_FANOUT_INSTRUMENTS_H

#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>

#define ENTRIES		4
#define ATTRS		(DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_NO_WARN)

struct sg_table *make_table(struct kunit *test);
struct kunit *inner_begin(struct kunit *test);
enum kunit_status inner_end(struct kunit *test, struct kunit *inner);

#endif /* UDMABUF_FANOUT_INSTRUMENTS_H */
