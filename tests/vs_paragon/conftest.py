"""Nothing here runs where VapourSynth is missing (Python 3.11 has none)."""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_SPEC = find_spec("vapoursynth")
_PRESENT = _SPEC is not None and _SPEC.origin is not None  # a mere folder is what our own plugin lies in

if _PRESENT:
    # Before the core loads its plugins: vs-mlrt's brings an OpenVINO of its own, and only the first one loads.
    with suppress(ImportError):
        import openvino  # noqa: F401


class _Skipped(pytest.Module):
    """A file of tests that is not even imported."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        pytest.skip("needs VapourSynth")


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Not `collect_ignore`, which does not hold for files that are named on the command line."""
    return None if _PRESENT else _Skipped.from_parent(parent, path=module_path)
