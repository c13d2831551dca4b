"""Own kernels for NVIDIA cards, in Triton: realtime and stream in fp16, with sums in fp32.

Layer by layer, a graphics card spends nearly all its time on reading and writing feature maps. Here each map between
two kernels is written once and read once, and bytes go in and come out. `packing` writes a fused network the way the
kernels take it, `kernels` holds them, and `program` runs one after the other. Only `packing` does without torch and
Triton; torch's backend imports the rest when it opens a session.
"""
