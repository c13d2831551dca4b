// Dense convolutions of two rows at once that share some of their products.
#pragma once

#include "packer.h"

namespace PARAGON_KERNEL {
namespace {

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

// Outputs that the tail sums up at once: as many as fill the registers without computing zeros.
constexpr int WIDE = 12;  // with two vectors

inline int block_of_tail(int outputs) {
    if (LANES != 16) return OUTPUTS;
    return outputs == WIDE ? WIDE : outputs % 9 == 0 && outputs % OUTPUTS ? 9 : outputs < OUTPUTS ? 4 : OUTPUTS;
}

inline void pack(MiddlePair& pair, Packer& packer, int outputs, int inputs, int taps) {
    const float* given = packer.read((size_t)outputs * inputs * taps);
    const float* bias = packer.read(outputs);
    for (int product = 0; product < 4; product++)
        packer.fill(
            pair.products[product], outputs, inputs, 3, product == 1 ? bias : nullptr, [=](int o, int i, int k) {
                const float* of_column = given + ((ptrdiff_t)o * inputs + i) * taps + k;
                const double g0 = of_column[0], g1 = of_column[3], g2 = of_column[6];
                return product == 0 ? g0 : product == 1 ? (g0 + g1 + g2) / 2 : product == 2 ? (g0 - g1 + g2) / 2 : -g2;
            });
}

inline void pack(TailPair& pair, Packer& packer, int outputs, int inputs, int taps) {
    const float* given = packer.read((size_t)outputs * inputs * taps);
    const float* bias = packer.read(outputs);
    const int block = block_of_tail(outputs);
    auto tap = [=](int o, int i, int row, int column) {
        return static_cast<double>(given[((ptrdiff_t)o * inputs + i) * taps + row * 4 + column]);
    };
    auto fill = [&](Convolution& part, const float* own_bias, auto weight) {
        packer.fill(
            part, outputs, inputs, 8, own_bias, [=](int o, int i, int k) { return weight(o, i, 2 * (k / 4), k % 4); },
            block);
    };
    fill(pair.shared, bias,
         [=](int o, int i, int row, int column) { return tap(o, i, row, column) + tap(o, i, row + 1, column); });
    fill(pair.upper, nullptr, [=](int o, int i, int row, int column) { return tap(o, i, row, column); });
    fill(pair.lower, nullptr, [=](int o, int i, int row, int column) { return -tap(o, i, row + 1, column); });
}

}  // namespace
}  // namespace PARAGON_KERNEL
