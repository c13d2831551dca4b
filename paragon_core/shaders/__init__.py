"""The fused network as a shader for video players: GLSL in passes, weights included, in one file."""
