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
        convolve<OUTPUTS, decltype(count)::value>(conv, {taps, source.stride},
                                                  [&](int o, int v, Vector value) __attribute__((always_inline)) {
                                                      store(to + (ptrdiff_t)o * rows.stride + p + v * LANES, value);
                                                  });
    });
    rows.finish(y, plan.tile);
}

// conv_mid's two rows; see MiddlePair.
inline void convolve_middle(const Plan& plan, int now) {
    const int y = now - plan.middle.delay - 1;
    if (!plan.middle.range.has(y) && !plan.middle.range.has(y + 1)) return;
    const Rows& source = plan.maps[plan.of.blocks];
    const float* rows[4];
    for (int k = 0; k < 4; k++) rows[k] = plan.row_of(source, y - 1 + k, source.lag);
    plan.combine(0, source, rows[0], rows[2], [](Vector a, Vector b) { return a - b; });
    plan.combine(1, source, rows[1], rows[2], [](Vector a, Vector b) { return a + b; });
    plan.combine(2, source, rows[2], rows[1], [](Vector a, Vector b) { return a - b; });
    plan.combine(3, source, rows[1], rows[3], [](Vector a, Vector b) { return a - b; });
    plan.for_pair(plan.middle, y, [&](int row) { plan.middle.begin(row, plan.tile); });
    for_blocks<VECTORS>(plan.tile.width, [&](int p, auto count) __attribute__((always_inline)) {
        constexpr int N = decltype(count)::value;
        const float* taps[4][3];
        for (int product = 0; product < 4; product++)
            for (int k = 0; k < 3; k++)
                taps[product][k] = plan.combined[product] + p + source.lag - plan.middle.lag - 1 + k;
        PARAGON_ROLLED
        for (int first = 0; first < plan.network.conv_mid.products[0].outputs; first += OUTPUTS) {
            Vector sum[OUTPUTS][N];
            auto product = [&](int number) __attribute__((always_inline)) {
                add_up(sum, plan.network.conv_mid.products[number], first, {taps[number], source.stride});
            };
            auto put = [&](int row) __attribute__((always_inline)) {
                if (!plan.middle.range.has(row)) return;
                float* to = plan.middle.row(row) + p;
                for_each(sum, first, [&](int o, int v, Vector value) __attribute__((always_inline)) {
                    store(to + (ptrdiff_t)o * plan.middle.stride + v * LANES, value);
                });
            };
            begin_with_bias(sum, plan.network.conv_mid.products[1], first);
            product(1);
            for_each(sum, 0, [&](int o, int v, Vector value) __attribute__((always_inline)) {
                store(plan.scratch + o * BLOCK + v * LANES, value);
            });
            begin_with_bias(sum, plan.network.conv_mid.products[2], first);
            product(2);
            PARAGON_UNROLL
            for (int o = 0; o < OUTPUTS; o++) PARAGON_UNROLL
            for (int v = 0; v < N; v++) {
                const Vector other = load(plan.scratch + o * BLOCK + v * LANES);
                store(plan.scratch + o * BLOCK + v * LANES, other - sum[o][v]);
                sum[o][v] += other;
            }
            product(0);
            put(y);
            PARAGON_UNROLL
            for (int o = 0; o < OUTPUTS; o++) PARAGON_UNROLL
            for (int v = 0; v < N; v++) sum[o][v] = load(plan.scratch + o * BLOCK + v * LANES);
            product(3);
            put(y + 1);
        }
    });
    plan.for_pair(plan.middle, y, [&](int row) { plan.middle.finish(row, plan.tile); });
}

}  // namespace
}  // namespace PARAGON_KERNEL
