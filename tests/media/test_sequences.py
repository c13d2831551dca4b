"""Images with numbers in their names: patterns, what is there, and what is missing."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.errors import InputError, MediaError
from paragon_core.media.sequences import ImageSequence, SequencePattern

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TEXT = st.text(st.sampled_from("ab%0123.[]() "), max_size=6)


def pattern(text: str | Path) -> SequencePattern:
    found = SequencePattern.parse(text)
    assert found is not None
    return found


def touch(folder: Path, name: str, numbers: Iterable[int]) -> SequencePattern:
    for number in numbers:
        pattern(folder / name).path(number).touch()
    return pattern(folder / name)


@given(TEXT, st.integers(0, 9), TEXT, st.integers(0, 10**9))
def test_a_pattern_names_what_it_was_written_as(before: str, digits: int, after: str, number: int) -> None:
    escaped = [text.replace("%", "%%") for text in (before, after)]
    field = "%d" if digits < 2 else f"%0{digits}d"
    found = pattern(f"frames/x{escaped[0]}{field}{escaped[1]}y.png")
    assert found.path(number).name == f"x{before}{number:0{max(digits, 1)}d}{after}y.png"
    assert pattern(found.path_of_pattern) == found


@pytest.mark.parametrize("text", ["a.png", "100%.png", "%%d.png", "%s.png", "%6d.png", "%02d/a.png", "%D.png"])
def test_other_names_are_no_patterns(text: str) -> None:
    assert SequencePattern.parse(text) is None


def test_two_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="has 2 numbers") as caught:
        SequencePattern.parse("a%d_%d.png")
    assert "%06d" in caught.value.hint


@pytest.mark.parametrize(("name", "numbers"), [("f%03d.png", (998, 999, 1000, 1001)), ("%d.png", (8, 9, 10, 11))])
def test_numbers_may_grow_beyond_their_digits(tmp_path: Path, name: str, numbers: tuple[int, ...]) -> None:
    found = touch(tmp_path, name, numbers)
    for other in ("f98.png", "f0998.png", "f998.jpg", "xf998.png", "09.png", "f998.png.txt"):
        (tmp_path / other).touch()
    sequence = ImageSequence.of(found, Fraction(24))
    assert (sequence.first, sequence.count, sequence.rate) == (numbers[0], 4, Fraction(24))
    assert [path.name for path in sequence.paths()] == [found.path(number).name for number in numbers]
    assert sequence.changed() == max(path.stat().st_mtime_ns for path in sequence.paths())


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ((1, 3), "1 to 3): 2"),
        ((0, 1, 2, 6, 9), "0 to 9): 3 to 5, 7 to 8"),
        (range(0, 20, 2), "0 to 18): 1, 3, 5, 7, 9, and 4 more"),
    ],
)
def test_gaps_are_told_with_their_numbers(tmp_path: Path, numbers: Iterable[int], missing: str) -> None:
    found = touch(tmp_path, "%04d.png", numbers)
    with pytest.raises(MediaError) as caught:
        ImageSequence.of(found)
    assert f"images are missing in {tmp_path / '%04d.png'} ({missing}" in str(caught.value)
    assert caught.value.hint


def test_no_images_and_no_folder_are_told(tmp_path: Path) -> None:
    for wrong in (tmp_path / "%04d.png", tmp_path / "absent" / "%04d.png"):
        with pytest.raises(MediaError, match=r"absent|there is no image") as caught:
            ImageSequence.of(pattern(wrong))
        assert caught.value.hint


def test_images_that_are_gone_are_told(tmp_path: Path) -> None:
    sequence = ImageSequence.of(touch(tmp_path, "%d.png", (1, 2)))
    (tmp_path / "2.png").unlink()
    with pytest.raises(MediaError, match=r"2\.png"):
        sequence.changed()
