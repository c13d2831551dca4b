// Vectors of float32 in the compiler's own notation; what that cannot say well, in the processor's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define PARAGON_INLINE inline __attribute__((always_inline))
#if defined(__clang__)
#define PARAGON_UNROLL _Pragma("clang loop unroll(full)")
#define PARAGON_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define PARAGON_UNROLL _Pragma("GCC unroll 32")
#define PARAGON_ROLLED _Pragma("GCC unroll 1")
#endif

namespace PARAGON_KERNEL {
namespace {

// Lanes of a vector; outputs and vectors of the blocks that a convolution keeps in registers.
#if defined(__AVX512F__)
constexpr int LANES = 16, OUTPUTS = 8, VECTORS = 3;
#elif defined(__AVX2__)
constexpr int LANES = 8, OUTPUTS = 4, VECTORS = 3;  // half the registers
#else
constexpr int LANES = 4, OUTPUTS = 8, VECTORS = 3;
#endif
constexpr int BLOCK = VECTORS * LANES;

typedef float Vector __attribute__((vector_size(LANES * 4)));
typedef int32_t Integers __attribute__((vector_size(LANES * 4)));

// Not std::min and std::max: the linker keeps one copy of such functions, of whichever instruction set.
template <class T>
PARAGON_INLINE T smaller(T a, T b) {
    return b < a ? b : a;
}
template <class T>
PARAGON_INLINE T larger(T a, T b) {
    return a < b ? b : a;
}
template <class T>
constexpr PARAGON_INLINE T rounded_up(T value, T multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

PARAGON_INLINE Vector load(const float* from) {
    Vector value;
    memcpy(&value, from, sizeof value);
    return value;
}

template <class T>
PARAGON_INLINE void store(void* to, T value) {
    memcpy(to, &value, sizeof value);
}

template <int N>
PARAGON_INLINE void store_all(float* to, const Vector (&values)[N]) {
    PARAGON_UNROLL
    for (int i = 0; i < N; i++) store(to + i * LANES, values[i]);
}

PARAGON_INLINE Vector all(float value) { return value - Vector{}; }

#if defined(__AVX512F__)
constexpr __mmask16 ALL = 0xffff;  // GCC 12 warns about the forms without a mask, and compiles these to the same
#endif

// Where one of the values is not a number, both return the second.
PARAGON_INLINE Vector minimum(Vector a, Vector b) {
#if defined(__AVX512F__)
    return (Vector)_mm512_maskz_min_ps(ALL, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (Vector)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__aarch64__)
    return (Vector)vminq_f32((float32x4_t)a, (float32x4_t)b);
#else
    return a < b ? a : b;
#endif
}

PARAGON_INLINE Vector maximum(Vector a, Vector b) {
#if defined(__AVX512F__)
    return (Vector)_mm512_maskz_max_ps(ALL, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (Vector)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__aarch64__)
    return (Vector)vmaxq_f32((float32x4_t)a, (float32x4_t)b);
#else
    return a > b ? a : b;
#endif
}

PARAGON_INLINE Vector clamped(Vector value, float low, float high) {
    return minimum(all(high), maximum(all(low), value));  // in this order, what is not a number stays so
}

PARAGON_INLINE Vector magnitude(Vector value) { return (Vector)((Integers)value & 0x7fffffff); }

// To the nearest whole number, halves to even.
PARAGON_INLINE Integers nearest(Vector value) {
#if defined(__AVX512F__)
    return (Integers)_mm512_maskz_cvtps_epi32(ALL, (__m512)value);
#elif defined(__AVX2__)
    return (Integers)_mm256_cvtps_epi32((__m256)value);
#elif defined(__aarch64__)
    return (Integers)vcvtnq_s32_f32((float32x4_t)value);
#else
    const Vector magic = all(12582912.0f);  // 1.5 * 2^23: adding it rounds to whole numbers
    return (Integers)(value + magic) - (Integers)magic;
#endif
}

// Has tiny numbers count as zero while it lives, since processors take a hundred times as long for them; and rounding
// as it is by default.
class Arithmetic {
public:
#if defined(__AVX2__)
    Arithmetic() : before(_mm_getcsr()) { _mm_setcsr(0x9fc0); }
    ~Arithmetic() { _mm_setcsr(before); }

private:
    unsigned before;
#elif defined(__aarch64__)
    Arithmetic() {
        asm volatile("mrs %0, fpcr" : "=r"(before));
        asm volatile("msr fpcr, %0" : : "r"(uint64_t(1) << 24));
    }
    ~Arithmetic() { asm volatile("msr fpcr, %0" : : "r"(before)); }

private:
    uint64_t before;
#endif
};

}  // namespace
}  // namespace PARAGON_KERNEL
