// Working memory of one call: laid out first, taken in one piece, freed as a whole.
#pragma once

#include <cstdlib>

#include "vectors.h"

namespace PARAGON_KERNEL {
namespace {

constexpr size_t ALIGNMENT = 64;  // a line of the cache, and the widest vector

// Hands out parts of a piece of memory, or only counts what they would take.
class Arena {
public:
    Arena() = default;
    explicit Arena(char* memory) : memory(memory) {}

    template <class T> T* take(size_t count) {
        char* part = memory ? memory + used : nullptr;
        used += rounded_up(count * sizeof(T), ALIGNMENT);
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
