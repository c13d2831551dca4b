// A network's weights, as the stages read them.
#pragma once

#include "arena.h"
#include "convolution.h"
#include "paragon_native.h"

namespace PARAGON_KERNEL {
namespace {

struct Depthwise {
    const float* weight;  // [channels][3][3]
    const float* bias;    // [channels]
};

// One block of the body. `expand`, `depthwise` and `project` are nano's; stream gates with two halves of `depthwise`.
struct Block {
    Convolution mix, expand, project;
    Depthwise near, far, depthwise;
};

// conv_mid for two rows at once, from rows r0 .. r3 around them (Winograd's F(2, 3), here along the columns): with taps
// g0 .. g2, the products m0 = g0 (r0 - r2), m1 = (g0 + g1 + g2) / 2 (r1 + r2), m2 = (g0 - g1 + g2) / 2 (r2 - r1) and
// m3 = g2 (r1 - r3) make m0 + m1 + m2 above m1 - m2 - m3: four products instead of six. Here m3 has its sign inside.
struct MiddlePair {
    Convolution products[4];  // each 1x3; the bias is in m1
};

// The tail for two rows of cells at once, from rows r0 .. r4: with taps k0 .. k3, what both share is r1 (k0 + k1) +
// r3 (k2 + k3); to that the upper adds (r0 - r1) k0 + (r2 - r3) k2, the lower -(r1 - r2) k1 - (r3 - r4) k3. Three
// products instead of four.
struct TailPair {
    Convolution shared, upper, lower;  // each of two rows and four columns; the bias is in what is shared
};

// What the tail adds too much in the outermost ring of pixels; see fuse.border_strips.
struct Border {
    Convolution rows[2];      // top and bottom: 1x5 over the first and last row
    const float* column_up;   // [side][3 taps][inputs][phase][features]
    const float* up_bias;     // [side][phase][features]
    const float* column_out;  // [side][planes][3 taps][features]
};

struct Network {
    ParagonNetwork of;
    int hidden;              // 2 C
    Convolution conv_in;
    MiddlePair conv_mid;
    TailPair tail;
    Block* blocks;
    Border border;
    float* base;             // [phase][4]: the base path along one axis of a cell

    bool streams() const { return of.block == PARAGON_STREAM || of.block == PARAGON_STREAM_CLAMPED; }
    int cell() const { return of.scale * of.scale; }
    // Rows and columns that a block's depthwise convolution and what is in front of it look away.
    int radius_before_expand() const { return streams() ? 3 : 0; }
};

// Reads the flat list of weights in its order, and writes each in the order of its stage. Only counts where there is no
// list.
class Packer {
public:
    Packer(Arena& arena, const float* weights) : arena(arena), next(weights) {}

    // A convolution whose weight of output o, input i and tap k is weight(o, i, k); without a bias if that is null.
    template <class Weight> Convolution fill(int outputs, int inputs, int taps, int block, const float* bias, Weight weight) {
        Convolution conv = {nullptr, nullptr, inputs, rounded_up(outputs, block), taps, block};
        float* to = arena.take<float>((size_t)conv.outputs * inputs * taps);
        float* to_bias = arena.take<float>(conv.outputs);
        conv.weight = to;
        conv.bias = to_bias;
        for (int o = 0; o < outputs && next; o++) {
            if (bias) to_bias[o] = bias[o];
            for (int i = 0; i < inputs; i++)
                for (int k = 0; k < taps; k++)
                    to[(((ptrdiff_t)(o / block) * taps + k) * inputs + i) * block + o % block] = static_cast<float>(weight(o, i, k));
        }
        return conv;
    }

    Convolution dense(int outputs, int inputs, int taps) {
        const float* given = read((size_t)outputs * inputs * taps);
        const float* bias = read(outputs);
        return fill(outputs, inputs, taps, OUTPUTS, bias, [=](int o, int i, int k) { return given[((ptrdiff_t)o * inputs + i) * taps + k]; });
    }

    Depthwise depthwise(int channels) {
        const float* weight = copy((size_t)channels * 9);
        return {weight, copy(channels)};
    }

    const float* copy(size_t count) {
        float* to = arena.take<float>(count);
        const float* given = read(count);
        if (next) memcpy(to, given, count * sizeof(float));
        return to;
    }

    const float* read(size_t count) {
        const float* given = next;
        if (next) next += count;
        total += count;
        return given;
    }

    template <class T> T* room(size_t count) { return arena.take<T>(count); }
    bool writes() const { return next != nullptr; }

    size_t total = 0;

private:
    Arena& arena;
    const float* next;
};

// Outputs that the tail sums up at once: as many as fill the registers without computing zeros.
constexpr int WIDE = 12;  // with two vectors

inline int block_of_tail(int outputs) {
    if (LANES != 16) return OUTPUTS;
    return outputs == WIDE ? WIDE : outputs % 9 == 0 && outputs % OUTPUTS ? 9 : outputs < OUTPUTS ? 4 : OUTPUTS;
}

inline MiddlePair pack_middle(Packer& packer, int c) {
    const float* given = packer.read((size_t)c * c * 9);
    const float* bias = packer.read(c);
    MiddlePair pair;
    for (int product = 0; product < 4; product++)
        pair.products[product] = packer.fill(c, c, 3, OUTPUTS, product == 1 ? bias : nullptr, [=](int o, int i, int k) {
            const float* taps = given + ((ptrdiff_t)o * c + i) * 9 + k;
            const double g0 = taps[0], g1 = taps[3], g2 = taps[6];
            return product == 0 ? g0 : product == 1 ? (g0 + g1 + g2) / 2 : product == 2 ? (g0 - g1 + g2) / 2 : -g2;
        });
    return pair;
}

inline TailPair pack_tail(Packer& packer, int outputs, int c) {
    const float* given = packer.read((size_t)outputs * c * 16);
    const float* bias = packer.read(outputs);
    const int block = block_of_tail(outputs);
    auto tap = [=](int o, int i, int row, int column) { return static_cast<double>(given[(((ptrdiff_t)o * c + i) * 4 + row) * 4 + column]); };
    auto part = [&](const float* own_bias, auto weight) {
        return packer.fill(outputs, c, 8, block, own_bias, [=](int o, int i, int k) { return weight(o, i, 2 * (k / 4), k % 4); });
    };
    return {
        part(bias, [=](int o, int i, int row, int column) { return tap(o, i, row, column) + tap(o, i, row + 1, column); }),
        part(nullptr, [=](int o, int i, int row, int column) { return tap(o, i, row, column); }),
        part(nullptr, [=](int o, int i, int row, int column) { return -tap(o, i, row + 1, column); }),
    };
}

inline Border pack_border(Packer& packer, const ParagonNetwork& of) {
    Border border;
    const int c = of.channels, s = of.scale, strips = of.planes * s;
    const float* weight = packer.read((size_t)2 * strips * c * 5);
    const float* bias = packer.read((size_t)2 * strips);
    for (int side = 0; side < 2; side++) {
        border.rows[side] = packer.fill(strips, c, 5, OUTPUTS, bias ? bias + side * strips : nullptr, [=](int o, int i, int k) {
            return weight[(((ptrdiff_t)side * strips + o) * c + i) * 5 + k];
        });
    }
    const float* up = packer.read((size_t)2 * c * s * c * 3);
    const float* up_bias = packer.read((size_t)2 * c * s);
    float* to = packer.room<float>((size_t)2 * 3 * c * s * c);
    float* to_bias = packer.room<float>((size_t)2 * s * c);
    for (int side = 0; side < 2 && packer.writes(); side++)
        for (int f = 0; f < c; f++)
            for (int phase = 0; phase < s; phase++) {
                const ptrdiff_t o = ((ptrdiff_t)side * c + f) * s + phase;
                to_bias[((ptrdiff_t)side * s + phase) * c + f] = up_bias[o];
                for (int i = 0; i < c; i++)
                    for (int k = 0; k < 3; k++)
                        to[((((ptrdiff_t)side * 3 + k) * c + i) * s + phase) * c + f] = up[(o * c + i) * 3 + k];
            }
    border.column_up = to;
    border.up_bias = to_bias;
    const float* out = packer.read((size_t)2 * of.planes * c * 3);
    float* to_out = packer.room<float>((size_t)2 * of.planes * 3 * c);
    for (int o = 0; o < 2 * of.planes && packer.writes(); o++)
        for (int f = 0; f < c; f++)
            for (int k = 0; k < 3; k++) to_out[((ptrdiff_t)o * 3 + k) * c + f] = out[((ptrdiff_t)o * c + f) * 3 + k];
    border.column_out = to_out;
    return border;
}

// The base path along one axis: nearest neighbours, then [1 4 6 4 1] / 16 over the large grid; phase a of a cell is
// pixel scale * i + 1 + a of the result, its taps are pixels i - 1 .. i + 2 of the image. See kernels.base_phases.
inline void fill_base(float* base, int scale) {
    const float taps[5] = {1, 4, 6, 4, 1};
    for (int a = 0; a < scale; a++)
        for (int t = 0; t < 5; t++) {
            const int place = 1 + a + t - 2;  // -1 .. scale + 2, counted from pixel i
            const int pixel = place < 0 ? -1 : place / scale;
            base[a * 4 + pixel + 1] += taps[t] / 16;
        }
}

// Lay a network out, and fill it if there are weights. Returns how many weights it has.
inline size_t pack(Network& network, Arena& arena, const ParagonNetwork& of, const float* weights) {
    Packer packer(arena, weights);
    const int c = of.channels, hidden = 2 * c, outputs = of.planes * of.scale * of.scale;
    network.of = of;
    network.hidden = hidden;
    network.blocks = packer.room<Block>(of.blocks);
    network.base = packer.room<float>(4 * of.scale);
    network.conv_in = packer.dense(c, of.planes, 9);
    for (int i = 0; i < of.blocks; i++) {
        Block block = {};
        if (network.streams()) {
            block.near = packer.depthwise(c);
            block.far = packer.depthwise(c);
            block.mix = packer.dense(c, 2 * c, 1);
            block.expand = packer.dense(2 * hidden, c, 1);
            block.depthwise = packer.depthwise(2 * hidden);
        } else {
            block.expand = packer.dense(hidden, c, 1);
            block.depthwise = packer.depthwise(hidden);
        }
        block.project = packer.dense(c, hidden, 1);
        if (packer.writes()) network.blocks[i] = block;
    }
    network.conv_mid = pack_middle(packer, c);
    network.tail = pack_tail(packer, outputs, c);
    network.border = pack_border(packer, of);
    if (packer.writes()) fill_base(network.base, of.scale);
    return packer.total;
}

}  // namespace
}  // namespace PARAGON_KERNEL
