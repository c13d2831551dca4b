// What one piece of an image takes: which rows of which maps are computed when, and the working memory.
#pragma once

#include "border.h"
#include "kernel.h"

namespace PARAGON_KERNEL {
namespace {

// Columns of a tile: the wider, the less is kept for the next one; the narrower, the more of what a stage reads is still
// in the caches. The second is for stream, whose expanded rows are four times as large.
constexpr int WIDE_TILE = 3 * 48, NARROW_TILE = 48;
static_assert(NARROW_TILE % BLOCK == 0 && WIDE_TILE % BLOCK == 0, "tiles consist of whole blocks");

// Rows and columns of conv_mid's map that the tail reads around cell (j, k), with two columns to the right for the
// strips of the border.
constexpr Reach TAIL = {2, 1, 2, 2};
constexpr Reach AROUND = {1, 1, 1, 1};  // a 3x3 convolution
constexpr Reach FAR = {3, 3, 3, 3};     // the same with a dilation of 3
constexpr Reach HERE = {0, 0, 0, 0};

struct Plan {
    const Network& network;
    const ParagonNetwork& of;
    const ParagonImage& image;
    const bool separate, softens;  // whether the detail path sees another image; whether the base path is softened
    const int tile_width;
    const int width, height;             // of the continued image, on which all columns and rows count
    const int left, right, top, bottom;  // of the piece

    Rows pixels, detail;         // the image, and what the detail path sees
    Rows maps[MOST_BLOCKS + 1];  // conv_in's, and behind each block
    Rows expanded[MOST_BLOCKS];  // of each block
    Rows middle;                 // conv_mid's
    Rows across, softened;       // the image softened along its rows, and then down its columns
    Rows base;                   // [plane][phase]: the base path along the rows
    int tail_lag = 0, tail_delay = 0;

    Tile tile = {};  // the one that is computed
    Ring ring;
    float* zeros = nullptr;    // a row of any map outside the image
    float* scratch = nullptr;  // [channels][BLOCK], of two rows of the widest map and more
    float* cells = nullptr;    // the tail's results, and what two rows of them share
    float* shared = nullptr;
    uint32_t* words = nullptr;

    Plan(const Network& network, const ParagonImage& image, const ParagonPiece& piece)
        : network(network),
          of(network.of),
          image(image),
          separate(image.detail[0].data != nullptr),
          softens(of.softening > 0),
          tile_width(network.streams() ? NARROW_TILE : WIDE_TILE),
          width(image.width + 2 * image.margin),
          height(image.height + 2 * image.margin),
          left(piece.left + image.margin),
          right(piece.right + image.margin),
          top(piece.top + image.margin),
          bottom(piece.bottom + image.margin) {
        order_stages();
        choose_rows();
    }

    // Lay out the working memory; returns its size. Without memory it only counts.
    size_t lay_out(char* memory) {
        Arena arena(memory);
        take(arena);
        return arena.used;
    }

    // Whether a side of the image is among the piece's pixels.
    bool has_border() const { return left == 0 || top == 0 || right == width || bottom == height; }

    // Whether the features that its group began with are added behind a block.
    bool ends_group(int block) const { return of.group > 0 && (block + 1) % of.group == 0; }

    // A row of a map, at position 0 of a reader with this lag: zeros outside the image.
    const float* row_of(const Rows& rows, int y, int lag) const {
        return (y >= 0 && y < height ? rows.row(y) : zeros) + rows.lag - lag;
    }

    // Call `work` for the two rows that a stage with this delay works on, as far as they are in the range.
    template <class Work>
    void for_rows(const Rows& rows, int now, Work work) const {
        for_pair(rows, now - rows.delay - 1, work);
    }

    // Call `work` for rows y and y + 1, likewise.
    template <class Work>
    void for_pair(const Rows& rows, int y, Work work) const {
        if (rows.range.has(y)) work(y);
        if (rows.range.has(y + 1)) work(y + 1);
    }

    // Call `work` for each plane of the image and each vector of the tile.
    template <class Work>
    void for_channels(Work work) const {
        for (int plane = 0; plane < of.planes; plane++)
            for (int p = 0; p < tile.width; p += LANES) work(plane, p);
    }

private:
    // How far behind each stage is, and what the others keep for it.
    void order_stages() {
        const int channels = network.conv_in.outputs;
        pixels.channels = detail.channels = of.planes;
        Rows& seen = separate ? detail : pixels;
        follow(maps[0], channels, seen, AROUND);
        for (int i = 0; i < of.blocks; i++) {
            follow(expanded[i], network.blocks[i].expand.outputs, maps[i], network.streams() ? FAR : HERE);
            follow(maps[i + 1], channels, expanded[i], AROUND);
            maps[i].serve(maps[i + 1].lag, maps[i + 1].delay, HERE);
            if (ends_group(i)) maps[i + 1 - of.group].serve(maps[i + 1].lag, maps[i + 1].delay, HERE);
        }
        follow(middle, network.conv_mid.products[0].outputs, maps[of.blocks], AROUND);
        tail_lag = middle.lag + TAIL.right;
        tail_delay = middle.delay + TAIL.below;
        middle.serve(tail_lag, tail_delay, TAIL);
        // The base path as late as the tail needs it, since the image's own rows are the smallest to keep.
        base.channels = of.planes * of.scale;
        base.lag = tail_lag;
        base.delay = tail_delay - TAIL.below;
        base.serve(tail_lag, tail_delay, {TAIL.above, TAIL.below, 0, 0});
        const Reach along = {0, 0, 2, 1};
        if (softens) {
            across.channels = softened.channels = of.planes;
            softened.lag = base.lag - 1;
            softened.delay = base.delay;
            softened.serve(base.lag, base.delay, along);
            across.lag = softened.lag;
            across.delay = softened.delay - FAR.below;
            across.serve(softened.lag, softened.delay, {FAR.above, FAR.below, 0, 0});
            pixels.serve(softened.lag, softened.delay, HERE);
            pixels.serve(across.lag, across.delay, {0, 0, FAR.left, FAR.right});
        } else {
            pixels.serve(base.lag, base.delay, along);
        }
    }

    // Have `rows` be made from `source`, as early as that allows.
    static void follow(Rows& rows, int channels, Rows& source, Reach reach) {
        rows.channels = channels;
        rows.lag = source.lag + reach.right;
        rows.delay = source.delay + reach.below;
        source.serve(rows.lag, rows.delay, reach);
    }

    // Find out which rows of each map the piece's own need.
    void choose_rows() {
        const Range cells = {top, bottom + 1};
        middle.range = cells.grown(TAIL.above, TAIL.below, height);
        base.range = softened.range = middle.range;
        across.range = softened.range.grown(3, 3, height);
        Range range = middle.range.grown(1, 1, height);
        for (int i = of.blocks; i > 0; i--) {
            maps[i].range = range;
            expanded[i - 1].range = range.grown(1, 1, height);
            range = network.streams() ? expanded[i - 1].range.grown(3, 3, height) : expanded[i - 1].range;
        }
        maps[0].range = range;
        detail.range = pixels.range = range.grown(1, 1, height);
        pixels.range.include(softens ? across.range : base.range);
        ring.range = Range{top, bottom}.grown(1, 1, height);
        ring.first_column = left;
        ring.column_count = right - left;
    }

    void take(Arena& arena) {
        int channels = 0, stride = 0, before = 0;
        each([&](Rows& rows) {
            rows.take(arena, tile_width);
            channels = larger(channels, rows.channels);
            stride = larger(stride, rows.stride);
            before = larger(before, rows.left);
        });
        if (has_border()) ring.take(arena, network);
        zeros = arena.take<float>((size_t)channels * stride) + before;
        scratch = arena.take<float>((size_t)4 * 2 * network.hidden * BLOCK);
        cells = arena.take<float>((size_t)network.tail.shared.outputs * BLOCK);
        shared = arena.take<float>((size_t)network.tail.shared.outputs * BLOCK);
        words = arena.take<uint32_t>((size_t)of.planes * of.scale * BLOCK);
    }

    template <class Use>
    void each(Use use) {
        use(pixels);
        if (separate) use(detail);
        for (int i = 0; i <= of.blocks; i++) use(maps[i]);
        for (int i = 0; i < of.blocks; i++) use(expanded[i]);
        use(middle);
        if (softens) {
            use(across);
            use(softened);
        }
        use(base);
    }
};

}  // namespace
}  // namespace PARAGON_KERNEL
