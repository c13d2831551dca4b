from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.errors import InputError
from paragon_core.models.model import Model, load

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("one_thread")

from paragon_core.training.collapsed import CollapsedNetwork
from paragon_core.training.mixing import likeness, mix
from tests.training.field_errors import field_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from torch import Tensor

#: By how many levels of 255 areas of one colour may still be off, and so another correction may change an image.
ALMOST = 1.0


def network(model: Model, arrays: Mapping[str, npt.NDArray[np.float32]]) -> CollapsedNetwork:
    """Return a network of ``model``'s kind with these weights."""
    made = CollapsedNetwork(model.spec)
    made.load_arrays(arrays)
    return made


def detail(model: Model, arrays: Mapping[str, npt.NDArray[np.float32]], low: Tensor) -> Tensor:
    """Return what the learned part of a network makes of ``low``."""
    with torch.inference_mode():
        result: Tensor = network(model, arrays).double()(low.double())
    return result


def image(side: int) -> Tensor:
    """Return [1, 3, ``side``, ``side``] in 0..1 with soft edges."""
    small = torch.rand(1, 3, side // 4, side // 4, generator=torch.Generator().manual_seed(0))
    result: Tensor = torch.nn.functional.interpolate(small, size=(side, side), mode="bilinear")
    return result


@pytest.mark.parametrize("name", ["realtime-2x", "realtime-3x", "stream-2x"])
def test_a_network_mixed_with_itself_is_itself(name: str) -> None:
    model = load(name)
    change = detail(model, mix([model, model], [1, 3]), image(32)) - detail(model, model.arrays, image(32))
    assert 255 * change.abs().max() < ALMOST


@given(shares=st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), factor=st.floats(0.5, 2))
@settings(max_examples=5, deadline=None)
def test_what_is_linear_is_mixed_exactly(shares: tuple[float, float], factor: float) -> None:
    one = load("realtime-2x")
    # The tails differ, and both keep areas of one colour.
    other = replace(one, arrays=MappingProxyType({**one.arrays, "detail_gain": one.arrays["detail_gain"] * factor}))
    wanted = sum(
        share / sum(shares) * detail(model, model.arrays, image(20))
        for share, model in zip(shares, (one, other), strict=True)
    )
    mixed = detail(one, mix([one, other], shares), image(20))
    assert 255 * (mixed - wanted).abs().max() < ALMOST * max(1, factor)


@pytest.mark.parametrize("names", [("realtime-2x", "realtime-video-2x"), ("stream-4x", "stream-4x-sharp")])
def test_areas_of_one_colour_stay(names: tuple[str, str]) -> None:
    models = [load(name) for name in names]
    assert field_errors(network(models[0], mix(models, [1, 1]))).max() < ALMOST


def test_half_way_is_between_the_two() -> None:
    first, last = load("stream-4x"), load("stream-4x-sharp")
    half = replace(first, arrays=MappingProxyType(mix([first, last], [1, 1])))
    assert likeness([first, last]) < min(likeness([first, half]), likeness([half, last])) < 1


@pytest.mark.parametrize(
    ("names", "shares", "words"),
    [
        (["realtime-2x"], [1], "needs two"),
        (["realtime-2x", "realtime-video-2x"], [1], "2 networks and 1 shares"),
        (["realtime-2x", "realtime-video-2x"], [1, 0], "must be positive, not 1, 0"),
        (["realtime-2x", "realtime-video-2x"], [1, float("nan")], "must be positive"),
        (["realtime-2x", "realtime-video-2x"], [float("inf"), 1], "must be positive"),
        (["realtime-2x", "realtime-3x"], [1, 1], "differ in scale: 2 and 3"),
        (["realtime-2x", "stream-2x"], [1, 1], "differ in variant: realtime and stream"),
    ],
)
def test_what_cannot_be_mixed_is_refused(names: list[str], shares: list[float], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        mix([load(name) for name in names], shares)
    assert caught.value.hint


def test_strangers_are_refused() -> None:
    one = load("realtime-2x")
    order = np.random.default_rng(0).permutation(one.spec.channels)
    arrays = {
        key: array[order % len(array)] if array.ndim == 4 and len(array) == len(order) else array
        for key, array in one.arrays.items()
    }
    with pytest.raises(InputError, match="do not come from one another") as caught:
        mix([one, replace(one, arrays=MappingProxyType(arrays))], [1, 1])
    assert "--start-from" in str(caught.value.hint)
