"""The text of weights, computed: GLSL's expressions are Python's, if types and products are defined."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.shaders import glsl
from paragon_core.shaders.passes import template

#: Seven digits of each weight.
PRECISION = 1e-6


class Matrix:
    """A GLSL matrix, made from its columns."""

    def __init__(self, rows: int, values: tuple[float, ...]) -> None:
        self.values = np.reshape(values, (-1, rows)).T

    def __mul__(self, vector: Any) -> Any:
        return self.values @ vector


def vector(*values: float) -> Any:
    return np.array(values) if len(values) > 1 else values[0]


GLSL: dict[str, Any] = {
    "dot": np.dot,
    **dict.fromkeys(("real", "real3", "real4"), vector),
    "real4x4": lambda *values: Matrix(4, values),
    "real3x4": lambda *values: Matrix(4, values),
    "real4x3": lambda *values: Matrix(3, values),
}


@given(value=st.floats(-1e30, 1e30))
def test_a_number_is_a_float_to_glsl_and_keeps_its_value(value: float) -> None:
    text = glsl.number(value)
    assert {".", "e"} & set(text)
    assert float(text) == pytest.approx(value, rel=PRECISION)


@given(
    shape=st.sampled_from([(4, 4), (3, 4), (1, 4), (4, 3), (4, 1), (1, 1)]),
    targets=st.integers(1, 3),
    reads=st.integers(1, 3),
    kept=st.sets(st.integers(0, 8)),
    seed=st.integers(0, 2**16),
)
def test_sums_of_products(shape: tuple[int, int], targets: int, reads: int, kept: set[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    rows, columns = shape
    weight, bias = random.normal(size=(targets, reads, rows, columns)), random.normal(size=(targets, rows))
    for place in set(range(targets * reads)) - kept:
        weight[divmod(place, reads)] = 0
    values = random.normal(size=(reads, columns))
    names = [f"d[{i}]" for i in range(targets)]
    lines = glsl.sums(names, [f"value({i})" for i in range(reads)], weight, bias)

    results: list[Any] = [None] * targets
    scope = GLSL | {"d": results, "value": lambda i: vector(*values[i])}
    declared = lines.pop(targets)
    assert declared == f"{glsl.REAL.vectors[columns]} v;"
    for line in lines:
        exec(line, scope)  # noqa: S102 - that the text computes the sums is the point
    assert np.allclose(np.reshape(results, bias.shape), np.einsum("trij,rj->ti", weight, values) + bias, atol=1e-5)
    assert sum(" += " in line for line in lines) == len(kept & set(range(targets * reads)))


def test_gelu_is_as_close_as_its_comment_says() -> None:
    body = template("block.glsl").partition("vec4 gelu(vec4 x) {\n")[2].partition("return")[0]
    x = np.linspace(-12, 12, 24001)
    scope: dict[str, Any] = {"abs": np.abs, "min": np.minimum, "vec4": np.asarray, "x": x}
    for line in body.split(";")[:-1]:
        exec(line.strip().removeprefix("vec4 "), scope)  # noqa: S102 - that the text computes it is the point
    approximation = np.maximum(x, 0) - scope["t"] * scope["r"]
    exact = np.array([value * 0.5 * math.erfc(-value / math.sqrt(2)) for value in x])
    assert np.abs(approximation - exact).max() < 1.3e-4
