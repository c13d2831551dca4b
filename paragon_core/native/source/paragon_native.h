// The interface of the native kernel: a ParagonSR2 network of the kinds realtime and stream on a processor, in float32;
// and the colours of videos.
//
// C, so that Python loads it by ctypes and other programs can link it. No function throws, starts threads or keeps
// state outside of what it returns. Calls with the same network may run at once, each on its own piece of an image.
#ifndef PARAGON_NATIVE_H
#define PARAGON_NATIVE_H

#include <stdint.h>

#if defined(_WIN32)
#define PARAGON_API __declspec(dllexport)
#else
#define PARAGON_API __attribute__((visibility("default")))
#endif

// Changes whenever a structure or the meaning of an argument does.
#define PARAGON_NATIVE_VERSION 3

#ifdef __cplusplus
extern "C" {
#endif

enum ParagonStatus {
    PARAGON_DONE = 0,
    PARAGON_OUT_OF_MEMORY = 1,
    PARAGON_NOT_FINITE = 2,  // a result was infinite or not a number; the piece was written all the same
    PARAGON_CANCELLED = 3,
    PARAGON_REFUSED = 4,  // the arguments contradict each other
};

// What the body's blocks are.
enum ParagonBlock {
    PARAGON_NANO_GELU = 0,
    PARAGON_NANO_HARDSWISH = 1,  // Hardswish before and after the depthwise convolution
    PARAGON_STREAM = 2,
    PARAGON_STREAM_CLAMPED = 3,  // the gated product is clamped; the bound follows the weights of each block
};

enum ParagonSample { PARAGON_UINT8 = 0, PARAGON_UINT16 = 1, PARAGON_FLOAT32 = 2 };

typedef struct ParagonNetwork {
    int32_t block;     // a ParagonBlock
    int32_t channels;  // C, width of the feature maps
    int32_t blocks;    // in the whole body
    int32_t group;     // consecutive blocks with a skip around them; 0 without such skips
    int32_t scale;     // 2, 3, 4 or 8
    int32_t planes;    // channels of the image: 1 or 3
    float softening;   // upsampler_alpha: share of the softened image in the base path; 0 for none
    // Values of the image for a value of 1 in the weights' own range: 255 if the weights are for bytes.
    float peak;
} ParagonNetwork;

typedef struct ParagonPlane {
    void* data;      // the first sample
    int64_t row;     // bytes from a sample to the one below
    int64_t column;  // bytes from a sample to the one on its right
} ParagonPlane;

typedef struct ParagonImage {
    int32_t width, height;  // of the image, in pixels
    int32_t margin;         // pixels by which it is continued on each side before the network sees it
    int32_t sample;         // a ParagonSample, of all planes
    int32_t clip;           // floats only: whether results are clipped to 0..peak
    // Which column, and row, of the image stands at each place of the continued one: width + 2 margin, and
    // height + 2 margin numbers. The network sees zeros further out.
    const int32_t* columns;
    const int32_t* rows;
    ParagonPlane in[3];
    ParagonPlane detail[3];  // what the detail path sees instead of `in`, if data is not null
    // [scale * height, scale * width]. Samples of a row stand next to each other: either those of one plane, or those
    // of all planes pixel by pixel.
    ParagonPlane out[3];
} ParagonImage;

// The pixels of the image from (left, top) to before (right, bottom) whose upscaled pixels are to be computed.
typedef struct ParagonPiece {
    int32_t left, top, right, bottom;
} ParagonPiece;

typedef struct ParagonUpscaler ParagonUpscaler;

// What a pixel of a video is made of.
enum ParagonMatrix {
    PARAGON_PLAIN = 0,  // one plane, each sample on its own: grey, or one of R, G and B
    PARAGON_YUV = 1,    // luma, and two differences from it
    PARAGON_YCGCO = 2,
};

// Luma samples for a chroma sample, across or down, are 1, 2 or 4.
enum { PARAGON_MOST_FACTOR = 4, PARAGON_MOST_TAPS = 17 };

// Samples and the floats that they stand for: float = (sample - zero) * inverse, sample = float * scale + zero.
typedef struct ParagonSpan {
    float scale, inverse, zero;
} ParagonSpan;

// A filter: what it makes at place 0 is the sum of weights[t] * sample first + t.
typedef struct ParagonTaps {
    int32_t first, count;
    float weights[PARAGON_MOST_TAPS];
} ParagonTaps;

// How samples of a video are to be read or written.
typedef struct ParagonColour {
    int32_t sample;        // a ParagonSample; floats are taken as they are, without ParagonSpan
    int32_t matrix;        // a ParagonMatrix
    int32_t down, across;  // luma samples for a chroma sample
    float peak;            // largest sample
    ParagonSpan luma, chroma;
    // Of PARAGON_YUV: red - luma for a Cr of 1, blue - luma for a Cb of 1, and luma - green for each of these two.
    float to_rgb[4];
    float from_rgb[5];  // weights of red, green and blue in luma; Cb for a blue - luma of 1, and Cr likewise
    // Chroma at luma sample factor * k + p, from chroma samples k + first ...
    ParagonTaps up_rows[PARAGON_MOST_FACTOR], up_columns[PARAGON_MOST_FACTOR];
    // Chroma sample k, from luma samples factor * k + first ...
    ParagonTaps down_rows, down_columns;
} ParagonColour;

// PARAGON_NATIVE_VERSION of the library.
PARAGON_API int32_t paragon_version(void);

// Best instruction set that this processor and the library have: "avx512", "avx2", "neon", or "" if there is none.
PARAGON_API const char* paragon_instructions(void);

// Make a network. `weights` is what packing.py writes, `count` their number. `instructions` is one that the processor
// has, null for the best. Returns null if the arguments contradict each other or memory runs out.
PARAGON_API ParagonUpscaler* paragon_create(const ParagonNetwork* network, const float* weights, int64_t count,
                                            const char* instructions);

PARAGON_API void paragon_destroy(ParagonUpscaler* upscaler);

// Bytes of working memory that a call of paragon_upscale takes for a piece of this size at most.
PARAGON_API int64_t paragon_working_memory(const ParagonUpscaler* upscaler, int32_t width, int32_t height,
                                           int32_t separate_detail);

// Upscale a piece of an image; returns a ParagonStatus. Another thread may set *cancelled to anything but 0 to end it
// soon. No byte outside the piece's own pixels is written, no sample outside the image is read.
PARAGON_API int32_t paragon_upscale(const ParagonUpscaler* upscaler, const ParagonImage* image,
                                    const ParagonPiece* piece, const volatile int32_t* cancelled);

// Convert samples of a video of this size to float32 of 0..1, and float32 to samples, rounded to nearest. PARAGON_PLAIN
// has one plane; the others have luma, Cb and Cr for samples, and R, G and B for floats. Samples of a row are next to each
// other. Returns a ParagonStatus. `instructions` are as for paragon_create, and change no bit of the result.
PARAGON_API int32_t paragon_to_floats(const ParagonColour* colour, int32_t width, int32_t height,
                                      const ParagonPlane* samples, const ParagonPlane* floats,
                                      const char* instructions);
PARAGON_API int32_t paragon_to_samples(const ParagonColour* colour, int32_t width, int32_t height,
                                       const ParagonPlane* floats, const ParagonPlane* samples,
                                       const char* instructions);

#ifdef __cplusplus
}
#endif

#endif
