"""Weights as GLSL: numbers, matrices, sums of products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.graph.fused_weights import Array


@dataclass(frozen=True, kw_only=True)
class Types:
    """Names of the types of a computation, by the number of their values."""

    vectors: dict[int, str]
    """Values: name, for 1, 3 and 4 values."""
    matrices: dict[tuple[int, int], str]
    """(rows, columns): name; what GLSL calls matCxR."""


#: The types that the templates define in the shader's precision.
REAL = Types(
    vectors={1: "real", 3: "real3", 4: "real4"},
    matrices={(4, 4): "real4x4", (3, 4): "real4x3", (4, 3): "real3x4"},
)
#: Single precision, whatever the shader's.
SINGLE = Types(
    vectors={1: "float", 3: "vec3", 4: "vec4"},
    matrices={(4, 4): "mat4", (3, 4): "mat4x3", (4, 3): "mat3x4"},
)


def number(value: float) -> str:
    """Return a floating-point literal with seven digits, which is what single precision holds."""
    text = f"{float(value):.7g}"
    return text if any(mark in text for mark in ".e") else f"{text}.0"


def vector(values: Array, types: Types = REAL) -> str:
    """Return a constant of 1, 3 or 4 values."""
    return f"{types.vectors[values.size]}({','.join(map(number, values.reshape(-1)))})"


def product(matrix: Array, factor: str, types: Types = REAL) -> str:
    """Return ``matrix`` [rows, columns] times the vector (of one value: the number) that ``factor`` names."""
    rows, columns = matrix.shape
    if columns == 1:
        return f"{vector(matrix, types)} * {factor}"
    if rows == 1:
        return f"dot({vector(matrix, types)}, {factor})"
    by_column = ",".join(map(number, matrix.T.reshape(-1)))
    return f"{types.matrices[rows, columns]}({by_column}) * {factor}"


def sums(
    targets: Sequence[str], reads: Sequence[str], weight: Array, bias: Array, *, types: Types = REAL, step: str = "v"
) -> list[str]:
    """Return the statements of ``targets[t] = bias[t] + sum over r of weight[t, r] @ reads[r]``.

    Each value is read once, into the variable ``step``; products with nothing but zeros are left out.

    Args:
        targets: names of the results.
        reads: expressions of the values that go in.
        weight: [target, read, values of a result, values of a read].
        bias: [target, values of a result].
        types: of the arithmetic.
        step: name of the variable.

    """
    lines = [f"{target} = {vector(each, types)};" for target, each in zip(targets, bias, strict=True)]
    lines.append(f"{types.vectors[weight.shape[3]]} {step};")
    for read, matrices in zip(reads, weight.swapaxes(0, 1), strict=True):
        products = [
            f"{target} += {product(matrix, step, types)};"
            for target, matrix in zip(targets, matrices, strict=True)
            if np.any(matrix)
        ]
        lines += [f"{step} = {read};", *products] if products else []
    return lines


def function(signature: str, body: Sequence[str]) -> str:
    """Return the text of a function that returns nothing."""
    return "\n".join([f"void {signature} {{", *(f"    {line}" for line in body), "}", ""])
