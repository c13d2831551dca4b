// Half precision where the compiler knows it. Mesa's OpenGL does not, and allows no #extension this far down.
#ifdef GL_EXT_shader_explicit_arithmetic_types_float16
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : enable
#define real float16_t
#define real3 f16vec3
#define real4 f16vec4
#define real3x4 f16mat3x4
#define real4x3 f16mat4x3
#define real4x4 f16mat4
#else
#define real float
#define real3 vec3
#define real4 vec4
#define real3x4 mat3x4
#define real4x3 mat4x3
#define real4x4 mat4
#endif
