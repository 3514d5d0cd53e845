/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Expectations of what was synced for fake devices.
 *
 *	shim_mark(gpu->shim);
 *	... begin a CPU access ...
 *	FAKE_EXPECT_SYNCS(test, "for_cpu gpu BIDIRECTIONAL");
 */
#ifndef UDMABUF_FANOUT_FAKE_SYNCS_H
#define UDMABUF_FANOUT_FAKE_SYNCS_H

struct kunit;

void fake_expect_syncs(struct kunit *test, const char *file, int line, ...);

/**
 * FAKE_EXPECT_SYNCS() - compare the syncs since shim_mark() with a list
 * @test: the test
 * @...: the syncs in order, each "for_cpu NAME DIRECTION" or
 *	"for_device NAME DIRECTION" for a whole table; "... xN copies" for N
 *	copies in a row; "flush NAME DIRECTION xN" for N pieces of the buffer's
 *	own pages, each synced for_device and then for_cpu ("... xN pages" for
 *	pieces that are not); no text at all if nothing may be synced
 *
 * Moves the mark behind them. If they differ, both lists are printed side by
 * side.
 */
#define FAKE_EXPECT_SYNCS(test, ...)					\
	fake_expect_syncs(test, __FILE__, __LINE__, ##__VA_ARGS__, NULL)

#endif /* UDMABUF_FANOUT_FAKE_SYNCS_H */
