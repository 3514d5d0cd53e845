/* SPDX-License-Identifier: GPL-2.0 */
/* driver/merge.c as it is compiled once more, with ASan and UBSan. */
#ifndef SANITIZED_H
#define SANITIZED_H

#include "../../driver/merge.h"

void sanitized_merge_fill(const void *page, void *copy, void *twin,
			  size_t size);
bool sanitized_merge_fetch(void *page, const void *copy, void *twin,
			   size_t size, struct merge_stats *stats);
bool sanitized_merge_push(const void *page, void *copy, void *twin,
			  size_t size, struct merge_stats *stats);

#endif /* SANITIZED_H */
