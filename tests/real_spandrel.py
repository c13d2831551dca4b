"""The real spandrel next to a build of torch that torchvision does not suit.

Two of its architectures import functions of torchvision. In the tests' environment that is not installed, so while
spandrel is imported, a module stands in for it whose functions nobody calls.
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
    stands_in = importlib.util.find_spec("torchvision") is None
    if stands_in:
        for name in MODULES:
            sys.modules[name] = types.ModuleType(name)
        for name in NAMES:
            setattr(sys.modules[MODULES[-1]], name, object)
    try:
        return pytest.importorskip("spandrel")
    finally:
        if stands_in:
            for name in MODULES:
                del sys.modules[name]
