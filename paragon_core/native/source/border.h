// The outermost ring of the result, where upstream's last convolution sees zeros beyond the upscaled features and the
// collapsed tail sees what would continue them; see fuse.border_strips.
#pragma once

#include "network.h"
#include "rows.h"

namespace PARAGON_KERNEL {
namespace {

// What is to be subtracted, for the rows and columns of one piece.
struct Ring {
    float* rows[2];     // [planes][scale * columns]: of the first and last row of the result
    float* columns[2];  // [rows][scale][channels]: features just outside the first and last column
    int first_column = 0, column_count = 0;
    Range range;  // rows of the image that `columns` are of

    void take(Arena& arena, const Network& network) {
        const ParagonNetwork& of = network.of;
        for (float*& part : rows) part = arena.take<float>((size_t)of.planes * of.scale * column_count);
        for (float*& part : columns)
            part = arena.take<float>((size_t)(range.end - range.first) * of.scale * of.channels);
    }

    float* of_row(int side, int plane, int scale) const { return rows[side] + (ptrdiff_t)plane * scale * column_count; }
    float* of_column(int side, int y, const ParagonNetwork& of) const {
        return columns[side] + (ptrdiff_t)(y - range.first) * of.scale * of.channels;
    }
};

// Compute the strip of the first (side 0) or last row from that row of conv_mid's map; `lag` is that of the tail, at
// which two columns to the right are there.
inline void compute_row_strip(const Ring& ring, const Network& network, const Rows& map, int side, int y,
                              const Tile& tile, int lag) {
    const ParagonNetwork& of = network.of;
    const Convolution& conv = network.border.rows[side];
    const float* row = map.row(y) + map.lag - lag - 2;
    for (int p = 0; p < tile.width; p += LANES) {
        const float* taps[5];
        for (int k = 0; k < 5; k++) taps[k] = row + p + k;
        float strips[rounded_up(3 * MOST_SCALE, OUTPUTS) * LANES];
        convolve_to<OUTPUTS, 1>(conv, {taps, map.stride}, strips, LANES);
        for (int o = 0; o < of.planes * of.scale; o++) {
            const float* lanes = strips + o * LANES;
            float* to = ring.of_row(side, o / of.scale, of.scale) + o % of.scale;
            for (int i = 0; i < LANES; i++) {
                const int column = tile.column + p + i - lag - ring.first_column;
                if (column >= 0 && column < ring.column_count) to[column * of.scale] = lanes[i];
            }
        }
    }
}

// Compute the features just outside a side of row y from three rows of conv_mid's map, each at the column of that side
// or null outside the image.
inline void compute_outside(const Ring& ring, const Network& network, int side, int y, const float* const (&pixels)[3],
                            int stride) {
    const ParagonNetwork& of = network.of;
    const int outputs = of.scale * of.channels;
    float* sum = ring.of_column(side, y, of);
    memcpy(sum, network.border.up_bias + (ptrdiff_t)side * outputs, outputs * sizeof(float));
    for (int k = 0; k < 3; k++) {
        if (!pixels[k]) continue;
        const float* weight = network.border.column_up + ((ptrdiff_t)side * 3 + k) * of.channels * outputs;
        for (int i = 0; i < of.channels; i++, weight += outputs) {
            const float pixel = pixels[k][(ptrdiff_t)i * stride];
            for (int o = 0; o < outputs; o++) sum[o] += weight[o] * pixel;
        }
    }
}

// Return what is too much in row y of the result at a side, in one plane; `height` is that of the result.
inline float column_strip(const Ring& ring, const Network& network, int side, int plane, int y, int height) {
    const ParagonNetwork& of = network.of;
    const float* weight = network.border.column_out + ((ptrdiff_t)side * of.planes + plane) * 3 * of.channels;
    float sum = 0;
    for (int k = 0; k < 3; k++, weight += of.channels) {
        const int row = y - 1 + k;
        if (row < 0 || row >= height) continue;
        const float* outside = ring.of_column(side, row / of.scale, of) + (row % of.scale) * of.channels;
        for (int f = 0; f < of.channels; f++) sum += weight[f] * outside[f];
    }
    return sum;
}

}  // namespace
}  // namespace PARAGON_KERNEL
