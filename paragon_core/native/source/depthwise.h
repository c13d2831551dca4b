// Depthwise 3x3 convolutions. They are bound by loads, so two rows of results share the four rows that they are made of.
#pragma once

#include "vectors.h"

namespace PARAGON_KERNEL {
namespace {

struct Depthwise {
    const float* weight;  // [channels][3][3]
    const float* bias;    // [channels]
};

// The weights of a channel, in registers where there are enough.
struct Filter {
    explicit PARAGON_INLINE Filter(const float* weight) {
        PARAGON_UNROLL
        for (int i = 0; i < 9; i++) taps[i] = all(weight[i]);
    }
    Vector taps[9];
};

// Two rows of N vectors: sum[0..N-1] above sum[N..2N-1]; rows[y] stands at the left tap.
template <int N>
PARAGON_INLINE void depthwise_pair(Vector (&sum)[2 * N], const float* const (&rows)[4], const Filter& filter,
                                   float bias) {
    PARAGON_UNROLL
    for (int i = 0; i < 2 * N; i++) sum[i] = all(bias);
    PARAGON_UNROLL
    for (int y = 0; y < 4; y++) PARAGON_UNROLL
    for (int x = 0; x < 3; x++) {
        Vector pixels[N];
        PARAGON_UNROLL
        for (int i = 0; i < N; i++) pixels[i] = load(rows[y] + i * LANES + x);
        PARAGON_UNROLL
        for (int i = 0; i < N; i++) {
            if (y < 3) sum[i] += filter.taps[y * 3 + x] * pixels[i];
            if (y > 0) sum[N + i] += filter.taps[(y - 1) * 3 + x] * pixels[i];
        }
    }
}

// One row of N vectors; rows[y] stands at the left tap, taps are `spacing` pixels apart.
template <int N>
PARAGON_INLINE void depthwise(Vector (&sum)[N], const float* const (&rows)[3], int spacing, const Filter& filter,
                              float bias) {
    PARAGON_UNROLL
    for (int i = 0; i < N; i++) sum[i] = all(bias);
    PARAGON_UNROLL
    for (int y = 0; y < 3; y++) PARAGON_UNROLL
    for (int x = 0; x < 3; x++) PARAGON_UNROLL
    for (int i = 0; i < N; i++) sum[i] += filter.taps[y * 3 + x] * load(rows[y] + i * LANES + x * spacing);
}

}  // namespace
}  // namespace PARAGON_KERNEL
