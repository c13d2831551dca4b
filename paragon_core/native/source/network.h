// A network's weights, as the stages read them.
#pragma once

#include "packer.h"
#include "paragon_native.h"
#include "row_pairs.h"

namespace PARAGON_KERNEL {
namespace {

// One block of the body. `expand`, `depthwise` and `project` are nano's; stream gates with two halves of `depthwise`.
struct Block {
    Convolution mix, expand, project;
    Depthwise near, far, depthwise;
    float bound;  // of PARAGON_STREAM_CLAMPED's product
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
    int hidden;  // 2 C
    Convolution conv_in;
    MiddlePair conv_mid;
    TailPair tail;
    Block* blocks;
    Border border;
    float* base;  // [phase][4]: the base path along one axis of a cell

    bool streams() const { return of.block == PARAGON_STREAM || of.block == PARAGON_STREAM_CLAMPED; }
};

inline Border pack_border(Packer& packer, const ParagonNetwork& of) {
    Border border;
    const int c = of.channels, s = of.scale, strips = of.planes * s;
    const float* weight = packer.read((size_t)2 * strips * c * 5);
    const float* bias = packer.read((size_t)2 * strips);
    for (int side = 0; side < 2; side++) {
        packer.fill(border.rows[side], strips, c, 5, bias ? bias + side * strips : nullptr,
                    [=](int o, int i, int k) { return weight[(((ptrdiff_t)side * strips + o) * c + i) * 5 + k]; });
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
    pack(network.conv_in, packer, c, of.planes, 9);
    for (int i = 0; i < of.blocks; i++) {
        Block block = {};
        if (network.streams()) {
            block.near = packer.depthwise(c);
            block.far = packer.depthwise(c);
            pack(block.mix, packer, c, 2 * c, 1);
            pack(block.expand, packer, 2 * hidden, c, 1);
            block.depthwise = packer.depthwise(2 * hidden);
        } else {
            pack(block.expand, packer, hidden, c, 1);
            block.depthwise = packer.depthwise(hidden);
        }
        pack(block.project, packer, c, hidden, 1);
        const float* bound = of.block == PARAGON_STREAM_CLAMPED ? packer.read(1) : nullptr;
        if (bound) block.bound = *bound;
        if (packer.writes()) network.blocks[i] = block;
    }
    pack(network.conv_mid, packer, c, c, 9);
    pack(network.tail, packer, outputs, c, 16);
    network.border = pack_border(packer, of);
    if (packer.writes()) fill_base(network.base, of.scale);
    return packer.total;
}

}  // namespace
}  // namespace PARAGON_KERNEL
