"""What the shaders cost is counted right, and shown in the documentation."""

from __future__ import annotations

import pytest

import paragon_core as paragon
from benchmarks.players.counts import ARTCNN_C4F16, count, table
from paragon_core.graph.fuse import fuse
from paragon_core.shaders.export import shader_text
from tests.docs.pages import PAGES
from tests.shaders.glsl_compilers import passes_of


def test_the_page_shows_these() -> None:
    assert "\n".join(table()) in PAGES["docs/players.md"]


def test_the_layers_of_a_network() -> None:
    """conv_in, three blocks, conv_mid, tail, and three taps for rows and columns of three colours."""
    counts = count(fuse(paragon.load("realtime-2x")))
    assert counts.multiplications == 432 + 3 * (512 + 288 + 512) + 2304 + 3072 + 90
    assert counts.repeated == pytest.approx((18 * 18 / 256 - 1) * (432 + 3 * 512))
    assert sum(9 * inputs * outputs for inputs, outputs in ARTCNN_C4F16) == 12_240


@pytest.mark.parametrize("model", ["realtime-2x", "realtime-4x"])
def test_texels_written_are_those_of_the_passes(model: str) -> None:
    network = paragon.load(model)
    sides = [int(each.directives["WIDTH"][0].split()[1]) for each in passes_of(shader_text(network))]
    assert count(fuse(network)).written == sum(side * side for side in sides)
