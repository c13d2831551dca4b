// SCALE x SCALE pixels of the output: the detail of the network and the fixed base path.
#define PIXELS (SCALE * SCALE)

void detail(ivec2 at, out real_colour d[PIXELS]);
void base(colour image[3][3], out colour b[PIXELS]);

// What detail has too much where it saw beyond the border of the output.
void first_row(ivec2 at, inout real_colour d[PIXELS]);
void last_row(ivec2 at, inout real_colour d[PIXELS]);
void first_column(ivec2 at, inout real_colour d[PIXELS]);
void last_column(ivec2 at, inout real_colour d[PIXELS]);
void corners(ivec2 at, bvec2 first, bvec2 last, inout real_colour d[PIXELS]);

void hook() {
    load_tile();
    ivec2 at = LOCAL + REACH, p = ORIGIN + LOCAL;
    real_colour d[PIXELS];
    detail(at, d);
    bvec2 first = equal(p, ivec2(0)), last = equal(p, SIZE - 1);
    if (first.y)
        first_row(at, d);
    if (last.y)
        last_row(at, d);
    if (first.x)
        first_column(at, d);
    if (last.x)
        last_column(at, d);
    if (any(first) || any(last))
        corners(at, first, last, d);

    colour image[3][3], b[PIXELS];
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 3; x++) {
            ivec2 q = p + ivec2(x, y) - 1;
            image[y][x] = in_image(q) ? colour_of(source(q)) : colour(0.0);
        }
    base(image, b);
    float alpha = source(p).a;
    for (int i = 0; i < PIXELS; i++)
        imageStore(out_image, SCALE * p + ivec2(i % SCALE, i / SCALE), texel_of(b[i] + colour(d[i]), alpha));
}
