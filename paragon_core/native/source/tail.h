// The last stage: everything behind conv_mid, and the base path, as cells of scale x scale pixels of the result.
//
// Cell (j, k) holds rows scale * (j - 1) + 1 + a and columns scale * (k - 1) + 1 + b of the result, for a and b from 0
// to before scale; it reads rows j - 2 .. j + 1 and columns k - 2 .. k + 1. See fuse.collapse_tail.
#pragma once

#include "border.h"
#include "kernel.h"
#include "samples.h"

namespace PARAGON_KERNEL {
namespace {

// Rows and columns of the result, on the continued image, from first to before end.
struct Area {
    Range rows, columns;
};

// What two rows of cells are made of.
struct TailSource {
    const float* map[5];  // rows of conv_mid's map, at the left tap
    ptrdiff_t map_stride;
    const float* base[5];  // rows of the base path
    ptrdiff_t base_stride;
};

class Tail {
public:
    const Network& network;
    const ParagonImage& image;
    Area area;
    const Ring* ring;  // null where the border is not among the piece's pixels
    int lag;
    int columns;      // of the continued image
    int height;       // rows of the continued image
    float* cells;     // scratch: [planes][a][b][BLOCK]
    float* shared;    // scratch: the same, what two rows of cells share
    uint32_t* words;  // scratch: [words][BLOCK]
    bool joined;      // whether the result has the planes' samples pixel by pixel
    // Where the samples of a group are among the cells: phases next to each other, each with all planes of the group.
    int order[3 * MOST_SCALE];

    Tail(const Network& network, const ParagonImage& image, Area area, const Ring* ring, int lag, int columns,
         int height, float* cells, float* shared, uint32_t* words)
        : network(network),
          image(image),
          area(area),
          ring(ring),
          lag(lag),
          columns(columns),
          height(height),
          cells(cells),
          shared(shared),
          words(words),
          joined(interleaved(image, network.of.planes)) {
        const int s = network.of.scale, planes = joined ? network.of.planes : 1;
        for (int sample = 0; sample < s * planes; sample++)
            order[sample] = ((sample % planes) * s * s + sample / planes) * BLOCK;
    }

    // Compute rows j and j + 1 of cells, as far as they belong to the piece; returns whether all is finite.
    bool rows(int j, const TailSource& source, const Tile& tile) const {
        if constexpr (LANES == 16) {
            const int block = network.tail.shared.block;
            if (block == WIDE) return blocks<WIDE, 2>(j, source, tile);
            if (block == 9) return blocks<9, VECTORS>(j, source, tile);
            if (block == 4) return blocks<4, VECTORS>(j, source, tile);
        }
        return blocks<OUTPUTS, VECTORS>(j, source, tile);
    }

private:
    template <int OUT, int MOST>
    bool blocks(int j, const TailSource& source, const Tile& tile) const {
        bool finite = true;
        const int s = network.of.scale;
        const Range wanted = {area.rows.first / s, area.rows.end / s + 1};
        for_blocks<MOST>(tile.width, [&](int p, auto count) __attribute__((always_inline)) {
            constexpr int N = decltype(count)::value;
            const int k = tile.column + p - lag;  // the first cell
            if (s * (k + N * LANES - 1) < area.columns.first || s * (k - 1) + 1 >= area.columns.end) return;
            const float* taps[3][8];  // at rows r0 and r2, r1 and r3, r2 and r4
            for (int row = 0; row < 3; row++)
                for (int tap = 0; tap < 8; tap++) taps[row][tap] = source.map[row + 2 * (tap / 4)] + p + tap % 4;
            PARAGON_ROLLED
            for (int first = 0; first < network.tail.shared.outputs; first += OUT) {
                Vector sum[OUT][N];
                begin_with_bias(sum, network.tail.shared, first);
                add_up(sum, network.tail.shared, first, {taps[1], source.map_stride});
                for_each(sum, first, [&](int o, int v, Vector value) __attribute__((always_inline)) {
                    store(shared + o * BLOCK + v * LANES, value);
                });
                if (!wanted.has(j)) continue;
                add_up<DIFFERENCE>(sum, network.tail.upper, first, {taps[0], source.map_stride, taps[1]});
                for_each(sum, first, [&](int o, int v, Vector value) __attribute__((always_inline)) {
                    store(cells + o * BLOCK + v * LANES, value);
                });
            }
            if (wanted.has(j)) finite &= complete<N>(j, k, p, source.base, source.base_stride);
            if (!wanted.has(j + 1)) return;
            PARAGON_ROLLED
            for (int first = 0; first < network.tail.shared.outputs; first += OUT) {
                Vector sum[OUT][N];
                PARAGON_UNROLL
                for (int o = 0; o < OUT; o++) PARAGON_UNROLL
                for (int v = 0; v < N; v++) sum[o][v] = load(shared + (first + o) * BLOCK + v * LANES);
                add_up<DIFFERENCE>(sum, network.tail.lower, first, {taps[1], source.map_stride, taps[2]});
                for_each(sum, first, [&](int o, int v, Vector value) __attribute__((always_inline)) {
                    store(cells + o * BLOCK + v * LANES, value);
                });
            }
            finite &= complete<N>(j + 1, k, p, source.base + 1, source.base_stride);
        });
        return finite;
    }

    // Turn the detail path's cells into the result's, and write them.
    template <int N>
    bool complete(int j, int k, int p, const float* const* base, ptrdiff_t base_stride) const {
        for (int v = 0; v < N; v++) add_base(base, base_stride, p, v);
        if (ring) subtract_ring(j, k, N * LANES);
        switch (image.sample) {
            case PARAGON_UINT8: return write<N, uint8_t>(j, k);
            case PARAGON_UINT16: return write<N, uint16_t>(j, k);
            default: return write<N, float>(j, k);
        }
    }

    void add_base(const float* const* base, ptrdiff_t stride, int p, int v) const {
        const int s = network.of.scale;
        for (int plane = 0; plane < network.of.planes; plane++)
            for (int b = 0; b < s; b++) {
                const ptrdiff_t at = ((ptrdiff_t)plane * s + b) * stride + p + v * LANES;
                const Vector r0 = load(base[0] + at), r1 = load(base[1] + at), r2 = load(base[2] + at),
                             r3 = load(base[3] + at);
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
                    cells[((plane * s + a) * s + b) * BLOCK + i] -=
                        column_strip(*ring, network, side, plane, y, s * height);
            }
        }
    }

    // Write the part of N vectors of cells that belongs to the piece; returns whether it is finite.
    template <int N, class Sample>
    bool write(int j, int k) const {
        const int s = network.of.scale, planes = joined ? network.of.planes : 1, count = s * planes;
        // Cells of which all columns belong to the piece, and those that have one at all.
        const int whole = larger((area.columns.first + 2 * s - 2) / s - k, 0);
        const int whole_end = smaller((area.columns.end - 1) / s + 1 - k, N * LANES);
        const int first = larger((area.columns.first + s - 1) / s - k, 0);
        const int end = smaller((area.columns.end - 2) / s + 2 - k, N * LANES);
        const bool all_whole = first == 0 && end == N * LANES;
        Vector check = {};
        float rest = 0;
        for (int a = 0; a < s; a++) {
            const int y = s * (j - 1) + 1 + a;
            if (!area.rows.has(y)) continue;
            for (int group = 0; group < network.of.planes / planes; group++) {
                const ParagonPlane& plane = image.out[group];
                char* row = static_cast<char*>(plane.data) + (y - (int64_t)s * image.margin) * plane.row;
                const ptrdiff_t x = (ptrdiff_t)s * (k - 1 - image.margin) + 1;
                const Group to = {row + x * (ptrdiff_t)sizeof(Sample) * planes, count, sizeof(Sample)};
                const float* from = cells + (group * s + a) * s * BLOCK;
                check += pack<N, Sample>(from, count);
                write_cells(to, words, BLOCK, whole, whole_end);
                for (int i = first; i < end; i++)
                    if (i < whole || i >= whole_end) rest += write_part<Sample>(to, from, planes, k, i);
            }
        }
        if (all_whole) {
            float lanes[LANES];
            store(lanes, check);
            for (float lane : lanes) rest += lane;
        } else {
            for (int o = 0; o < network.of.planes * s * s; o++)
                for (int i = whole; i < whole_end; i++) rest += cells[o * BLOCK + i] * 0;
        }
        return rest == 0;
    }

    // Convert the samples of a group and pack them into words, for N vectors of cells. Returns zeros if all are finite.
    template <int N, class Sample>
    PARAGON_INLINE Vector pack(const float* from, int count) const {
        constexpr int PER_WORD = 4 / sizeof(Sample);
        Vector check = {};
        for (int sample = 0, word = 0; sample < count; sample += PER_WORD, word++) PARAGON_UNROLL
        for (int v = 0; v < N; v++) {
            Integers packed = {};
            PARAGON_UNROLL
            for (int part = 0; part < PER_WORD; part++) {
                if (sample + part >= count) break;
                const Vector value = load(from + order[sample + part] + v * LANES);
                check += value * 0;
                packed |= converted<Sample>(value) << (32 / PER_WORD * part);
            }
            store(words + word * BLOCK + v * LANES, packed);
        }
        return check;
    }

    template <class Sample>
    PARAGON_INLINE Integers converted(Vector value) const {
        if constexpr (sizeof(Sample) < sizeof(float)) return nearest(clamped(value, 0, network.of.peak));
        return (Integers)(image.clip ? clamped(value, 0, network.of.peak) : value);
    }

    // Write the samples of cell i that belong to the piece, where not all of them do. Returns 0 if they are finite.
    template <class Sample>
    float write_part(const Group& to, const float* from, int planes, int k, int i) const {
        float check = 0;
        for (int sample = 0; sample < to.count; sample++) {
            const int x = network.of.scale * (k + i - 1) + 1 + sample / planes;
            if (!area.columns.has(x)) continue;
            const float value = from[order[sample] + i];
            check += value * 0;
            int32_t lanes[LANES];
            store(lanes, converted<Sample>(all(value)));
            memcpy(to.to + ((ptrdiff_t)i * to.count + sample) * to.size, lanes, to.size);  // the low bytes come first
        }
        return check;
    }
};

}  // namespace
}  // namespace PARAGON_KERNEL
