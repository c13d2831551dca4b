// Samples of a video to the RGB (or grey) of 0..1 that networks take, and back, in one instruction set; compiled once for
// each, like kernel.cpp. No product and sum may become one instruction here (-ffp-contract=off): every result has the
// bits that the same steps give one by one, on any processor and in NumPy (array_conversion.py).
#include <cstdlib>

#include "kernel.h"
#include "vectors.h"

namespace PARAGON_KERNEL {
namespace {

constexpr int REACH = 2;  // samples to each side of a place that the cubic kernel reaches
constexpr int MOST_FACTOR = PARAGON_MOST_FACTOR;
constexpr int CHROMA_ROWS = 8;  // that are kept: those for one row of luma, up to 2 * REACH + 1
constexpr int LUMA_ROWS = 32;   // that are kept: those for one row of chroma, up to MOST_TAPS, and what follows

template <class T>
struct Lanes;
template <>
struct Lanes<uint8_t> {
    typedef uint8_t type __attribute__((vector_size(LANES)));
};
template <>
struct Lanes<uint16_t> {
    typedef uint16_t type __attribute__((vector_size(LANES * 2)));
};

// Calls f(x, n) for x = 0, LANES, ...; n is the number of lanes from there on, known when compiling but for the last.
template <class F>
PARAGON_INLINE void for_lanes(int width, F f) {
    int x = 0;
    for (; x + LANES <= width; x += LANES) f(x, LANES);
    if (x < width) f(x, width - x);
}

template <class T>
PARAGON_INLINE T load_lanes(const void* from, int count) {
    T value = {};
    if (count == LANES)
        memcpy(&value, from, sizeof value);
    else
        memcpy(&value, from, count * (sizeof value / LANES));
    return value;
}

template <class T>
PARAGON_INLINE void store_lanes(void* to, T value, int count) {
    if (count == LANES)
        memcpy(to, &value, sizeof value);
    else
        memcpy(to, &value, count * (sizeof value / LANES));
}

// Whole numbers that T holds.
template <class T>
PARAGON_INLINE typename Lanes<T>::type narrowed(Integers values) {
#if defined(__AVX2__) && !defined(__AVX512F__)
    // GCC 12 takes eight lanes apart one by one.
    const __m128i low = _mm256_castsi256_si128((__m256i)values), high = _mm256_extracti128_si256((__m256i)values, 1);
    const __m128i words = _mm_packus_epi32(low, high);
    typename Lanes<T>::type result;
    const __m128i packed = sizeof(T) == 1 ? _mm_packus_epi16(words, words) : words;
    memcpy(&result, &packed, sizeof result);
    return result;
#else
    return __builtin_convertvector(values, typename Lanes<T>::type);
#endif
}

template <class T>
PARAGON_INLINE Vector read(const T* from, const ParagonSpan& span, int count) {
    if constexpr (sizeof(T) == sizeof(float)) {
        return load_lanes<Vector>(from, count);
    } else {
        const auto samples = load_lanes<typename Lanes<T>::type>(from, count);
        const Vector value = __builtin_convertvector(__builtin_convertvector(samples, Integers), Vector);
        return (value - all(span.zero)) * all(span.inverse);
    }
}

template <class T>
PARAGON_INLINE void write(T* to, Vector value, const ParagonSpan& span, float peak, int count) {
    if constexpr (sizeof(T) == sizeof(float)) {
        store_lanes(to, value, count);
    } else {
        const Vector scaled = value * all(span.scale) + all(span.zero + 0.5f);
        // Rounds towards zero: with the half above, to nearest. What is not a number becomes 0.
        const Vector clipped = minimum(maximum(scaled, all(0)), all(peak + 0.5f));
        store_lanes(to, narrowed<T>(__builtin_convertvector(clipped, Integers)), count);
    }
}

template <class T>
T* row_of(const ParagonPlane& plane, int y) {
    return reinterpret_cast<T*>(static_cast<char*>(plane.data) + y * plane.row);
}

// Where a row or column beyond the edge is mirrored to.
int mirrored(int place, int length) {
    int inside = place % (2 * length);
    if (inside < 0) inside += 2 * length;
    return smaller(inside, 2 * length - 1 - inside);
}

// The sum over taps t of weights[t] * rows[t], in this order; writes whole vectors.
template <int COUNT>
void add_rows(float* to, const float* const* rows, const float* weights, int width) {
    for (int x = 0; x < width; x += LANES) {
        Vector sum = load(rows[0] + x) * all(weights[0]);
        PARAGON_UNROLL
        for (int t = 1; t < COUNT; t++) sum = sum + load(rows[t] + x) * all(weights[t]);
        store(to + x, sum);
    }
}

void filter(float* to, const float* const* rows, const ParagonTaps& taps, int width) {
    const float* weights = taps.weights;
    switch (taps.count) {
        case 1: return add_rows<1>(to, rows, weights, width);
        case 4: return add_rows<4>(to, rows, weights, width);
        case 7: return add_rows<7>(to, rows, weights, width);
        case 8: return add_rows<8>(to, rows, weights, width);
        default: break;
    }
    for (int x = 0; x < width; x += LANES) {
        Vector sum = load(rows[0] + x) * all(weights[0]);
        for (int t = 1; t < taps.count; t++) sum = sum + load(rows[t] + x) * all(weights[t]);
        store(to + x, sum);
    }
}

// A row whose samples beyond its two ends are there; its memory begins `margin` samples before it.
void mirror_ends(float* row, int width, int before, int after) {
    for (int x = -before; x < 0; x++) row[x] = row[mirrored(x, width)];
    for (int x = width; x < width + after; x++) row[x] = row[mirrored(x, width)];
}

// phases[p][k] = row[factor * k + p]
template <int FACTOR>
void take_apart(float* const* phases, const float* row, int count) {
    for (int p = 0; p < FACTOR; p++) {
        float* to = phases[p];
        for (int k = 0; k < count; k++) to[k] = row[FACTOR * k + p];
    }
}

// row[factor * k + p] = phases[p][k]
template <int FACTOR>
void put_together(float* row, const float* const* phases, int count) {
    if constexpr (FACTOR == 2) {
        const float *even = phases[0], *odd = phases[1];
        for (int k = 0; k < count; k++) {
            row[2 * k] = even[k];
            row[2 * k + 1] = odd[k];
        }
    } else {
        for (int k = 0; k < count; k++)
            for (int p = 0; p < FACTOR; p++) row[FACTOR * k + p] = phases[p][k];
    }
}

// Rows of floats in one piece of memory, with room before and behind for mirrored samples and whole vectors.
class Scratch {
public:
    Scratch(int rows, int width)
        : stride(rounded_up(width + 2 * ROOM, LANES)),
          memory(static_cast<float*>(calloc((size_t)rows * stride, sizeof(float)))) {}
    ~Scratch() { free(memory); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    explicit operator bool() const { return memory; }
    float* row(int index) const { return memory + (size_t)index * stride + ROOM; }

private:
    static constexpr int ROOM = 32;  // at least REACH * MOST_FACTOR + MOST_FACTOR, and LANES
    size_t stride;
    float* memory;
};

// To floats

template <class T>
void read_row(float* to, const T* from, const ParagonSpan& span, int width) {
    for_lanes(width,
              [&](int x, int n) __attribute__((always_inline)) { store_lanes(to + x, read(from + x, span, n), n); });
}

template <class T>
void to_rgb_row(const ParagonColour& colour, const T* luma, const float* cb, const float* cr, float* const (&out)[3],
                int width) {
    const float* w = colour.to_rgb;
    const bool ycgco = colour.matrix == PARAGON_YCGCO;
    for_lanes(width, [&](int x, int n) __attribute__((always_inline)) {
        const Vector y = read(luma + x, colour.luma, n), b = load(cb + x), r = load(cr + x);
        Vector red, green, blue;
        if (ycgco) {
            green = y + b;
            red = y - b;
            blue = red - r;
            red = red + r;
        } else {
            red = r * all(w[0]);
            blue = b * all(w[1]);
            green = y - red * all(w[2]);
            green = green - blue * all(w[3]);
            red = red + y;
            blue = blue + y;
        }
        store_lanes(out[0] + x, red, n);
        store_lanes(out[1] + x, green, n);
        store_lanes(out[2] + x, blue, n);
    });
}

// Chroma at every pixel of rows, one after the other.
template <class T>
class ChromaReader {
public:
    ChromaReader(const ParagonColour& colour, int width, int height, const ParagonPlane* planes)
        : colour(colour),
          planes(planes),
          width((width + colour.across - 1) / colour.across),
          height((height + colour.down - 1) / colour.down),
          scratch(2 * CHROMA_ROWS + 3 + MOST_FACTOR, this->width * colour.across) {
        for (int& row : kept) row = -1;
    }
    explicit operator bool() const { return bool(scratch); }

    // Row y of Cb (0) or Cr (1); it stays until the same is asked for another row.
    const float* row(int plane, int y) {
        const int k = y / colour.down;
        float* down = scratch.row(2 * CHROMA_ROWS);
        const ParagonTaps& taps = colour.up_rows[y % colour.down];
        const float* rows[PARAGON_MOST_TAPS];
        if (colour.down > 1) {
            for (int t = 0; t < taps.count; t++) rows[t] = own_row(plane, mirrored(k + taps.first + t, height));
        } else {
            rows[0] = own_row(plane, k);
        }
        if (colour.across == 1 && colour.down == 1) return rows[0];
        float* result = scratch.row(2 * CHROMA_ROWS + 1 + plane);
        if (colour.across == 1) {
            filter(result, rows, taps, width);
            return result;
        }
        if (colour.down > 1)
            filter(down, rows, taps, width);
        else
            memcpy(down, rows[0], width * sizeof(float));
        mirror_ends(down, width, REACH, REACH);
        float* phases[MOST_FACTOR];
        for (int p = 0; p < colour.across; p++) {
            const ParagonTaps& of = colour.up_columns[p];
            const float* shifted[PARAGON_MOST_TAPS];
            for (int t = 0; t < of.count; t++) shifted[t] = down + of.first + t;
            phases[p] = scratch.row(2 * CHROMA_ROWS + 3 + p);
            filter(phases[p], shifted, of, width);
        }
        if (colour.across == 2)
            put_together<2>(result, phases, width);
        else
            put_together<4>(result, phases, width);
        return result;
    }

private:
    const float* own_row(int plane, int k) {
        const int place = plane * CHROMA_ROWS + k % CHROMA_ROWS;
        float* row = scratch.row(place);
        if (kept[place] != k) {
            read_row(row, row_of<const T>(planes[plane], k), colour.chroma, width);
            kept[place] = k;
        }
        return row;
    }

    const ParagonColour& colour;
    const ParagonPlane* planes;
    int width, height;  // of chroma
    Scratch scratch;    // rows as they are, one interpolated down, the results, and phases of one
    int kept[2 * CHROMA_ROWS];
};

template <class T>
int to_floats(const ParagonColour& colour, int width, int height, const ParagonPlane* samples,
              const ParagonPlane* out) {
    if (colour.matrix == PARAGON_PLAIN) {
        for (int y = 0; y < height; y++)
            read_row(row_of<float>(out[0], y), row_of<const T>(samples[0], y), colour.luma, width);
        return PARAGON_DONE;
    }
    ChromaReader<T> chroma(colour, width, height, samples + 1);
    if (!chroma) return PARAGON_OUT_OF_MEMORY;
    for (int y = 0; y < height; y++) {
        const float *cb = chroma.row(0, y), *cr = chroma.row(1, y);
        float* const rows[3] = {row_of<float>(out[0], y), row_of<float>(out[1], y), row_of<float>(out[2], y)};
        to_rgb_row(colour, row_of<const T>(samples[0], y), cb, cr, rows, width);
    }
    return PARAGON_DONE;
}

// To samples

template <class T>
void write_row(T* to, const float* from, const ParagonColour& colour, const ParagonSpan& span, int width) {
    for_lanes(width, [&](int x, int n) __attribute__((always_inline)) {
        write(to + x, load_lanes<Vector>(from + x, n), span, colour.peak, n);
    });
}

// A row of luma as samples, and of chroma at every pixel, as floats.
template <class T>
void from_rgb_row(const ParagonColour& colour, const float* const (&planes)[3], T* luma, float* cb, float* cr,
                  int width) {
    const float* w = colour.from_rgb;
    const bool ycgco = colour.matrix == PARAGON_YCGCO;
    for_lanes(width, [&](int x, int n) __attribute__((always_inline)) {
        const Vector red = load_lanes<Vector>(planes[0] + x, n), green = load_lanes<Vector>(planes[1] + x, n),
                     blue = load_lanes<Vector>(planes[2] + x, n);
        Vector y, b, r;
        if (ycgco) {
            const Vector around = all(0.5f) * (red + blue);
            y = all(0.5f) * (green + around);
            b = all(0.5f) * (green - around);
            r = all(0.5f) * (red - blue);
        } else {
            y = all(w[1]) * green;
            y = y + all(w[0]) * red;
            y = y + all(w[2]) * blue;
            b = (blue - y) * all(w[3]);
            r = (red - y) * all(w[4]);
        }
        write(luma + x, y, colour.luma, colour.peak, n);
        store(cb + x, b);
        store(cr + x, r);
    });
}

template <class T>
int to_samples(const ParagonColour& colour, int width, int height, const ParagonPlane* planes,
               const ParagonPlane* out) {
    if (colour.matrix == PARAGON_PLAIN) {
        for (int y = 0; y < height; y++)
            write_row(row_of<T>(out[0], y), row_of<const float>(planes[0], y), colour, colour.luma, width);
        return PARAGON_DONE;
    }
    const int down = colour.down, across = colour.across, margin = across > 1 ? REACH * across : 0;
    const int chroma_width = (width + across - 1) / across, chroma_height = (height + down - 1) / down;
    const Scratch scratch(2 * LUMA_ROWS + 2 + MOST_FACTOR, chroma_width * across + 2 * margin);
    if (!scratch) return PARAGON_OUT_OF_MEMORY;
    int kept[LUMA_ROWS];
    for (int& row : kept) row = -1;
    auto own_row = [&](int y) {
        const int place = y % LUMA_ROWS;
        if (kept[place] != y) {
            const float* const rows[3] = {row_of<const float>(planes[0], y), row_of<const float>(planes[1], y),
                                          row_of<const float>(planes[2], y)};
            from_rgb_row(colour, rows, row_of<T>(out[0], y), scratch.row(2 * place), scratch.row(2 * place + 1), width);
            kept[place] = y;
        }
        return place;
    };
    float *reduced = scratch.row(2 * LUMA_ROWS), *result = scratch.row(2 * LUMA_ROWS + 1);
    float* phases[MOST_FACTOR];
    for (int p = 0; p < MOST_FACTOR; p++) phases[p] = scratch.row(2 * LUMA_ROWS + 2 + p);
    for (int k = 0; k < chroma_height; k++) {
        for (int y = down * k; y < smaller(down * (k + 1), height); y++) own_row(y);
        const ParagonTaps &rows_of = colour.down_rows, &columns_of = colour.down_columns;
        int places[PARAGON_MOST_TAPS];
        for (int t = 0; t < rows_of.count; t++) places[t] = own_row(mirrored(down * k + rows_of.first + t, height));
        for (int plane = 0; plane < 2; plane++) {
            const float* rows[PARAGON_MOST_TAPS];
            for (int t = 0; t < rows_of.count; t++) rows[t] = scratch.row(2 * places[t] + plane);
            const float* made = rows[0];
            if (down > 1 || across > 1) {
                filter(reduced, rows, rows_of, width);
                made = reduced;
            }
            if (across > 1) {
                mirror_ends(reduced, width, margin, margin + chroma_width * across - width);
                const int count = chroma_width + 2 * REACH;
                if (across == 2)
                    take_apart<2>(phases, reduced - margin, count);
                else
                    take_apart<4>(phases, reduced - margin, count);
                const float* shifted[PARAGON_MOST_TAPS];
                for (int t = 0; t < columns_of.count; t++) {
                    const int at = margin + columns_of.first + t;
                    shifted[t] = phases[at % across] + at / across;
                }
                filter(result, shifted, columns_of, chroma_width);
                made = result;
            }
            write_row(row_of<T>(out[1 + plane], k), made, colour, colour.chroma, chroma_width);
        }
    }
    return PARAGON_DONE;
}

template <class F>
int for_sample(const ParagonColour& colour, F f) {
    switch (colour.sample) {
        case PARAGON_UINT8: return f(uint8_t());
        case PARAGON_UINT16: return f(uint16_t());
        default: return f(float());
    }
}

int all_to_floats(const ParagonColour& colour, int width, int height, const ParagonPlane* from,
                  const ParagonPlane* to) {
    return for_sample(colour,
                      [&](auto sample) { return to_floats<decltype(sample)>(colour, width, height, from, to); });
}

int all_to_samples(const ParagonColour& colour, int width, int height, const ParagonPlane* from,
                   const ParagonPlane* to) {
    return for_sample(colour,
                      [&](auto sample) { return to_samples<decltype(sample)>(colour, width, height, from, to); });
}

}  // namespace

extern const Conversion conversion;
const Conversion conversion = {all_to_floats, all_to_samples};

}  // namespace PARAGON_KERNEL
