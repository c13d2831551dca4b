"""vs-mlrt's plugin ncnn: its pixels on a Vulkan that computes on the processor, and that it is taken by name only."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
import vapoursynth as vs

from paragon_core.errors import BackendUnavailableError, InputError
from tests import software_vulkan
from tests.fresh_python import PROGRAMS, run
from tests.vs_paragon.clips import natural_clip
from tests.vs_paragon.filter_settings import settings
from vs_paragon import mlrt
from vs_paragon.mlrt import PLUGINS, base
from vs_paragon.runtime_choice import plugin_for, suited

SIZE = (60, 44)
NCNN = PLUGINS["ncnn"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(vs.core, "ncnn"), reason="pip install 'paragon-sr[vapoursynth-ncnn]'")
def test_pixels_are_at_most_a_level_off(monkeypatch: pytest.MonkeyPatch) -> None:
    software_vulkan.use(monkeypatch, *software_vulkan.LAVAPIPE)  # with SwiftShader, ncnn computes NaN
    results: dict[str, float] = json.loads(run(PROGRAMS / "ncnn_pixels.py").stdout.splitlines()[-1])
    assert len(results) == 9
    assert {name: levels for name, levels in results.items() if not levels <= 1} == {}


class Plugin:
    """Writes down what its filter is given."""

    def __init__(self, error: str = "") -> None:
        self.error = error
        self.given: dict[str, Any] = {}

    def Model(self, clips: list[vs.VideoNode], **options: Any) -> vs.VideoNode:  # noqa: N802 - VapourSynth's style
        self.given = options
        if self.error:
            raise vs.Error(self.error)
        return clips[0].resize.Point(2 * clips[0].width, 2 * clips[0].height)


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Plugin:
    made = Plugin()
    monkeypatch.setattr(base, "vs", SimpleNamespace(core=SimpleNamespace(ncnn=made), GRAY=vs.GRAY))
    return made


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"device_id": 0, "fp16": False, "num_streams": 2}),
        ({"device": "gpu:1", "precision": "fp32"}, {"device_id": 1, "fp16": False, "num_streams": 2}),
        ({"device": "gpu", "precision": "fp16", "streams": 1}, {"device_id": 0, "fp16": True, "num_streams": 1}),
    ],
)
def test_the_plugin_is_given_what_was_asked_for(
    plugin: Plugin, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    chosen = suited(settings(backend="ncnn", **changes), SIZE)
    assert plugin_for(chosen, SIZE) is NCNN
    mlrt.upscaled([natural_clip(length=1)], chosen, NCNN)
    assert plugin.given.items() >= expected.items()
    assert b"ScatterElements" not in plugin.given["network_path"], "which ncnn does not have"


@pytest.mark.parametrize(("changes", "said"), [({"device": "cpu"}, "device 'cpu'"), ({"precision": "bf16"}, "bf16")])
def test_what_it_cannot_do_is_refused(plugin: Plugin, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        mlrt.upscaled([natural_clip(length=1)], settings(backend="ncnn", **changes), NCNN)
    assert plugin.given == {}


def test_without_a_card_it_says_so(plugin: Plugin) -> None:
    plugin.error = "operator(): get_gpu_device failed"
    with pytest.raises(BackendUnavailableError, match="finds no card 'gpu:1' with Vulkan") as caught:
        mlrt.upscaled([natural_clip(length=1)], settings(backend="ncnn", device="gpu:1"), NCNN)
    assert "libvulkan1" in caught.value.hint
    plugin.error = "operator(): another reason"
    with pytest.raises(vs.Error, match="another reason"):
        mlrt.upscaled([natural_clip(length=1)], settings(backend="ncnn"), NCNN)


def test_nobody_gets_it_unasked(plugin: Plugin) -> None:
    assert plugin_for(settings(), SIZE) is None
    assert plugin.given == {}


def test_where_it_is_missing_the_pip_line_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "vs", SimpleNamespace(core=object()))
    with pytest.raises(BackendUnavailableError, match="ncnn of vs-mlrt is not installed") as caught:
        plugin_for(settings(backend="ncnn"), SIZE)
    assert caught.value.hint == "pip install vapoursynth-mlrt-ncnn"
