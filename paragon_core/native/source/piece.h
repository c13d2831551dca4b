// One piece of an image through the whole network: which stage works on which rows, and when.
#pragma once

#include "base_path.h"
#include "dense_rows.h"
#include "nano.h"
#include "stream.h"
#include "tail.h"

namespace PARAGON_KERNEL {
namespace {

inline void read(const Plan& plan, const Rows& rows, const ParagonPlane* planes, int y) {
    rows.begin(y, plan.tile);
    const int count = smaller(plan.tile.width, plan.width - plan.tile.column);
    for (int plane = 0; plane < plan.of.planes && count > 0; plane++)
        read_row(rows.row(y) + (ptrdiff_t)plane * rows.stride, planes[plane], plan.image, y, plan.tile.column, count);
    rows.finish(y, plan.tile);
}

inline void look_outside(const Plan& plan, int y) {
    for (int side = 0; side < 2; side++) {
        const int column = side ? plan.width - 1 : 0, p = column + plan.middle.lag - plan.tile.column;
        if (p < 0 || p >= plan.tile.width || (side ? plan.right != plan.width : plan.left != 0)) continue;
        const float* pixels_there[3];
        for (int k = 0; k < 3; k++) {
            const int row = y - 1 + k;
            pixels_there[k] = row >= 0 && row < plan.height ? plan.middle.row(row) + p : nullptr;
        }
        compute_outside(plan.ring, plan.network, side, y, pixels_there, plan.middle.stride);
    }
}

// Rows j and j + 1 of cells; see TailPair.
inline bool compute_cells(const Plan& plan, int j) {
    if (j + 1 < plan.top || j > plan.bottom) return true;
    TailSource source;
    for (int k = 0; k < 5; k++) {
        source.map[k] = plan.row_of(plan.middle, j - 2 + k, plan.tail_lag) - 2;
        source.base[k] = plan.row_of(plan.base, j - 2 + k, plan.tail_lag);
    }
    source.map_stride = plan.middle.stride;
    source.base_stride = plan.base.stride;
    const int s = plan.of.scale;
    const Area area = {{s * plan.top, s * plan.bottom}, {s * plan.left, s * plan.right}};
    const Tail tail(plan.network, plan.image, area, plan.has_border() ? &plan.ring : nullptr, plan.tail_lag, plan.width,
                    plan.height, plan.cells, plan.shared, plan.words);
    return tail.rows(j, source, plan.tile);
}

inline void convolve_border(const Plan& plan, int now) {
    const Rows& middle = plan.middle;
    plan.for_rows(middle, now, [&](int y) {
        if (y == 0 && plan.top == 0) compute_row_strip(plan.ring, plan.network, middle, 0, y, plan.tile, plan.tail_lag);
        if (y == plan.height - 1 && plan.bottom == plan.height)
            compute_row_strip(plan.ring, plan.network, middle, 1, y, plan.tile, plan.tail_lag);
    });
    for (int y = now - middle.delay - 2; y < now - middle.delay; y++)  // one row behind: it needs those around
        if (plan.ring.range.has(y)) look_outside(plan, y);
}

// Compute two rows of every stage; returns whether the results are finite.
inline bool step(const Plan& plan, int now) {
    plan.for_rows(plan.pixels, now, [&](int y) { read(plan, plan.pixels, plan.image.in, y); });
    if (plan.separate) plan.for_rows(plan.detail, now, [&](int y) { read(plan, plan.detail, plan.image.detail, y); });
    const Rows& seen = plan.separate ? plan.detail : plan.pixels;
    plan.for_rows(plan.maps[0], now, [&](int y) { convolve_row(plan, plan.maps[0], seen, plan.network.conv_in, y); });
    for (int i = 0; i < plan.of.blocks; i++) switch (plan.of.block) {
            case PARAGON_NANO_GELU: nano_block<false>(plan, i, now); break;
            case PARAGON_NANO_HARDSWISH: nano_block<true>(plan, i, now); break;
            default: stream_block(plan, i, now);
        }
    convolve_middle(plan, now);
    if (plan.has_border()) convolve_border(plan, now);
    if (plan.softens) {
        plan.for_rows(plan.across, now, [&](int y) { soften_across(plan, y); });
        plan.for_rows(plan.softened, now, [&](int y) { soften_down(plan, y); });
    }
    plan.for_rows(plan.base, now, [&](int y) { compute_base(plan, y); });
    return compute_cells(plan, now - plan.tail_delay - 1);
}

// Returns a ParagonStatus.
inline int run(Plan& plan, const volatile int32_t* cancelled) {
    const Arithmetic arithmetic;
    bool finite = true;
    const int start = larger(plan.left - plan.tail_lag, 0), end = plan.right + 1 + plan.tail_lag;
    for (int column = start; column < end; column += plan.tile_width) {
        plan.tile = {column, start, smaller(plan.tile_width, rounded_up(end - column, LANES)), plan.width};
        // Always from an odd row on: pairs of rows are then the same for all pieces, and so are the results.
        for (int now = plan.pixels.range.first | 1; now <= plan.bottom + 1 + plan.tail_delay; now += 2) {
            if (cancelled && *cancelled) return PARAGON_CANCELLED;
            finite &= step(plan, now);
        }
    }
    return finite ? PARAGON_DONE : PARAGON_NOT_FINITE;
}

}  // namespace
}  // namespace PARAGON_KERNEL
