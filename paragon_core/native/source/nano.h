// The blocks of realtime: x + project(activation(depthwise(expand(x)))).
#pragma once

#include "activations.h"
#include "depthwise.h"
#include "project.h"

namespace PARAGON_KERNEL {
namespace {

template <bool HARD>
void expand(const Plan& plan, int i, int y) {
    const Rows& rows = plan.expanded[i];
    rows.begin(y, plan.tile);
    float* to = rows.row(y);
    const float* from = plan.row_of(plan.maps[i], y, rows.lag);
    for_blocks<VECTORS>(plan.tile.width, [&](int p, auto count) __attribute__((always_inline)) {
        const float* taps[1] = {from + p};
        convolve<OUTPUTS, decltype(count)::value>(plan.network.blocks[i].expand, {taps, plan.maps[i].stride},
                                                  [&](int o, int v, Vector value) __attribute__((always_inline)) {
                                                      store(to + (ptrdiff_t)o * rows.stride + p + v * LANES,
                                                            HARD ? hardswish(value) : value);
                                                  });
    });
    rows.finish(y, plan.tile);
}

template <bool HARD>
void activate_and_project(const Plan& plan, int i, int now) {
    const Depthwise& filter = plan.network.blocks[i].depthwise;
    project_pair(plan, i, now, [&](const float* const(&from)[4], int p, auto count) __attribute__((always_inline)) {
        constexpr int N = decltype(count)::value;
        PARAGON_ROLLED
        for (int c = 0; c < plan.network.hidden; c++) {
            float* to = plan.scratch + c * BLOCK;
            const ptrdiff_t at = (ptrdiff_t)c * plan.expanded[i].stride + p;
            const float* rows[4] = {from[0] + at, from[1] + at, from[2] + at, from[3] + at};
            Vector sum[2 * N];
            depthwise_pair<N>(sum, rows, Filter(filter.weight + c * 9), filter.bias[c]);
            if constexpr (HARD)
                hardswish(sum);
            else
                gelu(sum);
            PARAGON_UNROLL
            for (int v = 0; v < N; v++) {
                store(to + v * LANES, sum[v]);
                store(to + plan.network.hidden * BLOCK + v * LANES, sum[N + v]);
            }
        }
    });
}

template <bool HARD>
void nano_block(const Plan& plan, int i, int now) {
    plan.for_rows(plan.expanded[i], now, [&](int y) { expand<HARD>(plan, i, y); });
    activate_and_project<HARD>(plan, i, now);
}

}  // namespace
}  // namespace PARAGON_KERNEL
