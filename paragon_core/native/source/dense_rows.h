// Dense 3x3 convolutions over whole rows: conv_in and conv_mid.
#pragma once

#include "plan.h"

namespace PARAGON_KERNEL {
namespace {

// A 3x3 convolution.
inline void convolve_row(const Plan& plan, const Rows& rows, const Rows& source, const Convolution& conv, int y) {
    rows.begin(y, plan.tile);
    float* to = rows.row(y);
    const float* from[3];
    for (int k = 0; k < 3; k++) from[k] = plan.row_of(source, y - 1 + k, rows.lag) - 1;
    for_blocks<VECTORS>(plan.tile.width, [&](int p, auto count) __attribute__((always_inline)) {
        const float* taps[9];
        for (int k = 0; k < 9; k++) taps[k] = from[k / 3] + p + k % 3;
        convolve_to<OUTPUTS, decltype(count)::value>(conv, {taps, source.stride}, to + p, rows.stride);
    });
    rows.finish(y, plan.tile);
}

// conv_mid's two rows; see MiddlePair.
inline void convolve_middle(const Plan& plan, int now) {
    const int y = now - plan.middle.delay - 1;
    if (!plan.middle.range.has(y) && !plan.middle.range.has(y + 1)) return;
    const Rows& source = plan.maps[plan.of.blocks];
    const float* rows[4];
    for (int k = 0; k < 4; k++) rows[k] = plan.row_of(source, y - 1 + k, plan.middle.lag) - 1;
    plan.for_pair(plan.middle, y, [&](int row) { plan.middle.begin(row, plan.tile); });
    for_blocks<VECTORS>(plan.tile.width, [&](int p, auto count) __attribute__((always_inline)) {
        constexpr int N = decltype(count)::value;
        const float* taps[4][3];
        for (int row = 0; row < 4; row++)
            for (int k = 0; k < 3; k++) taps[row][k] = rows[row] + p + k;
        const MiddlePair& conv = plan.network.conv_mid;
        PARAGON_ROLLED
        for (int first = 0; first < conv.products[0].outputs; first += OUTPUTS) {
            Vector sum[OUTPUTS][N];
            auto put = [&](int row) __attribute__((always_inline)) {
                if (!plan.middle.range.has(row)) return;
                float* to = plan.middle.row(row) + p;
                for_each(sum, first, [&](int o, int v, Vector value) __attribute__((always_inline)) {
                    store(to + (ptrdiff_t)o * plan.middle.stride + v * LANES, value);
                });
            };
            begin_with_bias(sum, conv.products[1], first);
            add_up<SUM>(sum, conv.products[1], first, {taps[1], source.stride, taps[2]});
            for_each(sum, 0, [&](int o, int v, Vector value) __attribute__((always_inline)) {
                store(plan.scratch + o * BLOCK + v * LANES, value);
            });
            begin_with_bias(sum, conv.products[2], first);
            add_up<DIFFERENCE>(sum, conv.products[2], first, {taps[2], source.stride, taps[1]});
            PARAGON_UNROLL
            for (int o = 0; o < OUTPUTS; o++) PARAGON_UNROLL
            for (int v = 0; v < N; v++) {
                const Vector other = load(plan.scratch + o * BLOCK + v * LANES);
                store(plan.scratch + o * BLOCK + v * LANES, other - sum[o][v]);
                sum[o][v] += other;
            }
            add_up<DIFFERENCE>(sum, conv.products[0], first, {taps[0], source.stride, taps[2]});
            put(y);
            PARAGON_UNROLL
            for (int o = 0; o < OUTPUTS; o++) PARAGON_UNROLL
            for (int v = 0; v < N; v++) sum[o][v] = load(plan.scratch + o * BLOCK + v * LANES);
            add_up<DIFFERENCE>(sum, conv.products[3], first, {taps[1], source.stride, taps[3]});
            put(y + 1);
        }
    });
    plan.for_pair(plan.middle, y, [&](int row) { plan.middle.finish(row, plan.tile); });
}

}  // namespace
}  // namespace PARAGON_KERNEL
