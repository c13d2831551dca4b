// All of a network in one instruction set: compiled once for each, with PARAGON_KERNEL as its name.
#include "kernel.h"

#include "piece.h"

namespace PARAGON_KERNEL {
namespace {

#define PARAGON_TEXT(name) #name
#define PARAGON_NAME(name) PARAGON_TEXT(name)

size_t weights(const ParagonNetwork& of) {
    Network network = {};
    network.of = of;
    Arena counting;
    return pack(network, counting, of, nullptr);
}

// A network and all that it points to, in one piece of memory.
void* create(const ParagonNetwork& of, const float* given) {
    Network network = {};
    network.of = of;
    Arena counting;
    counting.take<Network>(1);
    pack(network, counting, of, nullptr);
    char* whole = static_cast<char*>(calloc(1, counting.used + ALIGNMENT));
    if (!whole) return nullptr;
    const ptrdiff_t shift = reinterpret_cast<char*>(rounded_up(reinterpret_cast<uintptr_t>(whole) + 1, ALIGNMENT)) - whole;
    whole[shift - 1] = static_cast<char>(shift - 1);  // where the memory begins
    Arena arena(whole + shift);
    Network* made = arena.take<Network>(1);
    pack(network, arena, of, given);
    *made = network;
    return made;
}

void destroy(void* network) {
    char* made = static_cast<char*>(network);
    free(made - 1 - made[-1]);
}

int64_t working_memory(const void* network, const ParagonImage& image, const ParagonPiece& piece) {
    return static_cast<int64_t>(Piece(*static_cast<const Network*>(network), image, piece).lay_out(nullptr) + ALIGNMENT);
}

int upscale(const void* network, const ParagonImage& image, const ParagonPiece& piece, const volatile int32_t* cancelled) {
    Piece work(*static_cast<const Network*>(network), image, piece);
    const Memory memory(work.lay_out(nullptr));
    if (!memory.start()) return PARAGON_OUT_OF_MEMORY;
    work.lay_out(memory.start());
    return work.run(cancelled);
}

}  // namespace

extern const Kernel kernel;
const Kernel kernel = {PARAGON_NAME(PARAGON_KERNEL), weights, create, destroy, working_memory, upscale};

}  // namespace PARAGON_KERNEL
