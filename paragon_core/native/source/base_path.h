// The fixed base path along the rows, and what softens the image before it. Down the columns it is part of the tail.
#pragma once

#include "plan.h"

namespace PARAGON_KERNEL {
namespace {

inline void soften_across(const Plan& plan, int y) {
    plan.across.begin(y, plan.tile);
    const float* from = plan.row_of(plan.pixels, y, plan.across.lag);
    float* to = plan.across.row(y);
    plan.for_channels([&](int plane, int p) {
        const float* here = from + (ptrdiff_t)plane * plan.pixels.stride + p;
        store(to + (ptrdiff_t)plane * plan.across.stride + p,
              (load(here) * 16 + (load(here - 1) + load(here + 1)) * 9 - (load(here - 3) + load(here + 3))) *
                  (1.0f / 32));
    });
    plan.across.finish(y, plan.tile);
}

inline void soften_down(const Plan& plan, int y) {
    plan.softened.begin(y, plan.tile);
    const float* own = plan.row_of(plan.pixels, y, plan.softened.lag);
    const float* rows[7];
    for (int k = 0; k < 7; k++) rows[k] = plan.row_of(plan.across, y - 3 + k, plan.softened.lag);
    float* to = plan.softened.row(y);
    plan.for_channels([&](int plane, int p) {
        const ptrdiff_t x = (ptrdiff_t)plane * plan.across.stride + p;
        const Vector smooth = (load(rows[3] + x) * 16 + (load(rows[2] + x) + load(rows[4] + x)) * 9 -
                               (load(rows[0] + x) + load(rows[6] + x))) *
                              (1.0f / 32);
        const Vector sharp = load(own + (ptrdiff_t)plane * plan.pixels.stride + p);
        store(to + (ptrdiff_t)plane * plan.softened.stride + p, sharp + plan.of.softening * (smooth - sharp));
    });
    plan.softened.finish(y, plan.tile);
}

inline void compute_base(const Plan& plan, int y) {
    const Rows& source = plan.softens ? plan.softened : plan.pixels;
    const float* from = plan.row_of(source, y, plan.base.lag);
    float* to = plan.base.row(y);
    plan.for_channels([&](int plane, int p) {
        const float* here = from + (ptrdiff_t)plane * source.stride + p;
        const Vector r0 = load(here - 2), r1 = load(here - 1), r2 = load(here), r3 = load(here + 1);
        for (int b = 0; b < plan.of.scale; b++) {
            const float* taps = plan.network.base + 4 * b;
            store(to + ((ptrdiff_t)plane * plan.of.scale + b) * plan.base.stride + p,
                  ((taps[0] * r0 + taps[1] * r1) + taps[2] * r2) + taps[3] * r3);
        }
    });
    // Neither begin nor finish: no columns are kept, and those beyond the image are cells like others.
}

}  // namespace
}  // namespace PARAGON_KERNEL
