"""Which networks there are, and what follows from their numbers."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.errors import InputError
from paragon_core.models.spec import REVISIONS, SCALES, ModelSpec, Revision, Variant, preset
from tests.models.checkpoint_files import SMALL, SMALL_PHOTO, specs

PRESETS = [(variant, revision) for variant, revisions in REVISIONS.items() for revision in revisions]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    ("variant", "fields"),  # table of spec §1: channels, groups, blocks, upsampler_alpha, attention
    [
        ("realtime", (16, 1, 3, 0.3, False)),
        ("stream", (32, 2, 3, 0.0, False)),
        ("photo", (64, 4, 4, 0.4, True)),
        ("pro", (64, 6, 6, 0.4, True)),
    ],
)
def test_presets_are_upstreams(variant: Variant, fields: tuple[Any, ...], scale: int) -> None:
    spec = preset(variant, scale)
    assert (spec.variant, spec.scale, spec.window_size) == (variant, scale, 16)
    assert (spec.channels, spec.groups, spec.blocks, spec.upsampler_alpha, spec.attention) == fields
    assert spec.hidden == 2 * fields[0]
    assert spec.block_count == fields[1] * fields[2]


@pytest.mark.parametrize(("variant", "revision"), PRESETS)
def test_presets_exist_in_every_revision_and_the_newest_is_the_default(variant: Variant, revision: Revision) -> None:
    assert preset(variant, 2, revision=revision).revision == revision
    assert preset(variant, 2).revision == REVISIONS[variant][-1]


@pytest.mark.parametrize(
    ("variant", "changes", "radius"),
    [
        ("realtime", {}, 7),  # spec §4, measured on upstream's code
        ("stream", {}, 28),
        ("photo", {"attention": False}, 20),
        ("photo", {}, None),
        ("pro", {"attention": False}, None),
        ("pro", {}, None),
    ],
)
@pytest.mark.parametrize("scale", SCALES)
def test_receptive_radius(variant: Variant, changes: dict[str, Any], radius: int | None, scale: int) -> None:
    assert replace(preset(variant, scale), **changes).receptive_radius == radius


@given(spec=specs())
def test_receptive_radius_covers_the_base_path_and_grows_with_the_body(spec: ModelSpec) -> None:
    radius = spec.receptive_radius
    larger = replace(spec, blocks=spec.blocks + 1).receptive_radius
    assert (radius is None) == (spec.attention or spec.variant == "pro")
    if radius is not None:
        assert larger is not None
        assert 4 <= radius < larger


@given(spec=specs())
def test_windows_are_shifted_in_every_other_block(spec: ModelSpec) -> None:
    shifts = [spec.shift_of_block(index) for index in range(6)]
    assert shifts == [0, spec.window_size // 2] * 3
    assert spec.size_multiple == (spec.window_size if spec.attention else 1)


@given(spec=specs())
def test_specs_are_values(spec: ModelSpec) -> None:
    again = ModelSpec(**asdict(spec))
    assert again == spec
    assert hash(again) == hash(spec)
    assert pickle.loads(pickle.dumps(spec)) == copy.deepcopy(spec) == copy.copy(spec) == spec  # noqa: S301
    assert hash(copy.deepcopy(spec)) == hash(spec)
    assert replace(spec, scale=2 if spec.scale != 2 else 3) != spec
    with pytest.raises(FrozenInstanceError):
        spec.scale = 4  # type: ignore[misc]


@pytest.mark.parametrize(("alpha", "softens"), [(0.0, False), (-0.3, False), (1e-6, True), (0.4, True), (1.5, True)])
def test_alpha_softens_only_above_zero(alpha: float, *, softens: bool) -> None:
    assert replace(SMALL, upsampler_alpha=alpha).softens is softens


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"variant": "nano"}, "variant 'nano' is not one of realtime, stream, photo, pro"),
        ({"revision": "v8"}, "revision 'v8' of realtime is not one of v6, v9, v11"),
        ({"variant": "stream", "revision": "v6"}, "revision 'v6' of stream"),
        ({"variant": "photo"}, "revision 'v11' of photo is not one of v9"),
        ({"variant": "pro", "revision": "v9"}, "revision 'v9' of pro"),
        ({"scale": 1}, "scale 1 is not one of 2, 3, 4, 8"),
        ({"scale": 6}, "scale 6"),
        ({"channels": 0}, "channels must be at least 1, not 0"),
        ({"groups": 0}, "groups must be"),
        ({"blocks": -1}, "blocks must be"),
        ({"window_size": 0}, "window_size must be"),
        ({"window_size": 65}, "window_size must be at most 64, not 65"),
        ({"attention": True}, "realtime networks have no attention"),
        ({"upsampler_alpha": float("nan")}, "upsampler_alpha must be a finite number"),
        ({"upsampler_alpha": float("inf")}, "upsampler_alpha must be"),
        ({"upsampler_alpha": -1e6}, "upsampler_alpha must be"),
    ],
)
def test_impossible_networks_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        replace(SMALL, **changes)


@given(channels=st.integers(1, 70))
def test_attention_needs_heads_of_equal_width(channels: int) -> None:
    if channels % 4:
        with pytest.raises(InputError, match="multiple of 4"):
            replace(SMALL_PHOTO, channels=channels)
    else:
        assert replace(SMALL_PHOTO, channels=channels).channels == channels
    assert replace(SMALL_PHOTO, channels=channels, attention=False).channels == channels


@pytest.mark.parametrize("scale", [0, 1, 5, 16])
def test_presets_of_other_scales_do_not_exist(scale: int) -> None:
    with pytest.raises(InputError, match="scale"):
        preset("realtime", scale)


def test_preset_of_another_revision_does_not_exist() -> None:
    with pytest.raises(InputError, match="revision"):
        preset("photo", 2, revision="v11")
