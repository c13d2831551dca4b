// The block begins with conv_in, which sees zeros outside the image.
shared real_colour image[GROUP + 4][GROUP + 4];
#define PIXEL(dy, dx) image[at.y + 1 + (dy)][at.x + 1 + (dx)]

void conv_in(ivec2 at, out real4 f[4]);

void prepare() {
    for (int i = THREAD; i < (GROUP + 4) * (GROUP + 4); i += GROUP * GROUP) {
        ivec2 at = ivec2(i % (GROUP + 4), i / (GROUP + 4)), p = ORIGIN + at - 2;
        image[at.y][at.x] = in_image(p) ? real_colour(colour_of(source(p))) : real_colour(0.0);
    }
    barrier();
}

void features(ivec2 at, out real4 f[4]) {
    conv_in(at, f);
}
