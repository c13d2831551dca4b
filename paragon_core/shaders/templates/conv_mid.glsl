void conv_mid(ivec2 at, out real4 f[4]);

void hook() {
    load_tile();
    real4 f[4];
    conv_mid(LOCAL + REACH, f);
    store(f);
}
