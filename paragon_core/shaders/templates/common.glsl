// A group of 16x16 threads computes as many pixels of the source, each thread one.
#define GROUP 16
#define ORIGIN (ivec2(gl_WorkGroupID.xy) * GROUP)
#define LOCAL ivec2(gl_LocalInvocationID.xy)
#define THREAD (LOCAL.y * GROUP + LOCAL.x)
#define SIZE ivec2(HOOKED_size)

// In shared memory, four values are two integers: D3D11 has no halves there, and 32 KB.
#define PACK(v) uvec2(packHalf2x16(vec2((v).xy)), packHalf2x16(vec2((v).zw)))
#define UNPACK(v) vec4(unpackHalf2x16((v).x), unpackHalf2x16((v).y))

bool in_image(ivec2 p) {
    return all(greaterThanEqual(p, ivec2(0))) && all(lessThan(p, SIZE));
}

vec4 source(ivec2 p) {
    return HOOKED_mul * texelFetch(HOOKED_raw, clamp(p, ivec2(0), SIZE - 1), 0);
}
