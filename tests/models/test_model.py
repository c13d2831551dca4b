"""Models: where the settings come from that no tensor holds, and that a model cannot be changed by accident."""

from __future__ import annotations

import copy
import hashlib
import multiprocessing
import pickle
import warnings
from dataclasses import FrozenInstanceError, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings

import paragon_core
from paragon_core.errors import AssumptionWarning, InputError, UnsupportedArchitectureError
from paragon_core.models import DEFAULT_MODEL
from paragon_core.models.checkpoint import Checkpoint
from paragon_core.models.detect import expected_shapes
from paragon_core.models.model import WEIGHTS, Model, bundled, from_checkpoint, load
from paragon_core.models.releases import OFFICIAL_RELEASES
from paragon_core.models.spec import FACTORY_ALPHA, ModelSpec, Variant
from tests.models.checkpoint_files import (
    SMALL,
    SMALL_PHOTO,
    as_stored,
    random_arrays,
    safetensors_file,
    specs,
    torch_file,
)
from tests.upscaling import spawned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL_OF: dict[Variant, ModelSpec] = {
    "realtime": SMALL,
    "stream": replace(SMALL, variant="stream"),
    "photo": SMALL_PHOTO,
    "pro": replace(SMALL, variant="pro", channels=16, attention=True),
}
PUBLISHED = (
    "v6_2xParagonSR2_Realtime_fidelity",
    "v11_2xParagonSR2_Realtime_fidelity",
    "v9_2xParagonSR2_Stream_fidelity",
    "v11_2xParagonSR2_Stream_fidelity",
    "v9_2xParagonSR2_Photo_fidelity",
)


def checkpoint(spec: ModelSpec = SMALL_PHOTO, *, name: str = "net", sha256: str = "0" * 64, **notes: str) -> Checkpoint:
    return Checkpoint(arrays=as_stored(spec), metadata=notes, sha256=sha256, name=name)


OFFICIAL = OFFICIAL_RELEASES[0].sha256


@pytest.mark.parametrize(
    ("source", "arguments", "alpha", "window", "says"),
    [
        # argument > metadata > table of official files > "fidelity" in the name > factory default with a warning
        (
            checkpoint(name="fidelity", sha256=OFFICIAL, upsampler_alpha="0.1", window_size="4"),
            {"upsampler_alpha": 0.2, "window_size": 8},
            0.2,
            8,
            "upsampler_alpha: argument; window_size: argument",
        ),
        (
            checkpoint(name="fidelity", sha256=OFFICIAL, upsampler_alpha="0.1", window_size="4"),
            {},
            0.1,
            4,
            "upsampler_alpha: file metadata; window_size: file metadata",
        ),
        (checkpoint(sha256=OFFICIAL), {}, 0.0, 16, "upsampler_alpha: official release v11_2xParagonSR2_Realtime"),
        (
            checkpoint(name="Net_FIDELITY_2x"),
            {"window_size": 16},
            0.0,
            16,
            'upsampler_alpha: file name contains "fidelity"',
        ),
        (checkpoint(upsampler_alpha="0.1"), {"window_size": 8}, 0.1, 8, "alpha: file metadata; window_size: argument"),
        (checkpoint(window_size="8"), {"upsampler_alpha": -1}, -1.0, 8, "alpha: argument; window_size: file metadata"),
        (checkpoint(window_size="8"), {"upsampler_alpha": 0}, 0.0, 8, "alpha: argument"),
        (checkpoint(SMALL, upsampler_alpha=" 5e-1 "), {}, 0.5, 16, "upsampler_alpha: file metadata"),
        (checkpoint(SMALL, upsampler_alpha="0", window_size="None"), {}, 0.0, 16, "upsampler_alpha: file metadata"),
    ],
)
def test_settings_come_from_the_best_source(
    source: Checkpoint, arguments: dict[str, Any], alpha: float, window: int, says: str
) -> None:
    model = from_checkpoint(source, **arguments)
    assert (model.spec.upsampler_alpha, model.spec.window_size) == (alpha, window)
    assert says in model.settings_from
    assert ("window_size" in model.settings_from) == model.spec.attention


@pytest.mark.parametrize("variant", SMALL_OF)
def test_factory_defaults_are_assumed_with_a_warning(variant: Variant) -> None:
    with pytest.warns(AssumptionWarning) as caught:
        model = from_checkpoint(checkpoint(SMALL_OF[variant], name="mine"))
    assert model.spec.upsampler_alpha == FACTORY_ALPHA[variant]
    assert model.spec.window_size == 16
    texts = [str(warning.message) for warning in caught]
    assert len(texts) == 1 + model.spec.attention
    assert f"mine: upsampler_alpha is not in the file; assumed {FACTORY_ALPHA[variant]:g}" in texts[0]
    assert all("window_size is not in the file; assumed 16" in text for text in texts[1:])
    assert "assumed factory default" in model.settings_from


def test_a_name_with_fidelity_does_not_say_the_window() -> None:
    with pytest.warns(AssumptionWarning, match="window_size") as caught:
        model = from_checkpoint(checkpoint(name="2x_photo_fidelity"))
    assert len(caught) == 1
    assert model.spec.upsampler_alpha == 0


def test_the_warning_points_at_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(safetensors_file(as_stored(SMALL)))
    with pytest.warns(AssumptionWarning) as caught:
        load(path)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"upsampler_alpha": float("nan")}, "upsampler_alpha must be"),
        ({"upsampler_alpha": 1e9}, "upsampler_alpha must be"),
        ({"upsampler_alpha": 0.0, "window_size": 0}, "window_size must be"),
    ],
)
def test_arguments_out_of_range_are_the_callers_fault(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        from_checkpoint(checkpoint(window_size="16"), **arguments)


def test_an_argument_overrides_broken_metadata() -> None:
    broken = checkpoint(SMALL, upsampler_alpha="sharp")
    with pytest.raises(UnsupportedArchitectureError, match=r"'sharp'.* not a number") as caught:
        from_checkpoint(broken)
    assert caught.value.hint == "give upsampler_alpha explicitly"
    assert from_checkpoint(broken, upsampler_alpha=0.1).spec.upsampler_alpha == 0.1


@given(spec=specs())
@settings(deadline=None)
def test_models_are_their_specs(spec: ModelSpec) -> None:
    model = from_checkpoint(checkpoint(spec), upsampler_alpha=spec.upsampler_alpha, window_size=spec.window_size)
    assert model.spec == spec
    assert {key: value.shape for key, value in model.arrays.items()} == expected_shapes(spec)


def same(copied: Model, model: Model) -> None:
    """Compare all that a model holds, bit for bit."""
    assert {**vars(copied), "arrays": 0} == {**vars(model), "arrays": 0}
    assert list(copied.arrays) == list(model.arrays)
    for key, value in copied.arrays.items():
        assert value.tobytes() == model.arrays[key].tobytes()
        assert value.dtype == np.float32
        assert value.shape == model.arrays[key].shape
        with pytest.raises(ValueError, match="read-only"):
            value[...] = 0
    for mapping in (copied.arrays, copied.metadata):
        with pytest.raises(TypeError):
            mapping["new"] = 0  # type: ignore[index]


COPIES: dict[str, Callable[[Model], Model]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda model, protocol=protocol: pickle.loads(pickle.dumps(model, protocol))  # type: ignore[misc]  # noqa: S301
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("variant", SMALL_OF)
def test_copies_are_the_same_model(variant: Variant, way: str) -> None:
    model = from_checkpoint(checkpoint(SMALL_OF[variant], upsampler_alpha="0.25", window_size="8", note="a"))
    copied = COPIES[way](model)
    same(copied, model)
    assert copied != model  # as before, a model is equal to itself only
    assert hash(copied.spec) == hash(model.spec)
    same(copied.without_attention(), model.without_attention())


def test_a_model_in_two_places_stays_one() -> None:
    model = from_checkpoint(checkpoint(SMALL, upsampler_alpha="0"))
    first, second = copy.deepcopy([model, model])
    assert first is second
    assert first is not model


def test_spawned_processes_take_models_and_make_the_same_pixels() -> None:
    models = [load("realtime-2x"), from_checkpoint(checkpoint(SMALL_PHOTO, upsampler_alpha="0", window_size="8"))]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for model, (returned, made, changeable) in zip(models, pool.map(spawned.answer, models), strict=True):
            same(returned, model)
            assert made == spawned.pixels(model)
            assert not changeable


@given(spec=specs())
@settings(deadline=None)
def test_without_attention_the_rest_is_the_same(spec: ModelSpec) -> None:
    model = from_checkpoint(checkpoint(spec), upsampler_alpha=spec.upsampler_alpha, window_size=spec.window_size)
    plain = model.without_attention()
    assert plain.spec == replace(spec, attention=False)
    assert {key: value.shape for key, value in plain.arrays.items()} == expected_shapes(plain.spec)
    assert all(plain.arrays[key] is model.arrays[key] for key in plain.arrays)
    assert (plain.name, plain.sha256, plain.metadata) == (model.name, model.sha256, model.metadata)
    assert model.spec == spec


def test_models_are_constant() -> None:
    source = checkpoint(SMALL, upsampler_alpha="0")
    model = from_checkpoint(source)
    key = "conv_in.weight"
    with pytest.raises(ValueError, match="read-only"):
        model.arrays[key][...] = 0
    with pytest.raises(TypeError):
        model.arrays[key] = np.zeros(1)  # type: ignore[index]
    with pytest.raises(TypeError):
        model.metadata["upsampler_alpha"] = "1"  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        model.name = "other"  # type: ignore[misc]
    source.arrays[key][...] = 0
    assert np.array_equal(model.arrays[key], random_arrays(SMALL)[key])


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ""])
def test_files_are_loaded_by_their_paths(suffix: str, tmp_path: Path, *, as_text: bool) -> None:
    path = tmp_path / f"my.net fidelity{suffix}" if suffix else tmp_path / "fidelity"
    content = torch_file(as_stored(SMALL)) if suffix == ".pth" else safetensors_file(as_stored(SMALL))
    path.write_bytes(content)
    model = paragon_core.load(str(path) if as_text else path)
    assert model.name == path.stem
    assert model.sha256 == hashlib.sha256(content).hexdigest()
    assert model.spec == replace(SMALL, upsampler_alpha=0.0)


def test_bundled_models_are_loaded_by_their_names() -> None:
    assert bundled()[0] == DEFAULT_MODEL
    assert bundled()[1:] == tuple(sorted(bundled()[1:]))
    for name in bundled():
        model = load(name)  # a warning would be an error here: bundled files hold all settings
        assert model.name == name
        assert f"-{model.spec.scale}x" in name
        assert model.spec.variant == name.split("-")[0]
        assert "assumed" not in model.settings_from
        assert model.sha256 == hashlib.sha256((WEIGHTS / f"{name}.safetensors").read_bytes()).hexdigest()


def test_a_bundled_name_wins_over_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "realtime-2x").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load("realtime-2x").spec.variant == "realtime"


@pytest.mark.parametrize("name", ["realtime-16x", "", "REALTIME-2X.", "models/realtime-2x"])
def test_names_that_are_nothing_are_refused(name: str) -> None:
    with pytest.raises(paragon_core.ParagonError) as caught:
        load(name)
    assert caught.value.hint


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_are_known_by_their_bytes(shared: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "renamed.safetensors"  # so that its name says nothing
    path.write_bytes((shared / f"weights/{name}.safetensors").read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = load(path)
    version, _, variant = name.split("_")[:3]
    assert model.spec.revision == version
    assert model.spec.variant == variant.lower()
    assert (model.spec.upsampler_alpha, model.spec.window_size, model.spec.scale) == (0.0, 16, 2)
    assert f"official release {name}" in model.settings_from
    assert load(path, upsampler_alpha=0.4).spec.upsampler_alpha == 0.4


def test_table_of_published_files_is_whole(shared: Path) -> None:
    assert {release.name for release in OFFICIAL_RELEASES} == set(PUBLISHED)
    for release in OFFICIAL_RELEASES:
        content = (shared / "weights" / release.file).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (release.sha256, release.size)


def test_published_file_of_another_family_is_refused(shared: Path) -> None:
    with pytest.raises(UnsupportedArchitectureError, match=r"before v5 \(dynamic kernels\)"):
        load(shared / "weights/v2_2xParagonSR2_Nano_Pretrain.safetensors")
