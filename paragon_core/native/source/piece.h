// One piece of an image through the whole network: which stage works on which rows, and when.
#pragma once

#include "activations.h"
#include "depthwise.h"
#include "kernel.h"
#include "tail.h"

namespace PARAGON_KERNEL {
namespace {

// Columns of a tile: the wider, the less is kept for the next one; the narrower, the more of what a stage reads is still
// in the caches. The second is for stream, whose expanded rows are four times as large.
constexpr int WIDE_TILE = 3 * 48, NARROW_TILE = 48;
static_assert(NARROW_TILE % BLOCK == 0 && WIDE_TILE % BLOCK == 0, "tiles consist of whole blocks");

// Rows and columns of conv_mid's map that the tail reads around cell (j, k), with two columns to the right for the
// strips of the border.
constexpr Reach TAIL = {2, 1, 2, 2};
constexpr Reach AROUND = {1, 1, 1, 1};   // a 3x3 convolution
constexpr Reach FAR = {3, 3, 3, 3};      // the same with a dilation of 3
constexpr Reach HERE = {0, 0, 0, 0};

class Piece {
public:
    Piece(const Network& network, const ParagonImage& image, const ParagonPiece& piece)
        : network(network), of(network.of), image(image), separate(image.detail[0].data != nullptr),
          softens(of.softening > 0), tile_width(network.streams() ? NARROW_TILE : WIDE_TILE),
          width(image.width + 2 * image.margin), height(image.height + 2 * image.margin),
          left(piece.left + image.margin), right(piece.right + image.margin), top(piece.top + image.margin),
          bottom(piece.bottom + image.margin) {}

    // Lay out the working memory; returns its size. Without memory it only counts.
    size_t lay_out(char* memory) {
        for (Rows& rows : maps) rows = Rows();
        for (Rows& rows : expanded) rows = Rows();
        plan();
        Arena arena(memory);
        take(arena);
        return arena.used;
    }

    int run(const volatile int32_t* cancelled) {
        const Arithmetic arithmetic;
        bool finite = true;
        const int start = larger(left - radius(), 0), end = right + 1 + tail_lag;
        for (int column = start; column < end; column += tile_width) {
            tile = {column, start, smaller(tile_width, rounded_up(end - column, LANES)), width};
            for (int now = (pixels.range.first | 1); now <= bottom + 1 + tail_delay; now += 2) {
                if (cancelled && *cancelled) return PARAGON_CANCELLED;
                step(now, finite);
            }
        }
        return finite ? PARAGON_DONE : PARAGON_NOT_FINITE;
    }

private:
    const Network& network;
    const ParagonNetwork& of;
    const ParagonImage& image;
    const bool separate, softens;
    const int tile_width;
    const int width, height;             // of the continued image, on which all columns and rows count
    const int left, right, top, bottom;  // of the piece
    Rows pixels, detail;                 // the image, and what the detail path sees
    Rows maps[MOST_BLOCKS + 1];          // conv_in's, and behind each block
    Rows expanded[MOST_BLOCKS];          // of each block
    Rows middle;                         // conv_mid's
    Rows across, softened, base;         // of the base path: [plane][phase]
    int tail_lag = 0, tail_delay = 0;
    Ring ring;
    Tile tile = {};
    float* zeros = nullptr;
    float* scratch = nullptr;
    float* combined[4] = {};             // rows of differences or sums of others
    float* cells = nullptr;
    float* shared = nullptr;
    uint32_t* words = nullptr;

    bool has_border() const {
        return left == 0 || top == 0 || right == width || bottom == height;
    }

    // How far a pixel of the result looks into the image.
    int radius() const { return larger(tail_lag, 4); }

    void plan() {
        const int channels = network.conv_in.outputs;
        pixels = detail = middle = across = softened = base = Rows();
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
        choose_rows(seen);
    }

    // Have `rows` be made from `source`, as early as that allows.
    static void follow(Rows& rows, int channels, Rows& source, Reach reach) {
        rows.channels = channels;
        rows.lag = source.lag + reach.right;
        rows.delay = source.delay + reach.below;
        source.serve(rows.lag, rows.delay, reach);
    }

    // Find out which rows of each map the piece's own need.
    void choose_rows(Rows& seen) {
        const Range cells = {top, bottom + 1};
        middle.range = cells.grown(TAIL.above, TAIL.below, height);
        base.range = middle.range;
        Range range = middle.range.grown(1, 1, height);
        for (int i = of.blocks; i > 0; i--) {
            maps[i].range = range;
            expanded[i - 1].range = range.grown(1, 1, height);
            range = network.streams() ? expanded[i - 1].range.grown(3, 3, height) : expanded[i - 1].range;
        }
        maps[0].range = range;
        for (int i = 0; i < of.blocks; i++)  // a skip needs no more: each block only widens
            if (ends_group(i)) maps[i + 1 - of.group].range.include(maps[i + 1].range);
        seen.range = range.grown(1, 1, height);
        if (softens) {
            softened.range = base.range;
            across.range = softened.range.grown(3, 3, height);
            pixels.range.include(across.range);
        } else {
            pixels.range.include(base.range);
        }
        if (separate) {
            pixels.range = softens ? across.range : base.range;
            pixels.range.include(detail.range);
        }
        ring.range = Range{top, bottom}.grown(1, 1, height);
        ring.first_column = left;
        ring.column_count = right - left;
    }

    bool ends_group(int block) const { return of.group > 0 && (block + 1) % of.group == 0; }

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
        for (float*& row : combined) row = arena.take<float>((size_t)middle.channels * stride) + before;
        cells = arena.take<float>((size_t)network.tail.shared.outputs * BLOCK);
        shared = arena.take<float>((size_t)network.tail.shared.outputs * BLOCK);
        words = arena.take<uint32_t>((size_t)of.planes * of.scale * BLOCK);
    }

    template <class Use> void each(Use use) {
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

    // A row of a map for a reader with this lag: zeros outside the image.
    const float* at(const Rows& rows, int y, int lag) const {
        return (y >= 0 && y < height ? rows.row(y) : zeros) + rows.lag - lag;
    }

    // Call `work` for the two rows that a stage with this delay works on, as far as they are in the range.
    template <class Work> void for_rows(const Rows& rows, int now, Work work) const {
        for (int y = now - rows.delay - 1; y <= now - rows.delay; y++)
            if (rows.range.has(y)) work(y);
    }

    void step(int now, bool& finite) {
        for_rows(pixels, now, [&](int y) { read(pixels, image.in, y); });
        if (separate) for_rows(detail, now, [&](int y) { read(detail, image.detail, y); });
        for_rows(maps[0], now, [&](int y) { convolve_row(maps[0], separate ? detail : pixels, network.conv_in, y); });
        for (int i = 0; i < of.blocks; i++) {
            if (network.streams()) {
                for_rows(expanded[i], now, [&](int y) { mix_and_expand(i, y); });
                gate_and_project(i, now);
            } else {
                const bool hard = of.block == PARAGON_NANO_HARDSWISH;
                for_rows(expanded[i], now, [&](int y) { hard ? expand<true>(i, y) : expand<false>(i, y); });
                hard ? activate_and_project<true>(i, now) : activate_and_project<false>(i, now);
            }
        }
        convolve_middle(now);
        for_rows(middle, now, [&](int y) {
            for (int side = 0; side < 2; side++)
                if (y == (side ? height - 1 : 0) && (side ? bottom == height : top == 0))
                    compute_row_strip(ring, network, middle, side, y, tile, tail_lag);
        });
        if (has_border())
            for (int y = now - middle.delay - 2; y < now - middle.delay; y++)
                if (ring.range.has(y)) look_outside(y);
        if (softens) {
            for_rows(across, now, [&](int y) { soften_across(y); });
            for_rows(softened, now, [&](int y) { soften_down(y); });
        }
        for_rows(base, now, [&](int y) { compute_base(y); });
        finite &= compute_cells(now - tail_delay - 1);
    }

    void read(const Rows& rows, const ParagonPlane* planes, int y) const {
        rows.begin(y, tile);
        const int count = smaller(tile.width, width - tile.column);
        for (int plane = 0; plane < of.planes && count > 0; plane++)
            read_row(rows.row(y) + (ptrdiff_t)plane * rows.stride, planes[plane], image, y, tile.column, count);
        rows.finish(y, tile);
    }

    // A 3x3 convolution.
    void convolve_row(const Rows& rows, const Rows& source, const Convolution& conv, int y) const {
        rows.begin(y, tile);
        float* to = rows.row(y);
        const float* from[3];
        for (int k = 0; k < 3; k++) from[k] = at(source, y - 1 + k, rows.lag) - 1;
        for_blocks<VECTORS>(tile.width, [&](int p, auto count) __attribute__((always_inline)) {
            const float* taps[9];
            for (int k = 0; k < 9; k++) taps[k] = from[k / 3] + p + k % 3;
            convolve<OUTPUTS, decltype(count)::value>(conv, {taps, source.stride}, [&](int o, int v, Vector value) __attribute__((always_inline)) {
                store(to + (ptrdiff_t)o * rows.stride + p + v * LANES, value);
            });
        });
        rows.finish(y, tile);
    }

    template <bool HARD> void expand(int i, int y) const {
        const Rows& rows = expanded[i];
        rows.begin(y, tile);
        float* to = rows.row(y);
        const float* from = at(maps[i], y, rows.lag);
        for_blocks<VECTORS>(tile.width, [&](int p, auto count) __attribute__((always_inline)) {
            const float* taps[1] = {from + p};
            convolve<OUTPUTS, decltype(count)::value>(network.blocks[i].expand, {taps, maps[i].stride}, [&](int o, int v, Vector value) __attribute__((always_inline)) {
                store(to + (ptrdiff_t)o * rows.stride + p + v * LANES, HARD ? hardswish(value) : value);
            });
        });
        rows.finish(y, tile);
    }

    template <bool HARD> void activate_and_project(int i, int now) const {
        const Depthwise& filter = network.blocks[i].depthwise;
        project_pair(i, now, [&](const float* const (&from)[4], int p, auto count) __attribute__((always_inline)) {
            constexpr int N = decltype(count)::value;
            PARAGON_ROLLED for (int c = 0; c < network.hidden; c++) {
                float* to = scratch + c * BLOCK;
                const ptrdiff_t at = (ptrdiff_t)c * expanded[i].stride + p;
                const Filter weights(filter.weight + c * 9);
                for_blocks<VECTORS>(N * LANES, [&](int x, auto part) __attribute__((always_inline)) {
                    constexpr int M = decltype(part)::value;
                    const float* rows[4] = {from[0] + at + x, from[1] + at + x, from[2] + at + x, from[3] + at + x};
                    Vector sum[2 * M];
                    depthwise_pair<M>(sum, rows, weights, filter.bias[c]);
                    if constexpr (HARD) hardswish(sum);
                    else gelu(sum);
                    PARAGON_UNROLL for (int v = 0; v < M; v++) {
                        store(to + x + v * LANES, sum[v]);
                        store(to + network.hidden * BLOCK + x + v * LANES, sum[M + v]);
                    }
                });
            }
        });
    }

    void mix_and_expand(int i, int y) const {
        const Block& block = network.blocks[i];
        const Rows& rows = expanded[i];
        const Rows& source = maps[i];
        rows.begin(y, tile);
        float* to = rows.row(y);
        const float* from[7];
        for (int k = 0; k < 7; k++) from[k] = at(source, y - 3 + k, rows.lag);
        for_blocks<VECTORS>(tile.width, [&](int p, auto count) __attribute__((always_inline)) {
            constexpr int N = decltype(count)::value;
            PARAGON_ROLLED for (int c = 0; c < of.channels; c++) {
                const ptrdiff_t at = (ptrdiff_t)c * source.stride + p;
                const float* near[3] = {from[2] + at - 1, from[3] + at - 1, from[4] + at - 1};
                const float* far[3] = {from[0] + at - 3, from[3] + at - 3, from[6] + at - 3};
                Vector sum[N];
                depthwise(sum, near, 1, Filter(block.near.weight + c * 9), block.near.bias[c]);
                store_all(scratch + c * BLOCK, sum);
                depthwise(sum, far, 3, Filter(block.far.weight + c * 9), block.far.bias[c]);
                store_all(scratch + (of.channels + c) * BLOCK, sum);
            }
            const float* taps[1] = {scratch};
            float* mixed = scratch + 2 * of.channels * BLOCK;
            convolve<OUTPUTS, N>(block.mix, {taps, BLOCK}, [&](int o, int v, Vector value) __attribute__((always_inline)) {
                store(mixed + o * BLOCK + v * LANES, value);
            });
            taps[0] = mixed;
            convolve<OUTPUTS, N>(block.expand, {taps, BLOCK}, [&](int o, int v, Vector value) __attribute__((always_inline)) {
                store(to + (ptrdiff_t)o * rows.stride + p + v * LANES, value);
            });
        });
        rows.finish(y, tile);
    }

    void gate_and_project(int i, int now) const {
        const bool clamps = of.block == PARAGON_STREAM_CLAMPED;
        const Depthwise& filter = network.blocks[i].depthwise;
        project_pair(i, now, [&](const float* const (&from)[4], int p, auto count) __attribute__((always_inline)) {
            constexpr int N = decltype(count)::value;
            PARAGON_ROLLED for (int c = 0; c < network.hidden; c++) {
                Vector factors[2][2 * N];
                PARAGON_UNROLL for (int half = 0; half < 2; half++) {
                    const int channel = half * network.hidden + c;
                    const ptrdiff_t at = (ptrdiff_t)channel * expanded[i].stride + p;
                    const float* rows[4] = {from[0] + at, from[1] + at, from[2] + at, from[3] + at};
                    depthwise_pair<N>(factors[half], rows, Filter(filter.weight + channel * 9), filter.bias[channel]);
                }
                float* to = scratch + c * BLOCK;
                PARAGON_UNROLL for (int row = 0; row < 2; row++, to += network.hidden * BLOCK)
                    PARAGON_UNROLL for (int v = 0; v < N; v++) {
                        Vector product = factors[0][row * N + v] * factors[1][row * N + v];
                        if (clamps) product = clamped(product, -65504.0f, 65504.0f);
                        store(to + v * LANES, product);
                    }
            }
        });
    }

    // Compute two rows behind block i: `fill` puts what is projected into the scratch, from four rows of the expanded
    // map that stand at the left tap.
    template <class Fill> PARAGON_INLINE void project_pair(int i, int now, Fill fill) const {
        const Rows& rows = maps[i + 1];
        const int first = larger(now - rows.delay - 1, rows.range.first);
        const int last = smaller(now - rows.delay, rows.range.end - 1);
        if (first > last) return;
        const float* from[4];
        for (int k = 0; k < 4; k++) from[k] = at(expanded[i], first - 1 + k, rows.lag) - 1;
        for (int y = first; y <= last; y++) rows.begin(y, tile);
        for_blocks<VECTORS>(tile.width, [&](int p, auto count) __attribute__((always_inline)) {
            fill(from, p, count);
            for (int y = first; y <= last; y++) project<decltype(count)::value>(i, y, p, scratch + (y - first) * network.hidden * BLOCK);
        });
        for (int y = first; y <= last; y++) rows.finish(y, tile);
    }

    template <int N> PARAGON_INLINE void project(int i, int y, int p, const float* from) const {
        const Rows& rows = maps[i + 1];
        const float* taps[1] = {from};
        float* to = rows.row(y) + p;
        const Rows& source = maps[i];
        const float* before = at(source, y, rows.lag) + p;
        const Rows& start = maps[ends_group(i) ? i + 1 - of.group : i];
        const float* skipped = ends_group(i) ? at(start, y, rows.lag) + p : nullptr;
        convolve<OUTPUTS, N>(network.blocks[i].project, {taps, BLOCK}, [&](int o, int v, Vector value) __attribute__((always_inline)) {
            value += load(before + (ptrdiff_t)o * source.stride + v * LANES);
            if (skipped) value += load(skipped + (ptrdiff_t)o * start.stride + v * LANES);
            store(to + (ptrdiff_t)o * rows.stride + v * LANES, value);
        });
    }

    void look_outside(int y) const {
        for (int side = 0; side < 2; side++) {
            const int column = side ? width - 1 : 0, p = column + middle.lag - tile.column;
            if (p < 0 || p >= tile.width || (side ? right != width : left != 0)) continue;
            const float* pixels_there[3];
            for (int k = 0; k < 3; k++) {
                const int row = y - 1 + k;
                pixels_there[k] = row >= 0 && row < height ? middle.row(row) + p : nullptr;
            }
            compute_outside(ring, network, side, y, pixels_there, middle.stride);
        }
    }

    void soften_across(int y) const {
        across.begin(y, tile);
        const float* from = at(pixels, y, across.lag);
        float* to = across.row(y);
        for_channels([&](int plane, int p) {
            const float* here = from + (ptrdiff_t)plane * pixels.stride + p;
            store(to + (ptrdiff_t)plane * across.stride + p, (load(here) * 16 + (load(here - 1) + load(here + 1)) * 9 - (load(here - 3) + load(here + 3))) * (1.0f / 32));
        });
        across.finish(y, tile);
    }

    void soften_down(int y) const {
        softened.begin(y, tile);
        const float* own = at(pixels, y, softened.lag);
        const float* rows[7];
        for (int k = 0; k < 7; k++) rows[k] = at(across, y - 3 + k, softened.lag);
        float* to = softened.row(y);
        for_channels([&](int plane, int p) {
            const ptrdiff_t x = (ptrdiff_t)plane * across.stride + p;
            const Vector smooth = (load(rows[3] + x) * 16 + (load(rows[2] + x) + load(rows[4] + x)) * 9 - (load(rows[0] + x) + load(rows[6] + x))) * (1.0f / 32);
            const Vector sharp = load(own + (ptrdiff_t)plane * pixels.stride + p);
            store(to + (ptrdiff_t)plane * softened.stride + p, sharp + of.softening * (smooth - sharp));
        });
        softened.finish(y, tile);
    }

    void compute_base(int y) const {
        base.begin(y, tile);
        const Rows& source = softens ? softened : pixels;
        const float* from = at(source, y, base.lag);
        float* to = base.row(y);
        for_channels([&](int plane, int p) {
            const float* here = from + (ptrdiff_t)plane * source.stride + p;
            const Vector r0 = load(here - 2), r1 = load(here - 1), r2 = load(here), r3 = load(here + 1);
            for (int b = 0; b < of.scale; b++) {
                const float* taps = network.base + 4 * b;
                store(to + ((ptrdiff_t)plane * of.scale + b) * base.stride + p, ((taps[0] * r0 + taps[1] * r1) + taps[2] * r2) + taps[3] * r3);
            }
        });
        // Not finish: the columns beyond the image are cells like others.
    }

    template <class Work> void for_channels(Work work) const {
        for (int plane = 0; plane < of.planes; plane++)
            for (int p = 0; p < tile.width; p += LANES) work(plane, p);
    }

    // conv_mid's two rows; see MiddlePair.
    void convolve_middle(int now) const {
        const int y = now - middle.delay - 1;
        if (!middle.range.has(y) && !middle.range.has(y + 1)) return;
        const Rows& source = maps[of.blocks];
        const float* rows[4];
        for (int k = 0; k < 4; k++) rows[k] = at(source, y - 1 + k, source.lag);
        combine(0, source, rows[0], rows[2], [](Vector a, Vector b) { return a - b; });
        combine(1, source, rows[1], rows[2], [](Vector a, Vector b) { return a + b; });
        combine(2, source, rows[2], rows[1], [](Vector a, Vector b) { return a - b; });
        combine(3, source, rows[1], rows[3], [](Vector a, Vector b) { return a - b; });
        for_pair(middle, y, [&](int row) { middle.begin(row, tile); });
        for_blocks<VECTORS>(tile.width, [&](int p, auto count) __attribute__((always_inline)) {
            constexpr int N = decltype(count)::value;
            const float* taps[4][3];
            for (int product = 0; product < 4; product++)
                for (int k = 0; k < 3; k++) taps[product][k] = combined[product] + p + source.lag - middle.lag - 1 + k;
            PARAGON_ROLLED for (int first = 0; first < network.conv_mid.products[0].outputs; first += OUTPUTS) {
                Vector sum[OUTPUTS][N];
                auto product = [&](int number) __attribute__((always_inline)) {
                    add_up(sum, network.conv_mid.products[number], first, {taps[number], source.stride});
                };
                auto put = [&](int row) __attribute__((always_inline)) {
                    if (!middle.range.has(row)) return;
                    float* to = middle.row(row) + p;
                    for_each(sum, first, [&](int o, int v, Vector value) __attribute__((always_inline)) {
                        store(to + (ptrdiff_t)o * middle.stride + v * LANES, value);
                    });
                };
                begin_with_bias(sum, network.conv_mid.products[1], first);
                product(1);
                for_each(sum, 0, [&](int o, int v, Vector value) __attribute__((always_inline)) { store(scratch + o * BLOCK + v * LANES, value); });
                begin_with_bias(sum, network.conv_mid.products[2], first);
                product(2);
                PARAGON_UNROLL for (int o = 0; o < OUTPUTS; o++)
                    PARAGON_UNROLL for (int v = 0; v < N; v++) {
                        const Vector other = load(scratch + o * BLOCK + v * LANES);
                        store(scratch + o * BLOCK + v * LANES, other - sum[o][v]);
                        sum[o][v] += other;
                    }
                product(0);
                put(y);
                PARAGON_UNROLL for (int o = 0; o < OUTPUTS; o++)
                    PARAGON_UNROLL for (int v = 0; v < N; v++) sum[o][v] = load(scratch + o * BLOCK + v * LANES);
                product(3);
                put(y + 1);
            }
        });
        for_pair(middle, y, [&](int row) { middle.finish(row, tile); });
    }

    template <class Work> void for_pair(const Rows& rows, int y, Work work) const {
        if (rows.range.has(y)) work(y);
        if (rows.range.has(y + 1)) work(y + 1);
    }

    // Combine two rows of a map into one of the four that a stage may use for a moment, kept columns included.
    template <class Operation> void combine(int number, const Rows& rows, const float* a, const float* b, Operation operation) const {
        for (int i = 0; i < rows.channels; i++) {
            const ptrdiff_t at = (ptrdiff_t)i * rows.stride;
            for (int p = -rounded_up(rows.kept, LANES); p < tile.width; p += LANES)
                store(combined[number] + at + p, operation(load(a + at + p), load(b + at + p)));
        }
    }

    // Rows j and j + 1 of cells; see TailPair.
    bool compute_cells(int j) const {
        if (j + 1 < top || j > bottom) return true;
        TailSource source;
        const float* rows[5];
        for (int k = 0; k < 5; k++) {
            rows[k] = at(middle, j - 2 + k, middle.lag);
            source.base[k] = at(base, j - 2 + k, tail_lag);
        }
        for (int k = 0; k < 4; k++) combine(k, middle, rows[k], rows[k + 1], [](Vector a, Vector b) { return a - b; });
        const int shift = middle.lag - tail_lag - 2;
        for (int k = 0; k < 2; k++) {
            source.map[0][k] = rows[1 + 2 * k] + shift;
            source.map[1][k] = combined[2 * k] + shift;
            source.map[2][k] = combined[2 * k + 1] + shift;
        }
        source.map_stride = middle.stride;
        source.base_stride = base.stride;
        const int s = of.scale;
        const Area area = {{s * top, s * bottom}, {s * left, s * right}};
        const Tail tail(network, image, area, has_border() ? &ring : nullptr, tail_lag, width, height, cells, shared, words);
        return tail.rows(j, source, tile);
    }
};

}  // namespace
}  // namespace PARAGON_KERNEL
