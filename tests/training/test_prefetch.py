"""Batches that were drawn ahead are those that would have been drawn when they are needed, and so is the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from paragon_core.training.data import Patches, PatchOptions, PatchSource
from paragon_core.training.prefetch import PatchQueue

if TYPE_CHECKING:
    import numpy.typing as npt

    Images = list[npt.NDArray[np.uint8]]


@pytest.fixture
def source(images: Images) -> PatchSource:
    options = PatchOptions(low_size=16, batch_size=3, pattern_share=0.2)
    return PatchSource([images[:2], images[2:4]], scale=2, options=options)


def alike(one: Patches, other: Patches) -> bool:
    return np.array_equal(one.low, other.low) and np.array_equal(one.high, other.high)


def test_batches_and_states_are_those_of_drawing_one_by_one(source: PatchSource) -> None:
    queue, generator = PatchQueue(source, np.random.default_rng(4)), np.random.default_rng(4)
    assert queue.state == generator.bit_generator.state
    for _ in range(10):
        assert alike(queue.take(), source.draw(generator))
        assert queue.state == generator.bit_generator.state


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_it_goes_on_from_a_state(source: PatchSource, taken: int) -> None:
    queue = PatchQueue(source, np.random.default_rng(4))
    for _ in range(3):
        queue.take()
    state = queue.state
    wanted = [queue.take() for _ in range(3)]
    for again in (queue, PatchQueue(source, np.random.default_rng(0))):
        for _ in range(taken):
            again.take()
        again.restore(state)
        assert again.state == state
        assert all(alike(again.take(), each) for each in wanted)


def test_errors_reach_the_one_who_takes(source: PatchSource, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: np.random.Generator) -> Patches:
        raise MemoryError

    monkeypatch.setattr(source, "draw", fail)
    with pytest.raises(MemoryError):
        PatchQueue(source, np.random.default_rng(0)).take()
