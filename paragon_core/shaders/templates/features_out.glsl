// The 16 features of a pixel become 2x2 texels.
void store(real4 f[4]) {
    for (int quad = 0; quad < 4; quad++)
        imageStore(out_image, 2 * (ORIGIN + LOCAL) + ivec2(quad & 1, quad >> 1), vec4(f[quad]));
}
