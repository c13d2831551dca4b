// The features around the group, zeros outside the image.
#define TILE (GROUP + 2 * REACH)
shared uvec2 tile[4][TILE][TILE];
#define TILED(quad, dy, dx) real4(UNPACK(tile[quad][at.y + (dy)][at.x + (dx)]))

void load_tile() {
    for (int i = THREAD; i < TILE * TILE; i += GROUP * GROUP) {
        ivec2 at = ivec2(i % TILE, i / TILE), p = ORIGIN + at - REACH;
        for (int quad = 0; quad < 4; quad++)
            tile[quad][at.y][at.x] = in_image(p) ? PACK(stored(p, quad)) : uvec2(0u);
    }
    barrier();
}
