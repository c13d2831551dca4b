void prepare() {
}

void features(ivec2 at, out real4 f[4]) {
    for (int quad = 0; quad < 4; quad++)
        f[quad] = stored(ORIGIN + at - 1, quad);
}
