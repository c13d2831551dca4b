"""The names that other programs call."""

from __future__ import annotations

import inspect
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest

import paragon_core as paragon
from paragon_core import errors
from tests.fresh_python import run

if TYPE_CHECKING:
    from pathlib import Path

PUBLIC = [
    "AssumptionWarning",
    "BackendInfo",
    "Model",
    "ModelSpec",
    "OutputSize",
    "ParagonError",
    "UpscaleOptions",
    "Upscaler",
    "__version__",
    "available_backends",
    "backends",
    "bundled",
    "export_onnx",
    "export_shader",
    "load",
    "upscale",
    "upscale_file",
    "upscale_video",
]


def test_the_public_names_are_these() -> None:
    assert paragon.__all__ == PUBLIC
    assert dir(paragon) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_explains_itself(name: str) -> None:
    value = getattr(paragon, name)
    assert getattr(paragon, name) is value or name == "backends"  # also the package of that name, and callable
    if name != "__version__":
        assert inspect.getdoc(value)


def test_every_public_name_can_be_fetched_first() -> None:
    result = run(f"""
        import importlib, sys
        for name in {PUBLIC}:
            for module in [module for module in sys.modules if module.startswith("paragon_core")]:
                del sys.modules[module]
            package = importlib.import_module("paragon_core")
            assert getattr(package, name) is not None
        exec("from paragon_core import *")
    """)
    assert result.stdout == ""


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match=r"'paragon_core' has no attribute 'sharpen'"):
        paragon.sharpen  # noqa: B018  (looking it up is what fails)
    with pytest.raises(ImportError):
        from paragon_core import sharpen  # noqa: F401, PLC0415


@pytest.mark.parametrize(
    "first",
    [
        "import paragon_core as paragon",
        "import paragon_core.backends.base, paragon_core as paragon",
        "from paragon_core.backends import choose; import paragon_core as paragon",
        "from paragon_core import backends; import paragon_core as paragon; assert backends()",
        "import paragon_core as paragon; paragon.Upscaler; paragon.backends()",
    ],
)
def test_backends_can_be_called_whatever_was_imported_first(first: str) -> None:
    result = run(f"""
        {first}
        print(*(info.name for info in paragon.backends()))
        import paragon_core.backends.onnxruntime
        assert paragon_core.backends.BACKENDS and paragon.backends()
    """)
    assert result.stdout.split() == ["tensorrt", "native", "openvino", "onnxruntime", "torch"]


def test_the_contract_of_the_readme(tmp_path: Path) -> None:
    model = paragon.load("realtime-2x", upsampler_alpha=0.0, window_size=16)
    assert isinstance(model, paragon.Model)
    assert isinstance(model.spec, paragon.ModelSpec)
    assert (model.spec.variant, model.spec.scale, model.spec.receptive_radius) == ("realtime", 2, 7)
    assert model.spec.revision in {"v6", "v9", "v11"}
    image = np.zeros((4, 6, 3), np.uint8)
    with paragon.Upscaler(model, backend="auto", precision="auto", tile="auto", fused=True, clip=True) as up:
        assert up(image).shape == (8, 12, 3)
    path = paragon.export_onnx(model, tmp_path / "m.onnx", fused=True, precision="fp32", size=None, io="float32")
    assert path.stat().st_size > 0
    for info in paragon.available_backends():
        assert isinstance(info, paragon.BackendInfo)
        assert {"name", "available", "reason", "hint", "version"} <= set(vars(info))
        assert info.available or info.hint
    assert "realtime-2x" in paragon.bundled()


def public_errors() -> list[type[Exception]]:
    return [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]


@pytest.mark.parametrize("kind", public_errors(), ids=lambda kind: kind.__name__)
def test_every_error_is_drawn_explained_and_survives_pickling(kind: type[Exception]) -> None:
    assert inspect.getdoc(kind)
    if issubclass(kind, Warning):
        return
    assert issubclass(kind, errors.ParagonError)
    assert kind.__name__ in (errors.__doc__ or "")
    error = pickle.loads(pickle.dumps(kind("what", hint="how")))  # noqa: S301  (our own)
    assert type(error) is kind
    assert (str(error), error.hint) == ("what", "how")


def test_the_version_is_one() -> None:
    assert all(part.isdigit() for part in paragon.__version__.split(".")[:2])
