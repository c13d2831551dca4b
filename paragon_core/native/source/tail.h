// The last stage: everything behind conv_mid, and the base path, as cells of scale x scale pixels of the result.
//
// Cell (j, k) holds rows scale * (j - 1) + 1 + a and columns scale * (k - 1) + 1 + b of the result, for a and b from 0
// to before scale; it reads rows j - 2 .. j + 1 and columns k - 2 .. k + 1. See fuse.collapse_tail.
#pragma once

#include "border.h"
#include "samples.h"

namespace PARAGON_KERNEL {
namespace {

// Rows and columns of the result, on the continued image, from first to before end.
struct Area {
    Range rows, columns;
};

class Tail {
public:
    const Network& network;
    const ParagonImage& image;
    Area area;
    const Ring* ring;  // null where the border is not among the piece's pixels
    int lag;
    int columns;       // of the continued image
    int height;        // rows of the continued image
    float* cells;      // scratch: [planes][a][b][BLOCK]
    uint32_t* words;   // scratch: [words][BLOCK]

    // Compute row j of cells from four rows of conv_mid's map and of the base path's; returns whether all is finite.
    bool row(int j, const float* const (&map)[4], ptrdiff_t map_stride, const float* const (&base)[4], ptrdiff_t base_stride, const Tile& tile) const {
        const int block = network.tail.block;
        if constexpr (LANES == 16) {
            if (block == WIDE) return blocks<WIDE, 2>(j, map, map_stride, base, base_stride, tile);
            if (block == 9) return blocks<9, VECTORS>(j, map, map_stride, base, base_stride, tile);
            if (block == 4) return blocks<4, VECTORS>(j, map, map_stride, base, base_stride, tile);
        }
        return blocks<OUTPUTS, VECTORS>(j, map, map_stride, base, base_stride, tile);
    }

private:
    template <int OUT, int MOST>
    bool blocks(int j, const float* const (&map)[4], ptrdiff_t map_stride, const float* const (&base)[4], ptrdiff_t base_stride, const Tile& tile) const {
        bool finite = true;
        const int s = network.of.scale;
        for_blocks<MOST>(tile.width, [&](int p, auto count) __attribute__((always_inline)) {
            constexpr int N = decltype(count)::value;
            const int k = tile.column + p - lag;  // the first cell
            if (s * (k + N * LANES - 1) < area.columns.first || s * (k - 1) + 1 >= area.columns.end) return;
            const float* taps[16];
            for (int y = 0; y < 4; y++)
                for (int x = 0; x < 4; x++) taps[y * 4 + x] = map[y] + p + x;
            convolve<OUT, N>(network.tail, {taps, map_stride}, [&](int o, int v, Vector value) __attribute__((always_inline)) {
                store(cells + o * BLOCK + v * LANES, value);
            });
            for (int v = 0; v < N; v++) add_base(base, base_stride, p, v);
            if (ring) subtract_ring(j, k, N * LANES);
            finite &= write<N>(j, k);
        });
        return finite;
    }

    void add_base(const float* const (&base)[4], ptrdiff_t stride, int p, int v) const {
        const int s = network.of.scale;
        for (int plane = 0; plane < network.of.planes; plane++)
            for (int b = 0; b < s; b++) {
                const ptrdiff_t at = ((ptrdiff_t)plane * s + b) * stride + p + v * LANES;
                const Vector r0 = load(base[0] + at), r1 = load(base[1] + at), r2 = load(base[2] + at), r3 = load(base[3] + at);
                float* to = cells + ((plane * s) * s + b) * BLOCK + v * LANES;
                for (int a = 0; a < s; a++, to += s * BLOCK) {
                    const float* taps = network.base + 4 * a;
                    store(to, load(to) + (((taps[0] * r0 + taps[1] * r1) + taps[2] * r2) + taps[3] * r3));
                }
            }
    }

    void subtract_ring(int j, int k, int cells_here) const {
        const ParagonNetwork& of = network.of;
        const int s = of.scale;
        for (int side = 0; side < 2; side++) {
            const int y = side ? s * height - 1 : 0, a = y - s * (j - 1) - 1;
            if (a < 0 || a >= s) continue;
            for (int plane = 0; plane < of.planes; plane++)
                for (int b = 0; b < s; b++) {
                    const float* strip = ring->of_row(side, plane, s);
                    float* to = cells + ((plane * s + a) * s + b) * BLOCK;
                    for (int i = 0; i < cells_here; i++) {
                        const int x = s * (k + i - 1) + 1 + b;
                        if (area.columns.has(x)) to[i] -= strip[x - s * ring->first_column];
                    }
                }
        }
        for (int side = 0; side < 2; side++) {
            const int x = side ? s * columns - 1 : 0;
            const int i = (x - 1 + s) / s - k, b = (x - 1 + s) % s;
            if (i < 0 || i >= cells_here || !area.columns.has(x)) continue;
            for (int a = 0; a < s; a++) {
                const int y = s * (j - 1) + 1 + a;
                if (!area.rows.has(y)) continue;
                for (int plane = 0; plane < of.planes; plane++)
                    cells[((plane * s + a) * s + b) * BLOCK + i] -= column_strip(*ring, network, side, plane, y, s * height);
            }
        }
    }

    // Write the part of N vectors of cells that belongs to the piece; returns whether it is finite.
    template <int N> bool write(int j, int k) const {
        const ParagonNetwork& of = network.of;
        const int s = of.scale, size = SAMPLE_SIZES[image.sample];
        const bool joined = interleaved(image, of.planes);
        const int groups = joined ? 1 : of.planes, planes = joined ? of.planes : 1, count = s * planes;
        // Cells of which all columns belong to the piece, and all that have one.
        const int whole = larger((area.columns.first + s - 2 + s) / s - k, 0);
        const int end = smaller((area.columns.end - 1) / s + 1 - k, N * LANES);
        const int last = smaller((area.columns.end - 1 + s - 1) / s + 1 - k, N * LANES);
        const int first = larger((area.columns.first - 1 + s) / s - k, 0);
        Vector check = {};
        float rest = 0;
        for (int a = 0; a < s; a++) {
            const int y = s * (j - 1) + 1 + a;
            if (!area.rows.has(y)) continue;
            for (int group = 0; group < groups; group++) {
                const ParagonPlane& plane = image.out[group];
                char* row = static_cast<char*>(plane.data) + (y - (int64_t)s * image.margin) * plane.row;
                const ptrdiff_t x = (ptrdiff_t)s * (k - 1) + 1 - (ptrdiff_t)s * image.margin;
                const Group to = {row + x * size * planes, count, size};
                const float* from = cells + ((group * s + a) * s) * BLOCK;
                auto value_of = [&](int sample) {  // phases side by side, each with all planes of the group
                    return from + ((sample % planes) * s * s + sample / planes) * BLOCK;
                };
                pack<N>(value_of, count, check);
                write_cells(to, words, BLOCK, whole, end);
                for (int i = first; i < last; i++)
                    if (i < whole || i >= end) write_part(to, value_of, planes, k, i, rest);
            }
        }
        if (first == 0 && last == N * LANES) {
            float lanes[LANES];
            store(lanes, check);
            for (float lane : lanes) rest += lane;
        } else {
            for (int o = 0; o < of.planes * s * s; o++)
                for (int i = whole; i < end; i++) rest += cells[o * BLOCK + i] * 0;
        }
        return rest == 0;
    }

    // Convert samples and pack them into words, for N vectors of cells.
    template <int N, class ValueOf> PARAGON_INLINE void pack(ValueOf value_of, int count, Vector& check) const {
        const int size = SAMPLE_SIZES[image.sample], per_word = 4 / size;
        for (int v = 0; v < N; v++)
            for (int word = 0; word * per_word < count; word++) {
                Integers packed = {};
                for (int part = 0; part < per_word && word * per_word + part < count; part++) {
                    const Vector value = load(value_of(word * per_word + part) + v * LANES);
                    check += value * 0;
                    packed |= converted(value) << (8 * size * part);
                }
                store(words + word * BLOCK + v * LANES, packed);
            }
    }

    PARAGON_INLINE Integers converted(Vector value) const {
        if (image.sample != PARAGON_FLOAT32) return nearest(clamped(value, 0, network.of.peak));
        return (Integers)(image.clip ? clamped(value, 0, network.of.peak) : value);
    }

    // Write the samples of cell i that belong to the piece, where not all of them do.
    template <class ValueOf> void write_part(const Group& to, ValueOf value_of, int planes, int k, int i, float& check) const {
        for (int sample = 0; sample < to.count; sample++) {
            const int x = network.of.scale * (k + i - 1) + 1 + sample / planes;
            if (!area.columns.has(x)) continue;
            const float value = value_of(sample)[i];
            check += value * 0;
            int32_t lanes[LANES];
            store(lanes, converted(all(value)));
            memcpy(to.to + ((ptrdiff_t)i * to.count + sample) * to.size, lanes, to.size);  // the low bytes come first
        }
    }
};

}  // namespace
}  // namespace PARAGON_KERNEL
