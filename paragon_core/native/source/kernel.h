// What each instruction set offers to the interface.
#pragma once

#include <cstddef>

#include "paragon_native.h"

constexpr int MOST_BLOCKS = 64;  // of a network
constexpr int MOST_SCALE = 8;

struct Kernel {
    const char* name;
    size_t (*weights)(const ParagonNetwork&);  // how many a network has
    void* (*create)(const ParagonNetwork&, const float* weights);
    void (*destroy)(void*);
    int64_t (*working_memory)(const void*, const ParagonImage&, const ParagonPiece&);
    int (*upscale)(const void*, const ParagonImage&, const ParagonPiece&, const volatile int32_t* cancelled);
};

// Conversions of video samples; see colour.cpp.
struct Conversion {
    int (*to_floats)(const ParagonColour&, int width, int height, const ParagonPlane* from, const ParagonPlane* to);
    int (*to_samples)(const ParagonColour&, int width, int height, const ParagonPlane* from, const ParagonPlane* to);
};
