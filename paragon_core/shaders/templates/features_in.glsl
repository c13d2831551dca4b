// The 16 features of a pixel are 2x2 texels.
real4 stored(ivec2 p, int quad) {
    return real4(texelFetch(FEATURES, 2 * clamp(p, ivec2(0), SIZE - 1) + ivec2(quad & 1, quad >> 1), 0));
}
