// The last step of every block: a 1x1 convolution, and the features that the block began with.
#pragma once

#include "plan.h"

namespace PARAGON_KERNEL {
namespace {

template <int N>
PARAGON_INLINE void project(const Plan& plan, int i, int y, int p, const float* from) {
    const Rows& rows = plan.maps[i + 1];
    const float* taps[1] = {from};
    float* to = rows.row(y) + p;
    const Rows& source = plan.maps[i];
    const float* before = plan.row_of(source, y, rows.lag) + p;
    const Rows& start = plan.maps[plan.ends_group(i) ? i + 1 - plan.of.group : i];
    const float* skipped = plan.ends_group(i) ? plan.row_of(start, y, rows.lag) + p : nullptr;
    convolve<OUTPUTS, N>(plan.network.blocks[i].project, {taps, BLOCK},
                         [&](int o, int v, Vector value) __attribute__((always_inline)) {
                             value += load(before + (ptrdiff_t)o * source.stride + v * LANES);
                             if (skipped) value += load(skipped + (ptrdiff_t)o * start.stride + v * LANES);
                             store(to + (ptrdiff_t)o * rows.stride + v * LANES, value);
                         });
}

// Compute two rows behind block i: `fill` puts what is projected into the scratch, from four rows of the expanded
// map that stand at the left tap.
template <class Fill>
PARAGON_INLINE void project_pair(const Plan& plan, int i, int now, Fill fill) {
    const Rows& rows = plan.maps[i + 1];
    const int first = larger(now - rows.delay - 1, rows.range.first);
    const int last = smaller(now - rows.delay, rows.range.end - 1);
    if (first > last) return;
    const float* from[4];
    for (int k = 0; k < 4; k++) from[k] = plan.row_of(plan.expanded[i], first - 1 + k, rows.lag) - 1;
    for (int y = first; y <= last; y++) rows.begin(y, plan.tile);
    for_blocks<VECTORS>(plan.tile.width, [&](int p, auto count) __attribute__((always_inline)) {
        fill(from, p, count);
        for (int y = first; y <= last; y++)
            project<decltype(count)::value>(plan, i, y, p, plan.scratch + (y - first) * plan.network.hidden * BLOCK);
    });
    for (int y = first; y <= last; y++) rows.finish(y, plan.tile);
}

}  // namespace
}  // namespace PARAGON_KERNEL
