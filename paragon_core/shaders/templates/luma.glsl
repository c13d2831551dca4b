#define colour float
#define real_colour real
#define colour_of(texel) (texel).r
#define texel_of(value, alpha) vec4(value, 0.0, 0.0, alpha)
