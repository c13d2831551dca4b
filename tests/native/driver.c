// Runs the native kernel on random networks and images of many kinds and sizes, in builds with sanitizers and on emulated
// processors. test_driver.py compiles it.
//
//   driver check N      checks every Nth image in each instruction set that the processor has
//   driver write N      checks nothing, and writes their results in the best one, with a peak of 1, a line an image
//   driver which        prints the best instruction set
//
// Every buffer is a piece of heap of its own that ends with the last sample, so that AddressSanitizer sees a read or a
// write beyond it.
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "paragon_native.h"

#define LENGTH(array) (int)(sizeof(array) / sizeof((array)[0]))

static const char* const INSTRUCTIONS[] = {"avx512", "avx2", "neon"};
// One of each kind, scale and number of planes.
enum { NETWORKS = 32 };
// Colours of frames that are converted.
enum { COLOURS = 600 };
static const int SCALES[] = {2, 3, 4, 8};
// Around the edges of vectors, blocks and tiles (up to 192 columns), and images smaller than what a pixel looks at.
static const int SIZES[][2] = {{1, 1}, {2, 1}, {1, 2}, {3, 5}, {5, 3}, {16, 4}, {17, 6}, {24, 2}, {47, 5}, {49, 3}, {97, 4}, {1, 40}, {260, 2}, {150, 9}, {49, 30}};
static const int MARGINS[] = {0, 1, 4, 11};
static const int SAMPLE_SIZES[] = {1, 2, 4};
static const float PEAKS[] = {255, 1023, 1};

static long images, pieces, frames;

static void fail(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

// The same numbers on every processor.
static uint32_t state;

static uint32_t next(uint32_t below) {
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)state * below >> 32);
}

static float between(float low, float high) { return low + (high - low) * ((float)next(1 << 24) / (1 << 24)); }

static void* memory(size_t size) {
    void* result = malloc(size);
    if (!result) fail("out of memory");
    return result;
}

// Networks

static int64_t fill(float* to, int64_t count, int inputs, float unit) {
    const float most = unit / sqrtf((float)inputs);
    for (int64_t i = 0; to && i < count; i++) to[i] = between(-most, most);
    return count;
}

// Writes the weights of a network in the order of packing.py, where there is a place for them; returns their number.
// As in real ones the features are about 1, whatever the peak.
static int64_t random_weights(const ParagonNetwork* of, float* to) {
    const int c = of->channels, s = of->scale, streams = of->block >= PARAGON_STREAM;
    const int wide = streams ? 4 * c : 2 * c, outputs = of->planes * s * s;
    float unit = 1 / of->peak;
    int64_t count = 0;
#define PART(number, inputs) count += fill(to ? to + count : NULL, number, inputs, unit)
    PART(c * of->planes * 9, of->planes * 9);
    unit = 1;
    PART(c, 9);
    for (int i = 0; i < of->blocks; i++) {
        if (streams) {
            for (int k = 0; k < 2; k++) PART(c * 9, 9), PART(c, 9);
            PART(c * 2 * c, 2 * c), PART(c, 9);
        }
        PART(wide * c, c), PART(wide, 9);
        PART(wide * 9, 9), PART(wide, 9);
        PART(c * 2 * c, 8 * c), PART(c, 9);
        if (of->block == PARAGON_STREAM_CLAMPED) {
            if (to) to[count] = 0.1f;  // some products are beyond it
            count++;
        }
    }
    PART(c * c * 9, c * 9), PART(c, 9);
    unit = of->peak;
    PART(outputs * c * 16, c * 16), PART(outputs, 9);
    PART(2 * of->planes * s * c * 5, c * 5), PART(2 * of->planes * s, 9);
    unit = 1;
    PART(2 * c * s * c * 3, c * 3), PART(2 * c * s, 9);
    unit = of->peak;
    PART(2 * of->planes * c * 3, c * 3);
#undef PART
    return count;
}

static ParagonUpscaler* create(const ParagonNetwork* of, const char* instructions) {
    const int64_t count = random_weights(of, NULL);
    float* weights = memory(count * sizeof(float));
    random_weights(of, weights);
    ParagonUpscaler* made = paragon_create(of, weights, count, instructions);
    free(weights);  // the network keeps no reference to it
    return made;
}

static ParagonNetwork random_network(int index) {
    ParagonNetwork of = {0};
    of.block = index % 4;
    of.scale = SCALES[index / 4 % 4];
    of.planes = index / 16 % 2 ? 1 : 3;
    of.channels = 1 + (int)next(index % 5 ? 13 : 33);
    of.blocks = 1 + (int)next(6);
    of.group = next(2) ? of.blocks : (int)next(2);
    of.softening = next(2) ? between(0, 1) : 0;
    of.peak = PEAKS[index % 3];
    return of;
}

// Images

typedef struct Pixels {
    char* whole;
    size_t size;
    ParagonPlane planes[3];
} Pixels;

// Samples of an image, planes apart or pixel by pixel, rows from top to bottom or upside down.
static Pixels new_pixels(int width, int height, int planes, int size, int joined, int flipped, int spare) {
    const int64_t column = joined ? planes * size : size, row = (int64_t)width * column + spare;
    const int64_t plane = joined ? size : row * height;
    Pixels pixels = {0};
    // Without the spare bytes behind the last row.
    pixels.size = (size_t)(row * height * (joined ? 1 : planes) - spare);
    pixels.whole = memory(pixels.size);
    memset(pixels.whole, 0xa5, pixels.size);
    for (int i = 0; i < planes; i++) {
        pixels.planes[i].data = pixels.whole + i * plane + (flipped ? row * (height - 1) : 0);
        pixels.planes[i].row = flipped ? -row : row;
        pixels.planes[i].column = column;
    }
    return pixels;
}

static char* at(const ParagonPlane* plane, int x, int y) { return (char*)plane->data + y * plane->row + x * plane->column; }

static void set(char* to, int sample, float value) {
    if (sample == PARAGON_UINT8) *(uint8_t*)to = (uint8_t)value;
    else if (sample == PARAGON_UINT16) memcpy(to, &(uint16_t){(uint16_t)value}, 2);
    else memcpy(to, &value, 4);
}

static float get(const char* from, int sample) {
    float value = 0;
    uint16_t word = 0;
    if (sample == PARAGON_UINT8) return *(const uint8_t*)from;
    if (sample == PARAGON_UINT16) return memcpy(&word, from, 2), word;
    return memcpy(&value, from, 4), value;
}

typedef struct Scene {
    ParagonImage image;
    int planes, scale;
    int32_t *columns, *rows;
    float* values;  // of the image and of the detail: [2][planes][height][width], whole numbers up to the peak
    Pixels in, detail, out;
} Scene;

static int32_t* places(int size, int margin) {
    int32_t* to = memory((size + 2 * margin) * sizeof(int32_t));
    for (int i = 0; i < size + 2 * margin; i++) {
        const int wanted = i - margin;
        to[i] = wanted < 0 ? (int)next(size) : wanted >= size ? size - 1 : wanted;
    }
    return to;
}

static void lay_out(Scene* scene, int sample, int joined, int flipped, int spare, int separate) {
    ParagonImage* image = &scene->image;
    const int w = image->width, h = image->height, n = scene->planes, s = scene->scale, size = SAMPLE_SIZES[sample];
    image->sample = sample;
    image->clip = 0;
    scene->in = new_pixels(w, h, n, size, joined, flipped, spare);
    scene->out = new_pixels(s * w, s * h, n, size, joined, flipped, spare);
    memset(&scene->detail, 0, sizeof scene->detail);
    if (separate) scene->detail = new_pixels(w, h, n, size, !joined, !flipped, spare);
    for (int part = 0; part < 1 + separate; part++)
        for (int i = 0; i < n; i++)
            for (int y = 0; y < h; y++)
                for (int x = 0; x < w; x++)
                    set(at(&(part ? &scene->detail : &scene->in)->planes[i], x, y), sample,
                        scene->values[(((int64_t)part * n + i) * h + y) * w + x]);
    memcpy(image->in, scene->in.planes, sizeof image->in);
    memcpy(image->detail, scene->detail.planes, sizeof image->detail);
    memcpy(image->out, scene->out.planes, sizeof image->out);
}

static void free_pixels(Scene* scene) {
    free(scene->in.whole);
    free(scene->detail.whole);
    free(scene->out.whole);
}

static Scene new_scene(const ParagonNetwork* of, int width, int height, int margin) {
    Scene scene = {0};
    scene.planes = of->planes;
    scene.scale = of->scale;
    scene.columns = places(width, margin);
    scene.rows = places(height, margin);
    scene.image.width = width;
    scene.image.height = height;
    scene.image.margin = margin;
    scene.image.columns = scene.columns;
    scene.image.rows = scene.rows;
    const int64_t count = (int64_t)2 * of->planes * width * height;
    scene.values = memory(count * sizeof(float));
    for (int64_t i = 0; i < count; i++) scene.values[i] = (float)next((uint32_t)of->peak + 1);
    return scene;
}

static void free_scene(Scene* scene) {
    free(scene->columns);
    free(scene->rows);
    free(scene->values);
}

static void upscale(const ParagonUpscaler* by, const ParagonImage* image, ParagonPiece piece) {
    const int32_t running = 0, status = paragon_upscale(by, image, &piece, next(2) ? &running : NULL);
    pieces++;
    if (status != PARAGON_DONE) fail("piece %d %d %d %d: status %d", piece.left, piece.top, piece.right, piece.bottom, status);
}

static ParagonPiece whole(const Scene* scene) { return (ParagonPiece){0, 0, scene->image.width, scene->image.height}; }

// What is checked

// Pieces of a random grid, one after another in any order: each writes its own pixels only, and all are the whole.
static void check_pieces(const ParagonUpscaler* by, Scene* scene, const char* expected) {
    const int w = scene->image.width, h = scene->image.height, s = scene->scale;
    const int size = SAMPLE_SIZES[scene->image.sample];
    const int across[4] = {0, (int)next(w + 1), w, w}, down[4] = {0, (int)next(h + 1), h, h};
    char* before = memory(scene->out.size);
    memset(scene->out.whole, 0xa5, scene->out.size);
    const int first = (int)next(4);
    for (int k = 0; k < 4; k++) {
        const int i = (first + k) % 2, j = (first + k) / 2 % 2;
        const ParagonPiece piece = {across[i], down[j], across[i + 1], down[j + 1]};
        if (piece.left == piece.right || piece.top == piece.bottom) continue;
        memcpy(before, scene->out.whole, scene->out.size);
        upscale(by, &scene->image, piece);
        for (int n = 0; n < scene->planes; n++)  // undo it by hand in `before`; then nothing may differ
            for (int y = s * piece.top; y < s * piece.bottom; y++)
                for (int x = s * piece.left; x < s * piece.right; x++) {
                    char* to = at(&scene->out.planes[n], x, y);
                    memcpy(before + (to - scene->out.whole), to, size);
                }
        if (memcmp(before, scene->out.whole, scene->out.size))
            fail("a piece wrote beyond its pixels: %d %d %d %d", piece.left, piece.top, piece.right, piece.bottom);
    }
    if (memcmp(expected, scene->out.whole, scene->out.size)) fail("pieces differ from the whole image, cut at %d, %d", across[1], down[1]);
    free(before);
}

// Integers are the rounded and clipped floats of the same image, and floats are clipped on request.
static void check_samples(const ParagonUpscaler* by, Scene* scene, const ParagonNetwork* of, const float* expected, int sample) {
    const int w = scene->image.width * scene->scale, h = scene->image.height * scene->scale;
    scene->image.clip = 1;
    upscale(by, &scene->image, whole(scene));
    for (int i = 0; i < scene->planes; i++)
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++) {
                const float value = expected[((int64_t)i * h + y) * w + x];
                const float clipped = fminf(fmaxf(value, 0), of->peak);
                const float wanted = sample == PARAGON_FLOAT32 ? clipped : nearbyintf(clipped);
                const float found = get(at(&scene->out.planes[i], x, y), sample);
                if (found != wanted) fail("sample kind %d at %d, %d, plane %d: %.9g instead of %.9g", sample, x, y, i, found, value);
            }
}

typedef struct Share {
    const ParagonUpscaler* by;
    const Scene* scene;
    int first, status;
} Share;

static void* every_other_row(void* given) {
    Share* share = given;
    for (int y = share->first; y < share->scene->image.height && !share->status; y += 2) {
        const ParagonPiece piece = {0, y, share->scene->image.width, y + 1};
        share->status = paragon_upscale(share->by, &share->scene->image, &piece, NULL);
    }
    return NULL;
}

// Two threads use one network and write to one image.
static void check_threads(const ParagonUpscaler* by, Scene* scene, const char* expected) {
    Share shares[2] = {{by, scene, 0, 0}, {by, scene, 1, 0}};
    pthread_t threads[2];
    memset(scene->out.whole, 0xa5, scene->out.size);
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, every_other_row, &shares[i])) fail("no thread");
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    if (shares[0].status || shares[1].status) fail("a thread ended with status %d, %d", shares[0].status, shares[1].status);
    if (memcmp(expected, scene->out.whole, scene->out.size)) fail("threads differ from the whole image");
}

static void check_endings(const ParagonUpscaler* by, Scene* scene) {
    const int32_t cancelled = 1;
    const ParagonPiece all = whole(scene), empty = {0, 0, 0, 1}, beyond = {0, 0, all.right, all.bottom + 1};
    if (paragon_upscale(by, &scene->image, &all, &cancelled) != PARAGON_CANCELLED) fail("it cannot be cancelled");
    if (paragon_upscale(by, &scene->image, &empty, NULL) != PARAGON_REFUSED) fail("an empty piece is taken");
    if (paragon_upscale(by, &scene->image, &beyond, NULL) != PARAGON_REFUSED) fail("a piece outside the image is taken");
    if (paragon_working_memory(by, all.right, all.bottom, 0) < 1) fail("it works without memory");
    if (scene->image.sample != PARAGON_FLOAT32) return;
    char* pixel = at(&scene->in.planes[scene->planes - 1], all.right - 1, all.bottom - 1);
    set(pixel, PARAGON_FLOAT32, NAN);
    if (paragon_upscale(by, &scene->image, &all, NULL) != PARAGON_NOT_FINITE) fail("NaN is not reported");
    set(pixel, PARAGON_FLOAT32, 0);
}

static void check_refusals(const char* instructions) {
    ParagonNetwork of = random_network(0);
    const int64_t count = random_weights(&of, NULL);
    float* weights = calloc(count + 1, sizeof(float));
    if (!weights) fail("out of memory");
    if (paragon_create(&of, weights, count - 1, instructions)) fail("too few weights are taken");
    if (paragon_create(&of, weights, count + 1, instructions)) fail("too many weights are taken");
    if (paragon_create(&of, weights, count, "mmx")) fail("unknown instructions are taken");
    of.scale = 5;
    if (paragon_create(&of, weights, count, instructions)) fail("a scale of 5 is taken");
    free(weights);
}

// Values of one instruction set may differ from another's by the order of sums: share of the largest value.
static const float ROUNDING = 1e-5f;

static void compare(const float* found, float** first, int64_t count, const char* instructions) {
    if (!*first) {
        *first = memory(count * sizeof(float));
        memcpy(*first, found, count * sizeof(float));
        return;
    }
    float most = 0;
    for (int64_t i = 0; i < count; i++) most = fmaxf(most, fabsf((*first)[i]));
    for (int64_t i = 0; i < count; i++)
        if (!(fabsf(found[i] - (*first)[i]) <= ROUNDING * most))
            fail("%s differs: %.9g instead of %.9g, of up to %.9g", instructions, found[i], (*first)[i], most);
}

// One image through one network, in one instruction set or, to write the result, in the best.
static void run(int index, const int size[2], int margin, int write) {
    const uint32_t seed = (uint32_t)index * 7919u + (uint32_t)size[0] * 31u + (uint32_t)size[1] + 1u;
    float* first = NULL;
    for (int k = write ? -1 : 0; k < (write ? 0 : LENGTH(INSTRUCTIONS)); k++) {
        state = seed;
        const ParagonNetwork of = random_network(index);
        const char* instructions = k < 0 ? NULL : INSTRUCTIONS[k];
        ParagonUpscaler* by = create(&of, instructions);
        if (!by && write) fail("the processor has none of the instruction sets");
        if (!by) continue;
        Scene scene = new_scene(&of, size[0], size[1], margin);
        const int separate = (int)next(2), joined = (int)next(2), flipped = (int)next(2), spare = (int)next(3);
        const int64_t count = (int64_t)of.planes * size[0] * size[1] * of.scale * of.scale;
        lay_out(&scene, PARAGON_FLOAT32, 0, 0, 0, separate);
        upscale(by, &scene.image, whole(&scene));
        images++;
        float* expected = memory(count * sizeof(float));
        memcpy(expected, scene.out.whole, count * sizeof(float));
        if (write) {
            for (int64_t i = 0; i < count; i++) printf(i ? " %.9g" : "%.9g", expected[i] / of.peak);
            puts("");
        } else {
            compare(expected, &first, count, instructions);
            check_pieces(by, &scene, (char*)expected);
            check_threads(by, &scene, (char*)expected);
            check_endings(by, &scene);
        }
        free_pixels(&scene);
        for (int sample = 0; sample < 3 && !write; sample++) {
            if (of.peak == 1 && sample != PARAGON_FLOAT32) continue;
            if (of.peak > 255 && sample == PARAGON_UINT8) continue;
            lay_out(&scene, sample, joined, flipped, spare * SAMPLE_SIZES[sample], separate);
            check_samples(by, &scene, &of, expected, sample);
            char* result = memory(scene.out.size);
            memcpy(result, scene.out.whole, scene.out.size);
            check_pieces(by, &scene, result);
            free(result);
            free_pixels(&scene);
        }
        free(expected);
        free_scene(&scene);
        paragon_destroy(by);
    }
    free(first);
}

// Colours

static ParagonTaps random_taps(int scale, int end) {
    ParagonTaps taps = {0};
    taps.first = (int)next(2 * scale + 1) - 2 * scale;
    const int most = 2 * scale + end - taps.first;
    taps.count = 1 + (int)next(most < PARAGON_MOST_TAPS ? most : PARAGON_MOST_TAPS);
    for (int t = 0; t < taps.count; t++) taps.weights[t] = between(-0.3f, 0.6f);
    return taps;
}

// A filter of a factor of 1 has one tap, where the sample itself is.
static ParagonTaps no_taps(void) {
    ParagonTaps taps = {0, 1, {1}};
    return taps;
}

static ParagonColour random_colour(void) {
    static const int factors[] = {1, 2, 4};
    static const float peaks[] = {255, 1023, 1};
    const int sample = (int)next(3);
    ParagonColour colour = {.sample = sample, .matrix = (int)next(3), .down = factors[next(3)], .across = factors[next(3)]};
    colour.peak = peaks[sample];
    const float spans[] = {colour.peak, between(0.8f, 1) * colour.peak};
    colour.luma = (ParagonSpan){spans[0], 1 / spans[0], 0};
    colour.chroma = (ParagonSpan){spans[1], 1 / spans[1], between(0.4f, 0.6f) * colour.peak};
    for (int i = 0; i < LENGTH(colour.to_rgb); i++) colour.to_rgb[i] = between(0.1f, 1.8f);
    for (int i = 0; i < LENGTH(colour.from_rgb); i++) colour.from_rgb[i] = between(0.1f, 0.8f);
    for (int p = 0; p < colour.down; p++) colour.up_rows[p] = colour.down > 1 ? random_taps(1, 1) : no_taps();
    for (int p = 0; p < colour.across; p++) colour.up_columns[p] = colour.across > 1 ? random_taps(1, 1) : no_taps();
    colour.down_rows = colour.down > 1 ? random_taps(colour.down, colour.down) : no_taps();
    colour.down_columns = colour.across > 1 ? random_taps(colour.across, colour.across) : no_taps();
    return colour;
}

// Planes of a frame, each of which ends with its last sample.
typedef struct Frame {
    ParagonPlane planes[3];
    int64_t sizes[3];
} Frame;

static Frame new_frame(int size, int spare, const int widths[3], const int heights[3]) {
    Frame frame = {0};
    for (int i = 0; i < 3; i++) {
        const int64_t row = (int64_t)(widths[i] + spare) * size;
        frame.sizes[i] = row * (heights[i] - 1) + (int64_t)widths[i] * size;
        frame.planes[i] = (ParagonPlane){memory(frame.sizes[i]), row, size};
        memset(frame.planes[i].data, 0x25, frame.sizes[i]);
    }
    return frame;
}

static void free_frame(Frame* frame) {
    for (int i = 0; i < 3; i++) free(frame->planes[i].data);
}

static void check_same(const Frame* found, const Frame* expected, const char* what) {
    for (int i = 0; i < 3; i++)
        if (memcmp(found->planes[i].data, expected->planes[i].data, found->sizes[i])) fail("%s differ", what);
}

// A frame to floats and back: the same bits in each instruction set, and those of the frame if nothing is mixed.
static void check_colours(uint32_t seed) {
    Frame first_floats = {0}, first_samples = {0};
    for (int k = 0; k < LENGTH(INSTRUCTIONS); k++) {
        state = seed;
        const ParagonColour colour = random_colour();
        const int width = 1 + (int)next(75), height = 1 + (int)next(40), spare = (int)next(3), size = SAMPLE_SIZES[colour.sample];
        const int across = colour.matrix ? colour.across : 1, down = colour.matrix ? colour.down : 1;
        const int widths[] = {width, (width + across - 1) / across, (width + across - 1) / across};
        const int heights[] = {height, (height + down - 1) / down, (height + down - 1) / down};
        const int whole_widths[] = {width, width, width}, whole_heights[] = {height, height, height};
        Frame given = new_frame(size, spare, widths, heights), samples = new_frame(size, spare, widths, heights);
        Frame floats = new_frame(4, spare, whole_widths, whole_heights);
        for (int i = 0; i < 3; i++)
            for (int y = 0; y < heights[i]; y++)
                for (int x = 0; x < widths[i]; x++) {
                    const float value = colour.sample == PARAGON_FLOAT32 ? between(-0.1f, 1.1f) : (float)next((uint32_t)colour.peak + 1);
                    set(at(&given.planes[i], x, y), colour.sample, value);
                }
        const int status = paragon_to_floats(&colour, width, height, given.planes, floats.planes, INSTRUCTIONS[k]);
        if (status == PARAGON_DONE) {
            if (paragon_to_samples(&colour, width, height, floats.planes, samples.planes, INSTRUCTIONS[k])) fail("no way back");
            if (!colour.matrix && memcmp(given.planes[0].data, samples.planes[0].data, given.sizes[0])) fail("grey differs");
            if (first_floats.planes[0].data) {
                check_same(&floats, &first_floats, "floats");
                check_same(&samples, &first_samples, "samples");
            } else {
                first_floats = floats;
                first_samples = samples;
                floats = samples = (Frame){0};
            }
            frames++;
        } else if (status != PARAGON_REFUSED) {
            fail("status %d of a conversion", status);
        }
        ParagonColour wrong = colour;
        wrong.matrix = PARAGON_YUV;
        wrong.down = 3;
        if (paragon_to_floats(&wrong, width, height, given.planes, given.planes, NULL) != PARAGON_REFUSED) fail("a factor of 3 is taken");
        free_frame(&given);
        free_frame(&samples);
        free_frame(&floats);
    }
    free_frame(&first_floats);
    free_frame(&first_samples);
}

int main(int count, char** arguments) {
    const char* command = count > 1 ? arguments[1] : "";
    const int write = !strcmp(command, "write"), every = count == 3 ? atoi(arguments[2]) : 0;
    if (paragon_version() != PARAGON_NATIVE_VERSION) fail("version %d", paragon_version());
    if (!strcmp(command, "which")) return puts(paragon_instructions()) < 0;
    if ((!write && strcmp(command, "check")) || every < 1) fail("driver which, or driver check|write N");
    if (!write)
        for (int k = 0; k < LENGTH(INSTRUCTIONS); k++) check_refusals(INSTRUCTIONS[k]);
    for (int i = 0; i < COLOURS && !write; i += every) check_colours((uint32_t)i + 1);
    for (int i = 0; i < NETWORKS * LENGTH(SIZES); i += every)
        run(i % NETWORKS, SIZES[i / NETWORKS], MARGINS[i / 3 % LENGTH(MARGINS)], write);
    paragon_destroy(NULL);
    if (!write) printf("%ld images, %ld pieces, %ld frames\n", images, pieces, frames);
    return 0;
}
