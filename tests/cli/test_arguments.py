from __future__ import annotations

import argparse

import pytest

from paragon_core.cli.arguments import byte_count, count, image_size, seconds, tile_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("1500M", 1500 * 2**20), ("2G", 2**31), ("1.5GiB", 3 * 2**29), ("64 kb", 65536), ("1t", 2**40)],
)
def test_amounts_of_memory(text: str, size: int) -> None:
    assert byte_count(text) == size


@pytest.mark.parametrize(
    ("text", "tile"), [("auto", "auto"), ("off", "off"), ("512", 512), ("512x256", (512, 256)), ("8X9", (8, 9))]
)
def test_tiles(text: str, tile: object) -> None:
    assert tile_size(text) == tile


def test_sizes_and_counts() -> None:
    assert image_size("640x360") == (640, 360)
    assert count("12") == 12


@pytest.mark.parametrize(
    ("text", "time"), [("90", 90), ("1.5", 1.5), ("1:30", 90), ("0:01:30.5", 90.5), ("100:00", 6000), ("2:00:01", 7201)]
)
def test_times(text: str, time: float) -> None:
    assert seconds(text) == time


@pytest.mark.parametrize("text", ["", "-1", "x", "1:60", "1:60:00", "1:2:3:4", ":5", "1e3", "nan", "1:-5", "5s"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not"):
        seconds(text)


@pytest.mark.parametrize("read", [byte_count, count, image_size, tile_size])
@pytest.mark.parametrize("text", ["", "0", "-1", "x", "1x", "0x0", "1.5.2", "nan", "1e9", " "])
def test_nonsense(read: object, text: str) -> None:
    assert callable(read)
    with pytest.raises(argparse.ArgumentTypeError, match="is not"):
        read(text)
