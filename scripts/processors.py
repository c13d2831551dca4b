"""Variables that make libraries compute as on an older processor.

In order: the native kernel, oneDNN in torch, OpenVINO's own oneDNN, torch, OpenBLAS in numpy, MKL in torch. ONNX
Runtime obeys none. On arm64 they change nothing.
"""

from __future__ import annotations

PROCESSORS = {
    "sse4": {
        "PARAGON_NATIVE_MAX_ISA": "sse4",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "OV_CPU_MAX_ISA": "SSE41",
        "ATEN_CPU_CAPABILITY": "default",
        "OPENBLAS_CORETYPE": "NEHALEM",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    },
    "avx2": {
        "PARAGON_NATIVE_MAX_ISA": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OV_CPU_MAX_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "OPENBLAS_CORETYPE": "HASWELL",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
    "avx512": {
        "PARAGON_NATIVE_MAX_ISA": "avx512",
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
        "OV_CPU_MAX_ISA": "AVX512_CORE",
        "ATEN_CPU_CAPABILITY": "avx512",
        "OPENBLAS_CORETYPE": "SKYLAKEX",
        "MKL_ENABLE_INSTRUCTIONS": "AVX512",
    },
    "bf16": {
        "PARAGON_NATIVE_MAX_ISA": "avx512",
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16",
        "OV_CPU_MAX_ISA": "AVX512_CORE_BF16",
        "ATEN_CPU_CAPABILITY": "avx512",
        "OPENBLAS_CORETYPE": "COOPERLAKE",
        "MKL_ENABLE_INSTRUCTIONS": "AVX512_E1",
    },
}

#: Those on which every run of all tests repeats the tests marked ``processor``.
REPEATED = ("sse4", "avx2")
