"""The network as a scaler of vs-jetpack."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import vapoursynth as vs

import vs_paragon
from paragon_core.errors import BackendUnavailableError
from tests.vs_paragon.clips import natural_clip, natural_yuv, planes_of
from vs_paragon import upscale


def test_it_is_imported_only_when_asked_for() -> None:
    program = "import sys, vs_paragon; print(any(name.startswith(('vsscale', 'vstools')) for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_without_vs_jetpack_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vsscale", None)
    monkeypatch.setitem(sys.modules, "vsscale.generic", None)
    monkeypatch.delitem(sys.modules, "vs_paragon.scaler", raising=False)
    with pytest.raises(BackendUnavailableError, match="vs-jetpack") as caught:
        _ = vs_paragon.Scaler
    assert "pip install" in str(caught.value.hint)


def test_other_names_are_missing_as_ever() -> None:
    assert not hasattr(vs_paragon, "Downscaler")


@pytest.fixture(scope="module")
def vsscale() -> Any:
    return pytest.importorskip("vsscale", reason="pip install vsjetpack")


def test_doubling_is_upscaling(vsscale: Any) -> None:
    clip = natural_clip(length=2)
    scaler = vs_paragon.Scaler(backend="onnxruntime", precision="fp32")
    assert isinstance(scaler, vsscale.BaseGenericScaler)
    found = planes_of(scaler.supersample(clip, 2), 1)
    expected = planes_of(upscale(clip, backend="onnxruntime", precision="fp32"), 1)
    assert np.array_equal(found, expected)


@pytest.mark.usefixtures("vsscale")
@pytest.mark.parametrize(
    ("size", "passes"), [((60, 44), 0), ((30, 22), 0), ((90, 66), 1), ((60, 60), 1), ((200, 150), 2)], ids=str
)
def test_any_size_in_as_many_passes_as_it_needs(size: tuple[int, int], passes: int) -> None:
    clip = natural_yuv(vs.GRAYS, length=1)
    scaler = vs_paragon.Scaler("realtime-2x", backend="onnxruntime", precision="fp32", padding="edge")
    result = scaler.scale(clip, *size)
    assert (result.width, result.height, result.format.id) == (*size, vs.GRAYS)
    source = clip
    for _ in range(passes):
        source = upscale(source, backend="onnxruntime", precision="fp32", padding="edge")
    expected = source.resize.Bicubic(*size, filter_param_a=0, filter_param_b=0.5)
    assert np.abs(planes_of(result)[0] - planes_of(expected)[0]).max() <= 1e-5


def test_rescale_takes_it(vsscale: Any) -> None:
    if not hasattr(vs.core, "descale"):
        pytest.skip("pip install vapoursynth-descale")
    kernel = pytest.importorskip("vskernels").Bilinear()
    low = natural_yuv(vs.GRAYS, width=60, height=40, length=1)
    clip = kernel.scale(low, 90, 60)
    rescaled = vsscale.Rescale(clip, 40, kernel, upscaler=vs_paragon.Scaler(backend="onnxruntime"))
    assert (rescaled.doubled.width, rescaled.doubled.height) == (120, 80)
    doubled = planes_of(upscale(rescaled.descale, backend="onnxruntime"))[0]
    assert np.abs(planes_of(rescaled.doubled)[0] - doubled).max() <= 1e-5
    assert (rescaled.upscale.width, rescaled.upscale.height) == (90, 60)
    sharper = [float(np.abs(np.diff(planes_of(each)[0])).mean()) for each in (rescaled.upscale, clip)]
    assert sharper[0] > sharper[1]
