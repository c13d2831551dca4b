"""Layer sizes give the counts that were published."""

from __future__ import annotations

import pytest

from benchmarks.peers.networks import NETWORKS, Network

#: Pixels of the 1280x720 that published counts of operations are about.
PIXELS = 1280 * 720


def network(name: str, scale: int) -> Network:
    (found,) = (each for each in (make(scale) for make in NETWORKS) if each.name == name)
    return found


@pytest.mark.parametrize(
    ("name", "parameters"), [("Compact", 621_424), ("UltraCompact", 325_488), ("SuperUltraCompact", 52_968)]
)
def test_parameters_of_the_compact_networks_at_x4(name: str, parameters: int) -> None:
    assert network(name, 4).parameters == parameters


@pytest.mark.parametrize(("name", "scale", "thousands"), [("SPAN", 2, 481), ("SPAN", 4, 498), ("ESPCN", 4, 25)])
def test_parameters_in_thousands(name: str, scale: int, thousands: int) -> None:
    assert round(network(name, scale).parameters / 1000) == thousands


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_weights_of_fsrcnn(scale: int) -> None:
    assert network("FSRCNN", scale).macs == 12_464


@pytest.mark.parametrize(("scale", "published"), [(2, 6.0), (4, 4.6)])
def test_operations_of_fsrcnn(scale: int, published: float) -> None:
    """Published counts take the whole kernel of the deconvolution at each pixel of the result."""
    fsrcnn = network("FSRCNN", scale)
    *layers, last = fsrcnn.layers
    operations = sum(layer.weights for layer in layers) * PIXELS // scale**2 + last.weights * PIXELS
    assert round(operations / 1e9, 1) == published
    assert fsrcnn.macs * PIXELS // scale**2 < operations


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("place", range(len(NETWORKS)))
def test_layers_fit_together(place: int, scale: int) -> None:
    each = NETWORKS[place](scale)
    assert each.layers[0].inputs == (1 if each.luma else 3)
    if each.structure != "span":  # where one layer sees four others
        assert all(before.outputs == after.inputs for before, after in zip(each.layers, each.layers[1:], strict=False))
    last = each.layers[-1]
    assert last.outputs * last.stride**2 == each.layers[0].inputs * scale**2


def test_names_differ() -> None:
    assert len({make(2).name for make in NETWORKS}) == len(NETWORKS)


def test_quality_is_of_the_scale_or_unknown() -> None:
    two, four = network("FSRCNN", 2).published, network("FSRCNN", 4).published
    assert two is not None
    assert four is not None
    assert all(two.psnr[name] > four.psnr[name] for name in ("Set5", "Set14"))
    assert network("FSRCNN", 3).published is None
    assert network("Compact", 2).published is None
