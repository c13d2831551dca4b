// What stands between two convolutions of a block.
#pragma once

#include "vectors.h"

namespace PARAGON_KERNEL {
namespace {

// Exact GELU of N vectors: max(x, 0) - u p(u)^16 with u = min(|x|, 6). The polynomial p is a fit of the sixteenth root
// of Phi(-u); the error is at most 8.2e-7 in float32. Step by step, so that neighbouring instructions do not wait for
// each other.
template <int N> PARAGON_INLINE void gelu(Vector (&x)[N]) {
    Vector u[N], p[N];
    PARAGON_UNROLL for (int i = 0; i < N; i++) u[i] = minimum(all(6.0f), magnitude(x[i]));
    PARAGON_UNROLL for (int i = 0; i < N; i++) p[i] = u[i] * -4.552055052e-05f + 6.922381511e-04f;
    PARAGON_UNROLL for (int i = 0; i < N; i++) p[i] = p[i] * u[i] - 1.396248661e-03f;
    PARAGON_UNROLL for (int i = 0; i < N; i++) p[i] = p[i] * u[i] - 1.776715142e-02f;
    PARAGON_UNROLL for (int i = 0; i < N; i++) p[i] = p[i] * u[i] - 4.777984799e-02f;
    PARAGON_UNROLL for (int i = 0; i < N; i++) p[i] = p[i] * u[i] + 9.576056908e-01f;
    PARAGON_UNROLL for (int i = 0; i < N; i++) p[i] = p[i] * p[i];
    PARAGON_UNROLL for (int i = 0; i < N; i++) p[i] = p[i] * p[i];
    PARAGON_UNROLL for (int i = 0; i < N; i++) x[i] = maximum(Vector{}, x[i]);
    PARAGON_UNROLL for (int i = 0; i < N; i++) p[i] = p[i] * p[i];
    PARAGON_UNROLL for (int i = 0; i < N; i++) p[i] = p[i] * p[i];
    PARAGON_UNROLL for (int i = 0; i < N; i++) x[i] = x[i] - u[i] * p[i];
}

PARAGON_INLINE Vector hardswish(Vector x) { return x * clamped(x * (1.0f / 6) + 0.5f, 0.0f, 1.0f); }

template <int N> PARAGON_INLINE void hardswish(Vector (&x)[N]) {
    PARAGON_UNROLL for (int i = 0; i < N; i++) x[i] = hardswish(x[i]);
}

}  // namespace
}  // namespace PARAGON_KERNEL
