// Dense convolutions: a block of outputs times a few vectors of neighbouring pixels is summed up in registers.
#pragma once

#include "vectors.h"

namespace PARAGON_KERNEL {
namespace {

struct Convolution {
    const float* weight;  // [outputs / block][taps][inputs][block], zeros behind the last output
    const float* bias;    // [outputs], zeros likewise
    int inputs, outputs;  // outputs rounded up to a whole number of blocks
    int taps;
    int block;  // outputs that are summed up at once
};

// Where a convolution reads: channel 0 of each tap at the first pixel, and floats from a channel to the next.
struct Taps {
    const float* const* from;
    ptrdiff_t stride;
    const float* const* other = nullptr;  // what is combined with it, on the way
};

// What a convolution reads: pixels, or sums or differences of two.
enum Combination { PLAIN, SUM, DIFFERENCE };

template <int OUT, int N>
PARAGON_INLINE void begin_with_bias(Vector (&sum)[OUT][N], const Convolution& conv, int first) {
    PARAGON_UNROLL
    for (int o = 0; o < OUT; o++) PARAGON_UNROLL
    for (int j = 0; j < N; j++) sum[o][j] = all(conv.bias[first + o]);
}

// Add the outputs from `first` on at N vectors of pixels.
template <Combination OF = PLAIN, int OUT, int N>
PARAGON_INLINE void add_up(Vector (&sum)[OUT][N], const Convolution& conv, int first, Taps taps) {
    const float* weight = conv.weight + (ptrdiff_t)first * conv.taps * conv.inputs;
    for (int tap = 0; tap < conv.taps; tap++) {
        const float* from = taps.from[tap];
        const float* other = OF == PLAIN ? nullptr : taps.other[tap];
        PARAGON_ROLLED
        for (int i = 0; i < conv.inputs; i++) {
            Vector pixels[N];
            PARAGON_UNROLL
            for (int j = 0; j < N; j++) {
                pixels[j] = load(from + j * LANES);
                if constexpr (OF == SUM) pixels[j] += load(other + j * LANES);
                if constexpr (OF == DIFFERENCE) pixels[j] -= load(other + j * LANES);
            }
            PARAGON_UNROLL
            for (int o = 0; o < OUT; o++) {
                const Vector factor = all(weight[o]);
                PARAGON_UNROLL
                for (int j = 0; j < N; j++) sum[o][j] += factor * pixels[j];
            }
            weight += OUT;
            from += taps.stride;
            if constexpr (OF != PLAIN) other += taps.stride;
        }
    }
}

// Call `use` with each output's number counted from `first`, the vector's number and its value.
template <int OUT, int N, class Use>
PARAGON_INLINE void for_each(const Vector (&sum)[OUT][N], int first, Use use) {
    PARAGON_UNROLL
    for (int o = 0; o < OUT; o++) PARAGON_UNROLL
    for (int j = 0; j < N; j++) use(first + o, j, sum[o][j]);
}

// Compute all outputs at N vectors of pixels; `use` is given each output's number, the vector's number and its value.
template <int OUT, int N, class Use>
PARAGON_INLINE void convolve(const Convolution& conv, Taps taps, Use use) {
    PARAGON_ROLLED
    for (int first = 0; first < conv.outputs; first += OUT) {
        Vector sum[OUT][N];
        begin_with_bias(sum, conv, first);
        add_up(sum, conv, first, taps);
        for_each(sum, first, use);
    }
}

// The same, each output's pixels into a row of their own.
template <int OUT, int N>
PARAGON_INLINE void convolve_to(const Convolution& conv, Taps taps, float* to, ptrdiff_t stride) {
    convolve<OUT, N>(conv, taps, [&](int o, int v, Vector value) __attribute__((always_inline)) {
        store(to + (ptrdiff_t)o * stride + v * LANES, value);
    });
}

template <int N>
struct Count {
    static constexpr int value = N;
};

// Call `work` for neighbouring positions up to `width`, with as many vectors at once as N, then with single ones.
template <int N, class Work>
PARAGON_INLINE void for_blocks(int width, Work work) {
    int x = 0;
    for (; x + N * LANES <= width; x += N * LANES) work(x, Count<N>());
    for (; x < width; x += LANES) work(x, Count<1>());
}

}  // namespace
}  // namespace PARAGON_KERNEL
