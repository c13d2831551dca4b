"""Nothing here runs where VapourSynth is missing (Python 3.11 has none)."""

from __future__ import annotations

from importlib.util import find_spec

_SPEC = find_spec("vapoursynth")
_PRESENT = _SPEC is not None and _SPEC.origin is not None  # a mere folder is what our own plugin lies in

collect_ignore_glob = [] if _PRESENT else ["*"]

if _PRESENT:
    # Before the core loads its plugins: vs-mlrt's brings an OpenVINO of its own, and only the first one loads.
    import openvino  # noqa: F401
