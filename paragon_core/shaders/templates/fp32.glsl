#define real float
#define real3 vec3
#define real4 vec4
#define real3x4 mat3x4
#define real4x3 mat4x3
#define real4x4 mat4
