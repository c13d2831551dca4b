#define colour vec3
#define real_colour real3
#define colour_of(texel) (texel).rgb
#define texel_of(value, alpha) vec4(value, alpha)
