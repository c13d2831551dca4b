// Working memory of one call: laid out first, taken in one piece, freed as a whole.
#pragma once

#include <cstdlib>

#include "vectors.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace PARAGON_KERNEL {
namespace {

constexpr size_t ALIGNMENT = 64;  // a line of the cache, and the widest vector

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t GAP = 128;  // between parts, so that AddressSanitizer sees what leaves one
#else
constexpr size_t GAP = 0;
#endif

// Hands out parts of a piece of memory, or only counts what they would take.
class Arena {
public:
    Arena() = default;
    explicit Arena(char* memory) : memory(memory) {}

    template <class T> T* take(size_t count) {
        const size_t size = count * sizeof(T), room = rounded_up(size, ALIGNMENT) + GAP;
        char* part = memory ? memory + used : nullptr;
        used += room;
#if defined(__SANITIZE_ADDRESS__)
        if (part) ASAN_POISON_MEMORY_REGION(part + size, room - size);
#endif
        return reinterpret_cast<T*>(part);
    }

    size_t used = 0;

private:
    char* memory = nullptr;
};

// Zeros, aligned; null where there is not that much.
class Memory {
public:
    explicit Memory(size_t size) : whole(calloc(1, size + ALIGNMENT)) {}
    ~Memory() { free(whole); }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    char* start() const {
        return whole ? reinterpret_cast<char*>(rounded_up(reinterpret_cast<uintptr_t>(whole), ALIGNMENT)) : nullptr;
    }

private:
    void* whole;
};

}  // namespace
}  // namespace PARAGON_KERNEL
