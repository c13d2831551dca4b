// The blocks of stream: x + project(a * b), where a and b are depthwise filtered maps of what near and far filters saw.
#pragma once

#include "depthwise.h"
#include "project.h"

namespace PARAGON_KERNEL {
namespace {

inline void mix_and_expand(const Plan& plan, int i, int y) {
    const Block& block = plan.network.blocks[i];
    const Rows& rows = plan.expanded[i];
    const Rows& source = plan.maps[i];
    rows.begin(y, plan.tile);
    float* to = rows.row(y);
    const float* from[7];
    for (int k = 0; k < 7; k++) from[k] = plan.row_of(source, y - 3 + k, rows.lag);
    for_blocks<VECTORS>(plan.tile.width, [&](int p, auto count) __attribute__((always_inline)) {
        constexpr int N = decltype(count)::value;
        PARAGON_ROLLED
        for (int c = 0; c < plan.of.channels; c++) {
            const ptrdiff_t at = (ptrdiff_t)c * source.stride + p;
            const float* near[3] = {from[2] + at - 1, from[3] + at - 1, from[4] + at - 1};
            const float* far[3] = {from[0] + at - 3, from[3] + at - 3, from[6] + at - 3};
            Vector sum[N];
            depthwise(sum, near, 1, Filter(block.near.weight + c * 9), block.near.bias[c]);
            store_all(plan.scratch + c * BLOCK, sum);
            depthwise(sum, far, 3, Filter(block.far.weight + c * 9), block.far.bias[c]);
            store_all(plan.scratch + (plan.of.channels + c) * BLOCK, sum);
        }
        const float* taps[1] = {plan.scratch};
        float* mixed = plan.scratch + 2 * plan.of.channels * BLOCK;
        convolve_to<OUTPUTS, N>(block.mix, {taps, BLOCK}, mixed, BLOCK);
        taps[0] = mixed;
        convolve_to<OUTPUTS, N>(block.expand, {taps, BLOCK}, to + p, rows.stride);
    });
    rows.finish(y, plan.tile);
}

inline void gate_and_project(const Plan& plan, int i, int now) {
    const bool clamps = plan.of.block == PARAGON_STREAM_CLAMPED;
    const Depthwise& filter = plan.network.blocks[i].depthwise;
    const float bound = plan.network.blocks[i].bound;
    project_pair(plan, i, now, [&](const float* const(&from)[4], int p, auto count) __attribute__((always_inline)) {
        constexpr int N = decltype(count)::value;
        PARAGON_ROLLED
        for (int c = 0; c < plan.network.hidden; c++) {
            Vector factors[2][2 * N];
            PARAGON_UNROLL
            for (int half = 0; half < 2; half++) {
                const int channel = half * plan.network.hidden + c;
                const ptrdiff_t at = (ptrdiff_t)channel * plan.expanded[i].stride + p;
                const float* rows[4] = {from[0] + at, from[1] + at, from[2] + at, from[3] + at};
                depthwise_pair<N>(factors[half], rows, Filter(filter.weight + channel * 9), filter.bias[channel]);
            }
            float* to = plan.scratch + c * BLOCK;
            PARAGON_UNROLL
            for (int row = 0; row < 2; row++, to += plan.network.hidden * BLOCK) PARAGON_UNROLL
            for (int v = 0; v < N; v++) {
                Vector product = factors[0][row * N + v] * factors[1][row * N + v];
                if (clamps) product = clamped(product, -bound, bound);
                store(to + v * LANES, product);
            }
        }
    });
}

inline void stream_block(const Plan& plan, int i, int now) {
    plan.for_rows(plan.expanded[i], now, [&](int y) { mix_and_expand(plan, i, y); });
    gate_and_project(plan, i, now);
}

}  // namespace
}  // namespace PARAGON_KERNEL
