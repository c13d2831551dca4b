// The interface: checks what it is given, and chooses the instruction set.
#include <cstdlib>
#include <cstring>

#include "kernel.h"

#if defined(__x86_64__)
#include <cpuid.h>
namespace avx512 {
extern const Kernel kernel;
extern const Conversion conversion;
}  // namespace avx512
namespace avx2 {
extern const Kernel kernel;
extern const Conversion conversion;
}  // namespace avx2
#elif defined(__aarch64__)
namespace neon {
extern const Kernel kernel;
extern const Conversion conversion;
}  // namespace neon
#endif

namespace {

#if defined(__x86_64__)
// Which registers the system saves when it switches threads.
unsigned saved_registers() {
    unsigned low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

// Whether processor and system have AVX2 and FMA, or AVX-512 as well. Not __builtin_cpu_supports, which needs a library
// that clang-cl does not link.
bool has(bool wide) {
    constexpr unsigned FMA = 1u << 12, OSXSAVE = 1u << 27;
    constexpr unsigned AVX2 = 1u << 5, AVX512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (FMA | OSXSAVE)) != (FMA | OSXSAVE)) return false;
    unsigned needed = 0x6;
#if !defined(__APPLE__)  // macOS begins to save the widest registers when they are first used
    if (wide) needed = 0xe6;
#endif
    const unsigned wanted = wide ? AVX2 | AVX512 : AVX2;
    return (saved_registers() & needed) == needed && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & wanted) == wanted;
}

const Kernel* kernel_of(const char* name) {
    if (has(true) && (!name || !strcmp(name, avx512::kernel.name))) return &avx512::kernel;
    if (has(false) && (!name || !strcmp(name, avx2::kernel.name))) return &avx2::kernel;
    return nullptr;
}
#elif defined(__aarch64__)
const Kernel* kernel_of(const char* name) {
    return !name || !strcmp(name, neon::kernel.name) ? &neon::kernel : nullptr;
}
#else
const Kernel* kernel_of(const char*) { return nullptr; }
#endif

const Conversion* conversion_of(const char* name) {
    const Kernel* kernel = kernel_of(name);
    if (!kernel) return nullptr;
#if defined(__x86_64__)
    return kernel == &avx512::kernel ? &avx512::conversion : &avx2::conversion;
#elif defined(__aarch64__)
    return &neon::conversion;
#else
    return nullptr;
#endif
}

constexpr int MOST_CHANNELS = 1024, MOST_SIDE = 1 << 24;

bool valid(const ParagonNetwork& network) {
    const int s = network.scale;
    return network.block >= PARAGON_NANO_GELU && network.block <= PARAGON_STREAM_CLAMPED && network.channels >= 1 &&
           network.channels <= MOST_CHANNELS && network.blocks >= 1 && network.blocks <= MOST_BLOCKS &&
           network.group >= 0 && (network.group == 0 || network.blocks % network.group == 0) &&
           (s == 2 || s == 3 || s == 4 || s == 8) && (network.planes == 1 || network.planes == 3) && network.peak > 0 &&
           network.softening >= 0;
}

bool valid(const ParagonImage& image, const ParagonPiece& piece, int planes) {
    if (image.width < 1 || image.height < 1 || image.margin < 0) return false;
    if (image.width > MOST_SIDE || image.height > MOST_SIDE || image.margin > MOST_SIDE) return false;
    if (image.sample < PARAGON_UINT8 || image.sample > PARAGON_FLOAT32) return false;
    if (piece.left < 0 || piece.top < 0 || piece.left >= piece.right || piece.top >= piece.bottom) return false;
    if (piece.right > image.width || piece.bottom > image.height) return false;
    const int size = image.sample == PARAGON_UINT8 ? 1 : image.sample == PARAGON_UINT16 ? 2 : 4;
    const bool joined = planes > 1 && image.out[0].column == planes * size;
    for (int i = 0; i < planes; i++) {
        if (!image.in[i].data || !image.out[i].data) return false;
        if (!image.detail[i].data != !image.detail[0].data) return false;
        if (image.out[i].column != (joined ? planes * size : size) || image.out[i].row != image.out[0].row)
            return false;
        if (joined && static_cast<char*>(image.out[i].data) != static_cast<char*>(image.out[0].data) + i * size)
            return false;
    }
    for (int i = 0; i < image.width + 2 * image.margin; i++)
        if (image.columns[i] < 0 || image.columns[i] >= image.width) return false;
    for (int i = 0; i < image.height + 2 * image.margin; i++)
        if (image.rows[i] < 0 || image.rows[i] >= image.height) return false;
    return true;
}

// A filter around places 0 to before `end` that reaches as far as the cubic kernel, stretched by `scale`.
bool valid(const ParagonTaps& taps, int scale, int end) {
    constexpr int REACH = 2;
    return taps.count >= 1 && taps.count <= PARAGON_MOST_TAPS && taps.first >= -REACH * scale &&
           taps.first + taps.count <= REACH * scale + end;
}

bool valid(const ParagonColour& colour, int width, int height, const ParagonPlane* samples,
           const ParagonPlane* floats) {
    if (width < 1 || height < 1 || width > MOST_SIDE || height > MOST_SIDE) return false;
    if (colour.sample < PARAGON_UINT8 || colour.sample > PARAGON_FLOAT32) return false;
    if (colour.matrix < PARAGON_PLAIN || colour.matrix > PARAGON_YCGCO) return false;
    const int size = colour.sample == PARAGON_UINT8 ? 1 : colour.sample == PARAGON_UINT16 ? 2 : 4;
    for (int i = 0; i < (colour.matrix == PARAGON_PLAIN ? 1 : 3); i++)
        if (!samples[i].data || !floats[i].data || samples[i].column != size || floats[i].column != 4) return false;
    if (colour.matrix == PARAGON_PLAIN) return true;
    const int factors[] = {colour.down, colour.across};
    for (const int factor : factors)
        if (factor != 1 && factor != 2 && factor != 4) return false;
    for (int p = 0; p < colour.down; p++)
        if (!valid(colour.up_rows[p], 1, 1)) return false;
    for (int p = 0; p < colour.across; p++)
        if (!valid(colour.up_columns[p], 1, 1)) return false;
    return valid(colour.down_rows, colour.down, colour.down) &&
           valid(colour.down_columns, colour.across, colour.across);
}

}  // namespace

struct ParagonUpscaler {
    const Kernel* kernel;
    void* network;
    int planes;
};

int32_t paragon_version(void) { return PARAGON_NATIVE_VERSION; }

const char* paragon_instructions(void) {
    const Kernel* kernel = kernel_of(nullptr);
    return kernel ? kernel->name : "";
}

ParagonUpscaler* paragon_create(const ParagonNetwork* network, const float* weights, int64_t count,
                                const char* instructions) {
    const Kernel* kernel = kernel_of(instructions);
    if (!kernel || !valid(*network) || static_cast<int64_t>(kernel->weights(*network)) != count) return nullptr;
    ParagonUpscaler* upscaler = static_cast<ParagonUpscaler*>(malloc(sizeof(ParagonUpscaler)));
    if (!upscaler) return nullptr;
    *upscaler = {kernel, kernel->create(*network, weights), network->planes};
    if (upscaler->network) return upscaler;
    free(upscaler);
    return nullptr;
}

void paragon_destroy(ParagonUpscaler* upscaler) {
    if (!upscaler) return;
    upscaler->kernel->destroy(upscaler->network);
    free(upscaler);
}

int64_t paragon_working_memory(const ParagonUpscaler* upscaler, int32_t width, int32_t height,
                               int32_t separate_detail) {
    char any = 0;
    ParagonImage image = {};
    image.width = width;
    image.height = height;
    if (separate_detail) image.detail[0].data = &any;
    return upscaler->kernel->working_memory(upscaler->network, image, {0, 0, width, height});
}

int32_t paragon_upscale(const ParagonUpscaler* upscaler, const ParagonImage* image, const ParagonPiece* piece,
                        const volatile int32_t* cancelled) {
    if (!valid(*image, *piece, upscaler->planes)) return PARAGON_REFUSED;
    return upscaler->kernel->upscale(upscaler->network, *image, *piece, cancelled);
}

int32_t paragon_to_floats(const ParagonColour* colour, int32_t width, int32_t height, const ParagonPlane* samples,
                          const ParagonPlane* floats, const char* instructions) {
    const Conversion* conversion = conversion_of(instructions);
    if (!conversion || !valid(*colour, width, height, samples, floats)) return PARAGON_REFUSED;
    return conversion->to_floats(*colour, width, height, samples, floats);
}

int32_t paragon_to_samples(const ParagonColour* colour, int32_t width, int32_t height, const ParagonPlane* floats,
                           const ParagonPlane* samples, const char* instructions) {
    const Conversion* conversion = conversion_of(instructions);
    if (!conversion || !valid(*colour, width, height, samples, floats)) return PARAGON_REFUSED;
    return conversion->to_samples(*colour, width, height, floats, samples);
}
