"""spandrel opens ParagonSR2 files as `paragon_core.load` does, and nothing else becomes one."""

from __future__ import annotations

import copy
import importlib
import inspect
import io
import pkgutil
import warnings
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from paragon_core.errors import AssumptionWarning, BackendUnavailableError, CheckpointError, WeightError
from paragon_core.models.model import bundled, load
from paragon_core.models.spec import REVISIONS, SCALES, Variant, preset
from tests.fresh_python import run
from tests.imports import imported_by
from tests.interop.real_spandrel import imported
from tests.models.checkpoint_files import SMALL, SMALL_PHOTO, as_stored, random_arrays, safetensors_file, specs
from tests.random_models import batch, random_model
from tests.random_models import spec as small
from tests.upscalers import ROUNDING

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from torch import Tensor

    from paragon_core.models.spec import ModelSpec

spandrel = imported()

from paragon_core.interop.network import AutoFusedParagonSR2
from paragon_core.interop.spandrel import describe, register
from paragon_core.interop.state_dicts import is_paragon, model_of
from paragon_core.network import ParagonSR2

PRESETS = [preset(variant, 2, revision=revision) for variant, known in REVISIONS.items() for revision in known]


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return spandrel's loader with a registry of this test's, and without the user's own folders of models."""
    monkeypatch.setenv("PARAGON_MODELS", str(tmp_path / "none"))
    registry = spandrel.MAIN_REGISTRY.copy()
    register(registry=registry)
    return spandrel.ModelLoader(registry=registry)


def state_of(spec: ModelSpec, seed: int = 0) -> dict[str, Tensor]:
    return {key: torch.tensor(value) for key, value in as_stored(spec, seed).items()}


def saved(content: object) -> io.BytesIO:
    stream = io.BytesIO()
    torch.save(content, stream)
    stream.seek(0)
    return stream


def assumptions(loader: Any, state: dict[str, Tensor]) -> tuple[ModelSpec, str]:
    """Load a state dict; return what it is taken for, and what is said about it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        spec = loader.load_from_state_dict(dict(state)).model.spec
    assert all(issubclass(each.category, AssumptionWarning) for each in caught)
    return spec, "\n".join(str(each.message) for each in caught)


@pytest.mark.filterwarnings("ignore::paragon_core.errors.AssumptionWarning")
@given(specs())
@settings(max_examples=15, deadline=None)
def test_every_kind_of_network_is_recognised_by_us_alone(spec: ModelSpec) -> None:
    state = state_of(spec)
    assert is_paragon(state)
    assert not [each.architecture.id for each in spandrel.MAIN_REGISTRY if each.detect(dict(state))]
    descriptor = describe(model_of(state))
    assert (descriptor.scale, descriptor.model.spec.variant) == (spec.scale, spec.variant)
    is_local = descriptor.model.spec.receptive_radius is not None
    assert descriptor.tiling == (spandrel.ModelTiling.SUPPORTED if is_local else spandrel.ModelTiling.DISCOURAGED)
    image = torch.from_numpy(batch(2, 5, 7))
    assert descriptor(image).shape == (2, 3, 5 * spec.scale, 7 * spec.scale)


@pytest.mark.parametrize("spec", PRESETS, ids=lambda spec: f"{spec.variant}-{spec.revision}")
def test_the_sizes_that_are_published_are_recognised_by_us_alone(spec: ModelSpec) -> None:
    for scale in SCALES:
        state = state_of(preset(spec.variant, scale, revision=spec.revision))
        assert [each.architecture.id for each in spandrel.MAIN_REGISTRY if each.detect(dict(state))] == []
        assert is_paragon(state)


def other_networks() -> list[tuple[str, dict[str, Tensor]]]:
    """Return state dicts of spandrel's own architectures, all that can be made from their defaults."""
    found = []
    for each in pkgutil.iter_modules(importlib.import_module("spandrel.architectures").__path__):
        if each.name in {"AuraSR", "LaMa", "GFPGAN", "RestoreFormer", "IPT"}:  # hundreds of megabytes each
            continue
        module = importlib.import_module(f"spandrel.architectures.{each.name}")
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, torch.nn.Module):
                with torch.device("meta"), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    try:
                        network: Any = kind()
                    except Exception:  # noqa: BLE001, S112 - some cannot be made without arguments, or not without data
                        continue
                found.append((name, dict(network.state_dict())))
    return found


def test_other_architectures_stay_what_they_are() -> None:
    others = other_networks()
    assert len(others) > 15
    assert [name for name, state in others if is_paragon(state)] == []


def test_registering_twice_is_registering_once_and_comes_first() -> None:
    registry = spandrel.MAIN_REGISTRY.copy()
    count = len(registry)
    assert register(registry=registry) is register(registry=registry)
    assert len(registry) == count + 1
    assert registry.architectures("detection")[0].architecture.id == "ParagonSR2"
    assert "ParagonSR2" not in spandrel.MAIN_REGISTRY


@pytest.mark.parametrize("name", bundled())
def test_a_bundled_file_gives_the_pixels_of_the_core(loader: Any, name: str, tmp_path: Path) -> None:
    model = load(name)
    path = tmp_path / "renamed.safetensors"
    path.write_bytes(safetensors_file(model.arrays))  # without its metadata
    descriptor = loader.load_from_file(path)
    image = torch.from_numpy(batch(1, 20, 33)) / 2 + 0.25
    with torch.inference_mode():
        expected = ParagonSR2.from_model(model)(image).clamp(0, 1)
    assert (descriptor(image) - expected).abs().max() < ROUNDING
    assert descriptor.model.spec == model.spec


@pytest.mark.parametrize("wrap", ["plain", "params", "ema", "prefixed", "compiled", "nested", "half"])
def test_what_our_loader_takes_spandrel_takes(loader: Any, wrap: str, tmp_path: Path) -> None:
    good, bad = state_of(SMALL), state_of(SMALL, seed=1)
    contents: dict[str, Any] = {
        "plain": good,
        "params": {"params": good, "epoch": 3},
        "ema": {"params": bad, "params_ema": good},
        "prefixed": {f"module.{key}": value for key, value in good.items()},
        "compiled": {f"module._orig_mod.{key}": value for key, value in good.items()} | {"step": torch.zeros(1)},
        "nested": {"state_dict": {"params_ema": good, "params": bad}, "iter": 1},
        "half": {key: value.half() for key, value in good.items()},
    }
    path = tmp_path / "fidelity.pth"
    path.write_bytes(saved(contents[wrap]).getvalue())
    register(registry=loader.registry, files=lambda: [path])
    descriptor = loader.load_from_file(path)
    ours = load(path)
    assert descriptor.model.spec == ours.spec
    for key, value in ours.arrays.items():
        np.testing.assert_array_equal(descriptor.model.state_dict()[key].numpy(), value)


def test_settings_come_from_the_file_with_these_weights(loader: Any, tmp_path: Path) -> None:
    state = state_of(SMALL_PHOTO)
    spec, said = assumptions(loader, state)
    assert spec.window_size == 16
    assert "upsampler_alpha" in said
    assert "window_size" in said
    noted, other = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    noted.write_bytes(safetensors_file(as_stored(SMALL_PHOTO), {"upsampler_alpha": "0.25", "window_size": "8"}))
    other.write_bytes(safetensors_file(as_stored(SMALL_PHOTO, seed=1), {"upsampler_alpha": "0.5", "window_size": "4"}))
    gone = tmp_path / "gone.safetensors"
    register(registry=loader.registry, files=lambda: [gone, other, noted])
    spec, said = assumptions(loader, state)
    assert (spec.upsampler_alpha, spec.window_size, said) == (0.25, 8, "")
    noted.write_bytes(safetensors_file(as_stored(SMALL_PHOTO), {"upsampler_alpha": "0.0", "window_size": "16"}))
    assert assumptions(loader, state)[0].upsampler_alpha == 0
    again = tmp_path / "c.safetensors"
    again.write_bytes(safetensors_file(as_stored(SMALL_PHOTO), {"upsampler_alpha": "0.75", "window_size": "16"}))
    register(registry=loader.registry, files=lambda: [again])
    assert "different settings" in assumptions(loader, state)[1]


HOSTILE: list[Any] = [
    None,
    {},
    [],
    {"conv_in.weight": 3},
    {3: torch.zeros(1)},
    {"params": {"params": {"params": {"params": {}}}}},
    {f"body.{index}.weight": torch.zeros(1) for index in range(20_000)},
    {"conv_in.weight": torch.zeros(1).expand(2**40)},
    {"conv_in.weight": torch.zeros([1] * 64)},
    {"conv_in.weight": torch.zeros(3, 3, device="meta"), "module.conv_in.weight": torch.zeros(1)},
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_what_may_be_anything_is_no_network_of_ours(content: object) -> None:
    assert not is_paragon(content)


@given(st.randoms(use_true_random=False), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_a_damaged_network_is_refused_with_words(generator: random.Random, count: int) -> None:
    state: dict[Any, Any] = dict(state_of(SMALL))
    for _ in range(count):
        key = generator.choice(sorted(state, key=str))
        damaged: list[Any] = [
            torch.zeros_like(torch.as_tensor(random_arrays(SMALL)[key]), dtype=torch.int32),
            torch.zeros(0),
            torch.full((4, 4), float("nan")),
            torch.zeros(1, device="meta"),
            torch.eye(2).to_sparse(),
            torch.zeros(1).expand(2**30),
            "\x1b[31m",
        ]
        state[key] = generator.choice(damaged)
    with pytest.raises(CheckpointError):
        model_of(state)
    is_paragon(state)


def test_weights_that_are_not_numbers_are_said_not_to_be(loader: Any) -> None:
    state = state_of(SMALL)
    state["conv_mid.bias"][0] = float("nan")
    with pytest.raises(WeightError, match=r"conv_mid\.bias"):
        loader.load_from_state_dict(state)


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:DeprecationWarning")
@pytest.mark.parametrize("variant", get_args(Variant))
def test_the_network_computes_the_same_with_and_without_gradients(variant: Variant) -> None:
    network = AutoFusedParagonSR2.from_model(random_model(small(variant)))
    image = torch.from_numpy(batch(1, 18, 13))
    slow = network(image)
    assert slow.requires_grad
    with torch.no_grad():
        fast = network(image)
    scale = max(1.0, float(slow.detach().abs().max()))
    assert (fast - slow).abs().max() < ROUNDING * scale
    assert network.train()(image).requires_grad
    traced = torch.jit.trace(network.eval(), image)
    assert (traced(image) - slow).abs().max() < ROUNDING * scale


def test_the_network_follows_its_parameters() -> None:
    first, second = (AutoFusedParagonSR2.from_model(random_model(SMALL, seed=seed)) for seed in (0, 1))
    image = torch.from_numpy(batch(1, 9, 8))
    with torch.inference_mode():
        wanted = second(image)
        first(image)
        first.load_state_dict(second.state_dict())
        assert torch.equal(first(image), wanted)
        first.conv_out.weight.data = first.conv_out.weight.data * 2
        assert not torch.equal(first(image), wanted)
        copied = copy.deepcopy(first)
        assert torch.equal(copied(image), first(image))
        assert torch.equal(torch.load(saved(first), weights_only=False)(image), first(image))
        assert first.double()(image.double()).dtype == torch.float64


def test_the_network_takes_a_state_dict_under_a_file_s_names() -> None:
    spec = preset("realtime", 2, revision="v6")
    network = AutoFusedParagonSR2.from_model(random_model(spec, seed=1))
    network.load_state_dict({f"module.{key}": value for key, value in state_of(spec).items()})
    other = AutoFusedParagonSR2.from_model(random_model(spec, seed=2))
    other.load_state_dict(network.state_dict())
    for key, value in network.state_dict().items():
        assert torch.equal(value, other.state_dict()[key])
    with pytest.raises(RuntimeError, match="Missing key"):
        network.load_state_dict({"conv_in.weight": torch.zeros(1)})


@pytest.mark.parametrize("name", ["realtime-2x", "stream-2x"])
def test_half_precision_stays_near(name: str) -> None:
    descriptor = describe(load(name))
    waves = np.sin(np.arange(24)[:, None] / 5 + np.arange(20) / 3) / 2 + 0.5
    image = torch.tensor(np.stack([waves, waves.copy()[::-1], waves**2])[None], dtype=torch.float32)
    expected = descriptor(image)
    for dtype, levels in ((torch.float16, 0.5), (torch.bfloat16, 2.5)):
        halved = copy.deepcopy(descriptor).to(dtype)
        result = halved(image.to(dtype))
        assert result.dtype == dtype
        assert 255 * (result.float() - expected).abs().max() < levels
        mixed = halved(image)  # into a network of another type
        assert mixed.dtype == torch.float32
        assert 255 * (mixed - expected).abs().max() < levels


def test_what_overflows_half_precision_is_computed_in_single() -> None:
    model = random_model(SMALL)
    network = AutoFusedParagonSR2.from_model(model)
    with torch.no_grad():
        network.conv_in.weight += 3e6
        network.conv_mid.weight *= 1e-8
    image = torch.from_numpy(batch(1, 8, 8))
    with torch.inference_mode():
        wanted = network(image)
        network.feature_dtype = torch.float16
        assert torch.equal(network(image), wanted)
        image[0, 0, 0, 0] = float("nan")
        assert torch.isnan(network(image)).any()


def test_spandrel_is_imported_by_nothing_else() -> None:
    assert (
        "spandrel"
        not in imported_by("import paragon_core, paragon_core.cli.main, paragon_core.upscaling.upscaler").packages
    )


def test_without_spandrel_the_error_names_the_remedy() -> None:
    code = (
        "from paragon_core.errors import BackendUnavailableError\n"
        "try:\n    import paragon_core.interop.spandrel\n"
        "except BackendUnavailableError as error:\n    print(error.hint)"
    )
    assert run(code, without=["spandrel"]).stdout.strip() == "pip install spandrel"
    assert issubclass(BackendUnavailableError, ImportError)
