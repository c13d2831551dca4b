// The last few rows of a feature map, as far as the following stages still read them.
//
// A piece of the image is computed in tiles of columns, from left to right, each from top to bottom. A stage that needs
// pixels to the right of its own lags behind the one that makes them: position p of the tile that begins at column X is
// column X + p - lag. The last columns of each row are kept for the next tile, which finds them to the left of its own,
// so nothing is computed twice. Down the image it is the same: a stage is some rows behind the one that it reads.
#pragma once

#include "arena.h"

namespace PARAGON_KERNEL {
namespace {

constexpr int LINE = 16;  // floats of a line of the cache

// Rows of the image, from `first` to before `end`.
struct Range {
    int first = 0, end = 0;

    bool has(int y) const { return first <= y && y < end; }
    Range grown(int above, int below, int height) const {
        return {larger(first - above, 0), smaller(end + below, height)};
    }
    void include(Range other) {
        first = smaller(first, other.first);
        end = larger(end, other.end);
    }
};

// How far a stage looks from its own pixel.
struct Reach {
    int above, below, left, right;
};

struct Tile {
    int column;  // X: the first column of the image at a lag of 0
    int start;   // of the first tile of this piece
    int width;   // positions, a multiple of LANES
    int image_width;
};

struct Rows {
    int channels = 0;
    int lag = 0, delay = 0;    // columns and rows behind the image's own
    int kept = 0, count = 2;   // columns kept for the next tile; rows that live at once
    Range range;               // rows of the image that are computed at all
    int stride = 0;            // floats from a channel to the next
    int left = 0;              // floats before position 0
    float* data = nullptr;
    float* sides = nullptr;    // the kept columns: [row of the range][channel][kept]

    // Take note that a stage with this lag and delay reads these rows.
    void serve(int reader_lag, int reader_delay, Reach reach) {
        kept = larger(kept, reader_lag - lag + reach.left);
        count = larger(count, reader_delay - delay + reach.above + 2);
    }

    // For tiles of a width at most.
    void take(Arena& arena, int width) {
        left = rounded_up(kept, LINE);
        stride = rounded_up(width, LINE) + left;
        if (stride / LINE % 2 == 0) stride += LINE;  // so that neighbouring channels do not share lines of the cache
        data = arena.take<float>((size_t)count * channels * stride);
        sides = arena.take<float>((size_t)larger(range.end - range.first, 0) * channels * kept);
    }

    float* row(int y) const { return data + (size_t)(y % count) * channels * stride + left; }

    // Before a row is written: bring back what the tile to the left kept of it.
    void begin(int y, const Tile& tile) const {
        float* to = row(y) - kept;
        if (tile.column > tile.start) return copy(to, stride, sides_of(y), kept);
        for (int i = 0; i < channels; i++) memset(to + (ptrdiff_t)i * stride, 0, kept * sizeof(float));
    }

    // After a row was written: nothing outside the image, and keep what the tile to the right needs.
    void finish(int y, const Tile& tile) const {
        const int before = smaller(tile.width, lag - tile.column), inside = tile.image_width + lag - tile.column;
        float* own = row(y);
        for (int i = 0; i < channels && before > 0; i++) memset(own + (ptrdiff_t)i * stride, 0, before * sizeof(float));
        if (inside < tile.width) {
            const int first = larger(inside, 0);
            for (int i = 0; i < channels; i++)
                memset(own + (ptrdiff_t)i * stride + first, 0, (tile.width - first) * sizeof(float));
        }
        copy(sides_of(y), kept, own + tile.width - kept, stride);
    }

private:
    float* sides_of(int y) const { return sides + (size_t)(y - range.first) * channels * kept; }

    // Copy the kept columns of all channels. They are a few floats each, for which calling memcpy would take longer
    // than copying.
    void copy(float* to, ptrdiff_t to_stride, const float* from, ptrdiff_t from_stride) const {
        switch (kept) {
            case 2: return copy_some<2>(to, to_stride, from, from_stride);
            case 3: return copy_some<3>(to, to_stride, from, from_stride);
            case 4: return copy_some<4>(to, to_stride, from, from_stride);
            case 6: return copy_some<6>(to, to_stride, from, from_stride);
            default:
                for (int i = 0; i < channels; i++, to += to_stride, from += from_stride)
                    memcpy(to, from, kept * sizeof(float));
        }
    }

    template <int COUNT> void copy_some(float* to, ptrdiff_t to_stride, const float* from, ptrdiff_t from_stride) const {
        for (int i = 0; i < channels; i++, to += to_stride, from += from_stride) memcpy(to, from, COUNT * sizeof(float));
    }
};

}  // namespace
}  // namespace PARAGON_KERNEL
