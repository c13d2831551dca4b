"""Patterns are hard, always the same for the same seed, and answered as Lanczos answers them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from paragon_core.errors import InputError
from paragon_core.training.data import PatchOptions, PatchSource
from paragon_core.training.patterns import PATTERN_KINDS, PatternAnswer, PatternKind, pattern_pair

if TYPE_CHECKING:
    import numpy.typing as npt


@given(seed=st.integers(0, 2**32), size=st.integers(8, 40), scale=st.integers(2, 4))
def test_a_pattern_comes_with_lanczos_answer(seed: int, size: int, scale: int) -> None:
    low, high = pattern_pair(np.random.default_rng(seed), size, scale)
    assert low.shape == (size, size, 3)
    assert high.shape == (scale * size, scale * size, 3)
    assert low.dtype == high.dtype == np.uint8
    again = pattern_pair(np.random.default_rng(seed), size, scale)
    assert np.array_equal(low, again[0])
    reduced = np.asarray(Image.fromarray(high).resize((size, size), Image.Resampling.BOX)).astype(int)
    assert np.abs(reduced - low).mean() < 100  # the same place, and the same way up; another one is off by 128


def test_most_patterns_change_from_pixel_to_pixel() -> None:
    random = np.random.default_rng(0)
    steps = [np.abs(np.diff(pattern_pair(random, 32, 2)[0].astype(int), axis=axis)).max() for axis in (0, 1) * 100]
    assert np.mean(np.array(steps) == 255) > 0.6


def test_the_usual_kinds_are_drawn_as_ever() -> None:
    digest = hashlib.sha256()
    for seed in range(40):
        random = np.random.default_rng(seed)
        digest.update(pattern_pair(random, 24, 2)[0].tobytes())
        digest.update(str(random.bit_generator.state["state"]["state"]).encode())
    assert digest.hexdigest() == "2c0b26990004c0fdc212f2d9bfb4fdb491a98c07819d787e4bd9ed2da14a7b87"


def drawn(kind: PatternKind, seed: int, size: int = 32) -> npt.NDArray[np.uint8]:
    return pattern_pair(np.random.default_rng(seed), size, 2, kinds=(kind,))[0]


@pytest.mark.parametrize("kind", PATTERN_KINDS)
@given(seed=st.integers(0, 2**32), size=st.integers(8, 40))
def test_all_but_noise_and_fields_have_two_colours_at_most(kind: PatternKind, seed: int, size: int) -> None:
    pattern = drawn(kind, seed, size)
    assert pattern.shape == (size, size, 3)
    assert kind in {"noise", "fields"} or len(np.unique(pattern.reshape(-1, 3), axis=0)) <= 2


def rare_pixels(kind: PatternKind, seeds: range) -> list[npt.NDArray[np.bool_]]:
    """Return for each pattern of two colours where the less common one is."""
    masks = []
    for seed in seeds:
        pattern = drawn(kind, seed)
        mask = (pattern != pattern[0, 0]).any(axis=2)
        if mask.any():  # both colours may have come out the same
            masks.append(mask if mask.mean() <= 0.5 else ~mask)
    return masks


def test_speckles_are_from_a_pixel_to_half_of_them() -> None:
    counts = np.array([mask.sum() for mask in rare_pixels("speckles", range(200))])
    assert counts.min() == 1
    assert 0.4 < counts.max() / 32**2 <= 0.5
    assert 8 < np.median(counts) < 50  # in the middle of the logarithms is a density of 1.6 %


def test_a_single_line_goes_from_side_to_side() -> None:
    masks = rare_pixels("single lines", range(200))
    for mask in masks:
        row_counts, column_counts = mask.sum(axis=0), mask.sum(axis=1)
        # One pixel in every row that it passes through or, if it is flat, in every column.
        assert set(row_counts) <= {0, 1} or set(column_counts) <= {0, 1}
        edge = np.ones_like(mask)
        edge[1:-1, 1:-1] = False
        assert (mask & edge).any()
    assert len({mask.tobytes() for mask in masks}) > 100


def test_noise_is_grey_or_coloured_of_all_levels_or_of_two() -> None:
    found = [drawn("noise", seed) for seed in range(40)]
    grey = [bool((pattern == pattern[:, :, :1]).all()) for pattern in found]
    two = [set(np.unique(pattern)) == {0, 255} for pattern in found]
    assert len(set(zip(grey, two, strict=True))) == 4
    assert all(np.abs(pattern.mean() - 127.5) < 15 for pattern in found)


def test_text_has_gaps_between_rows_and_glyphs() -> None:
    for mask in rare_pixels("text", range(50)):
        for axis, period in ((1, 8), (0, 6)):
            uniform = [bool(line.all() or not line.any()) for line in (mask if axis else mask.T)]
            assert any(all(uniform[start::period]) for start in range(period))


def test_fields_are_even_up_to_hard_edges() -> None:
    for seed in range(50):
        pattern = drawn("fields", seed)
        assert 1 <= len(np.unique(pattern.reshape(-1, 3), axis=0)) <= 12
        edges = (np.diff(pattern.astype(int), axis=1) != 0).any(axis=2)
        assert edges.mean() < 0.4
    assert len({drawn("fields", seed).tobytes() for seed in range(50)}) == 50


@pytest.mark.parametrize("kind", ["dither", "halftones"])
def test_screens_are_lighter_on_one_side(kind: PatternKind) -> None:
    slopes = []
    for mask in rare_pixels(kind, range(50)):
        halves = [mask[:16], mask[16:], mask[:, :16], mask[:, 16:]]
        slopes.append(np.ptp([half.mean() for half in halves]))
    assert np.median(slopes) > 0.2


def test_large_checkers_are_squares_of_two_to_five() -> None:
    sides = set()
    for mask in rare_pixels("large checkers", range(60)):
        changes = np.flatnonzero(np.diff(mask[0].astype(int)))
        sides |= set(np.diff(changes))
    assert sides == {2, 3, 4, 5}


@pytest.mark.parametrize("kind", PATTERN_KINDS)
@given(seed=st.integers(0, 2**32), size=st.integers(16, 40))
def test_the_hamming_answer_keeps_range_and_mean(kind: PatternKind, seed: int, size: int) -> None:
    low, high = pattern_pair(np.random.default_rng(seed), size, 2, kinds=(kind,), answer="hamming")
    assert low.min() <= high.min()
    assert high.max() <= low.max()
    # What a pixel at the edge gives to neighbours outside stays with it: no sum of weights differs from 1.
    assert abs(high.mean() - low.mean()) < 0.5


def test_unknown_answers_are_refused() -> None:
    nearest: PatternAnswer = "nearest"  # type: ignore[assignment]
    with pytest.raises(InputError, match="pattern_answer"):
        PatchOptions(pattern_answer=nearest)


@pytest.mark.parametrize("kinds", [("stripes",), ("checkers", "stripes")])
def test_unknown_kinds_are_refused(kinds: tuple[PatternKind, ...]) -> None:
    with pytest.raises(InputError, match="pattern_kinds"):
        PatchOptions(pattern_kinds=kinds)


def test_only_the_kinds_that_were_asked_for_are_drawn() -> None:
    patches = source(1, kinds=("noise",)).draw(np.random.default_rng(0)).low
    assert all(
        len(np.unique(patch.reshape(-1, 3), axis=0)) > 7 or set(np.unique(patch)) == {0, 255} for patch in patches
    )


def source(pattern_share: float, kinds: tuple[PatternKind, ...] = ()) -> PatchSource:
    grey = np.full((60, 60, 3), 128, np.uint8)
    options = PatchOptions(low_size=16, batch_size=100, pattern_share=pattern_share, pattern_kinds=kinds)
    return PatchSource([[grey]], scale=2, options=options)


def test_a_share_of_the_patches_is_patterns() -> None:
    patches = source(0.3).draw(np.random.default_rng(0))
    hard = [patch for patch in patches.low if patch.std() > 0 or patch[0, 0, 0] != 128]
    assert 20 <= len(hard) <= 40
    assert (source(0).draw(np.random.default_rng(0)).low == 128).all()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_shares_outside_of_0_to_1_are_refused(share: float) -> None:
    with pytest.raises(InputError, match="pattern_share"):
        PatchOptions(pattern_share=share)
