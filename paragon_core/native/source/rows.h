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

    void take(Arena& arena, int row_stride, int before) {
        stride = row_stride;
        left = before;
        data = arena.take<float>((size_t)count * channels * stride);
        sides = arena.take<float>((size_t)larger(range.end - range.first, 0) * channels * kept);
    }

    float* row(int y) const { return data + (size_t)(y % count) * channels * stride + left; }

    // Before a row is written: bring back what the tile to the left kept of it.
    void begin(int y, const Tile& tile) const {
        float* to = row(y) - kept;
        if (tile.column == tile.start) {
            for (int i = 0; i < channels; i++) memset(to + (ptrdiff_t)i * stride, 0, kept * sizeof(float));
        } else {
            const float* from = sides_of(y);
            for (int i = 0; i < channels; i++) copy(to + (ptrdiff_t)i * stride, from + (ptrdiff_t)i * kept);
        }
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
        float* to = sides_of(y);
        own += tile.width - kept;
        for (int i = 0; i < channels; i++) copy(to + (ptrdiff_t)i * kept, own + (ptrdiff_t)i * stride);
    }

private:
    float* sides_of(int y) const { return sides + (size_t)(y - range.first) * channels * kept; }

    // Copy the kept columns of a channel: a few floats, for which calling memcpy would take longer than copying.
    void copy(float* to, const float* from) const {
        switch (kept) {
            case 2: memcpy(to, from, 2 * sizeof(float)); break;
            case 3: memcpy(to, from, 3 * sizeof(float)); break;
            case 4: memcpy(to, from, 4 * sizeof(float)); break;
            case 6: memcpy(to, from, 6 * sizeof(float)); break;
            default: memcpy(to, from, kept * sizeof(float));
        }
    }
};

}  // namespace
}  // namespace PARAGON_KERNEL
