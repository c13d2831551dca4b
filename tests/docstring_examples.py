"""The examples in docstrings, run as they stand there."""

from __future__ import annotations

import doctest
from typing import TYPE_CHECKING, Any

import numpy as np

import paragon_core as paragon

if TYPE_CHECKING:
    from collections.abc import Callable


def run_examples(function: Callable[..., Any]) -> None:
    """Run the examples of a function and compare what they print; there has to be one."""
    (test,) = doctest.DocTestFinder(recurse=False).find(function, function.__name__)
    test.globs = {"np": np, "paragon": paragon}
    assert test.examples
    report: list[str] = []
    assert doctest.DocTestRunner().run(test, out=report.append).failed == 0, "".join(report)
