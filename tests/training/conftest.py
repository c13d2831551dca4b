from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    import numpy.typing as npt


def dead_leaves(side: int, seed: int) -> npt.NDArray[np.uint8]:
    """Return side x side x 3 pixels of discs that hide one another, the simplest model with the edges of photographs.

    D. Mumford, B. Gidas, "Stochastic models for generic images", 2001. Drawn at four times the size and averaged, so
    edges are as smooth as a lens would make them.
    """
    generator = np.random.default_rng(seed)
    fine = 4 * side
    rows, columns = np.mgrid[:fine, :fine]
    image = np.zeros((fine, fine, 3))
    for _ in range(300):
        row, column = generator.uniform(0, fine, 2)
        radius = fine * 0.02 / generator.uniform(0.05, 1)
        inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
        image[inside] = generator.uniform(0, 255, 3)
    averaged: npt.NDArray[np.float64] = image.reshape(side, 4, side, 4, 3).mean((1, 3))
    return averaged.round().astype(np.uint8)


@pytest.fixture(scope="session")
def images() -> list[npt.NDArray[np.uint8]]:
    """Six images of 96x96 to train on; the last two are for validation."""
    return [dead_leaves(96, seed) for seed in range(6)]


@pytest.fixture
def one_thread() -> None:
    """Let torch add up in one order: sums of several threads differ in the last bit."""
    pytest.importorskip("torch").set_num_threads(1)
