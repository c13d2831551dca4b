"""Nothing here runs where VapourSynth is missing (Python 3.11 has none)."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("vapoursynth") else ["*"]

if find_spec("vapoursynth"):
    # Before the core loads its plugins: vs-mlrt's brings an OpenVINO of its own, and only the first one loads.
    import openvino  # noqa: F401
