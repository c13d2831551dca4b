// Writes weights in the order in which the stages read them.
#pragma once

#include "arena.h"
#include "convolution.h"
#include "depthwise.h"

namespace PARAGON_KERNEL {
namespace {

// Reads the flat list of weights in its order, and writes each in the order of its stage. Only counts where there is no
// list.
class Packer {
public:
    Packer(Arena& arena, const float* weights) : arena(arena), next(weights) {}

    // A convolution whose weight of output o, input i and tap k is weight(o, i, k); without a bias if that is null.
    template <class Weight>
    void fill(Convolution& conv, int outputs, int inputs, int taps, const float* bias, Weight weight,
              int block = OUTPUTS) {
        conv = {nullptr, nullptr, inputs, rounded_up(outputs, block), taps, block};
        float* to = arena.take<float>((size_t)conv.outputs * inputs * taps);
        float* to_bias = arena.take<float>(conv.outputs);
        conv.weight = to;
        conv.bias = to_bias;
        for (int o = 0; o < outputs && next; o++) {
            if (bias) to_bias[o] = bias[o];
            for (int i = 0; i < inputs; i++)
                for (int k = 0; k < taps; k++)
                    to[(((ptrdiff_t)(o / block) * taps + k) * inputs + i) * block + o % block] =
                        static_cast<float>(weight(o, i, k));
        }
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

    template <class T>
    T* room(size_t count) {
        return arena.take<T>(count);
    }
    bool writes() const { return next != nullptr; }

    size_t total = 0;

private:
    Arena& arena;
    const float* next;
};

// The next convolution in the list.
inline void pack(Convolution& conv, Packer& packer, int outputs, int inputs, int taps) {
    const float* given = packer.read((size_t)outputs * inputs * taps);
    packer.fill(conv, outputs, inputs, taps, packer.read(outputs),
                [=](int o, int i, int k) { return given[((ptrdiff_t)o * inputs + i) * taps + k]; });
}

}  // namespace
}  // namespace PARAGON_KERNEL
