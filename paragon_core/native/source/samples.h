// Samples of an image to rows of floats, and cells of the result to samples.
#pragma once

#include "paragon_native.h"
#include "vectors.h"

namespace PARAGON_KERNEL {
namespace {

constexpr int SAMPLE_SIZES[] = {1, 2, 4};

template <class T>
PARAGON_INLINE float sample(const char* from) {
    T value;
    memcpy(&value, from, sizeof value);
    return static_cast<float>(value);
}

template <class T, int64_t STEP>
void read_even(float* to, const char* from, int count) {
    for (int i = 0; i < count; i++) to[i] = sample<T>(from + i * STEP);
}

// Places `first` to before `first + count` of a row of the continued image.
template <class T>
void read_places(float* to, const char* row, int64_t step, const ParagonImage& image, int first, int count) {
    const int end = first + count, inside = image.margin, outside = image.margin + image.width;
    int place = first;
    for (; place < smaller(end, inside); place++) *to++ = sample<T>(row + image.columns[place] * step);
    const int plain = smaller(end, outside) - place;
    if (plain > 0) {
        const char* from = row + (place - image.margin) * step;
        if (step == sizeof(T)) {
            read_even<T, sizeof(T)>(to, from, plain);
        } else if (step == 3 * (int64_t)sizeof(T)) {
            read_even<T, 3 * sizeof(T)>(to, from, plain);
        } else {
            for (int i = 0; i < plain; i++) to[i] = sample<T>(from + i * step);
        }
        to += plain;
        place += plain;
    }
    for (; place < end; place++) *to++ = sample<T>(row + image.columns[place] * step);
}

// Columns and rows count on the continued image.
inline void read_row(float* to, const ParagonPlane& plane, const ParagonImage& image, int y, int first, int count) {
    const char* row = static_cast<const char*>(plane.data) + image.rows[y] * plane.row;
    switch (image.sample) {
        case PARAGON_UINT8: return read_places<uint8_t>(to, row, plane.column, image, first, count);
        case PARAGON_UINT16: return read_places<uint16_t>(to, row, plane.column, image, first, count);
        default: return read_places<float>(to, row, plane.column, image, first, count);
    }
}

// Whether pixels hold the samples of all planes next to each other.
inline bool interleaved(const ParagonImage& image, int planes) {
    return planes > 1 && image.out[0].column == (int64_t)planes * SAMPLE_SIZES[image.sample];
}

// Samples of a row of a cell that stand next to each other in the result, and so do those of the next cell: the phases
// of one plane, or those of all planes. They are packed into words of 32 bits, which are written cell by cell.
struct Group {
    char* to;   // the first sample of cell 0 of a block
    int count;  // samples of a cell
    int size;   // bytes of one
};

template <int WORDS>
void write_words(char* to, const uint32_t* words, int stride, int cells) {
    for (int i = 0; i < cells; i++) {
        uint32_t cell[WORDS];
        PARAGON_UNROLL
        for (int w = 0; w < WORDS; w++) cell[w] = words[w * stride + i];
        memcpy(to + (ptrdiff_t)i * sizeof cell, cell, sizeof cell);
    }
}

// The compiler makes vectors of this.
template <>
inline void write_words<2>(char* to, const uint32_t* words, int stride, int cells) {
    for (int i = 0; i < cells; i++)
        store(to + (ptrdiff_t)i * 8, words[i] | static_cast<uint64_t>(words[stride + i]) << 32);
}

// Cells [first, end) of a block; `words` holds, word by word, those of `stride` cells.
inline void write_cells(const Group& group, const uint32_t* words, int stride, int first, int end) {
    const int bytes = group.count * group.size;
    char* to = group.to + (ptrdiff_t)first * bytes;
    words += first;
    const int cells = end - first;
    if (cells <= 0) return;
    switch (bytes) {
        case 4: return write_words<1>(to, words, stride, cells);
        case 8: return write_words<2>(to, words, stride, cells);
        case 12: return write_words<3>(to, words, stride, cells);
        case 16: return write_words<4>(to, words, stride, cells);
        case 24: return write_words<6>(to, words, stride, cells);
        case 32: return write_words<8>(to, words, stride, cells);
        case 36: return write_words<9>(to, words, stride, cells);
        case 48: return write_words<12>(to, words, stride, cells);
        case 96: return write_words<24>(to, words, stride, cells);
        default: break;
    }
    // The last word of a cell is not full. It overlaps the next cell, which is written after it; the last cell's does
    // not, because what follows may belong to another thread.
    const int count = (bytes + 3) / 4;
    if (count == 2) {
        uint64_t pairs[BLOCK];
        for (int i = 0; i < cells; i++) pairs[i] = words[i] | static_cast<uint64_t>(words[stride + i]) << 32;
        for (int i = 0; i < cells - 1; i++, to += bytes) store(to, pairs[i]);
    } else {
        for (int i = 0; i < cells - 1; i++, to += bytes)
            for (int w = 0; w < count; w++) store(to + 4 * w, words[w * stride + i]);
    }
    for (int byte = 0; byte < bytes; byte++)
        to[byte] = static_cast<char>(words[byte / 4 * stride + cells - 1] >> 8 * (byte % 4));
}

}  // namespace
}  // namespace PARAGON_KERNEL
