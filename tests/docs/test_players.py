"""The page about video players: its shaders, settings, keys and scripts work as shown."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

import paragon_core as paragon
from paragon_core.cli.main import main
from tests.docs.pages import blocks, commands
from tests.media.video import videos
from tests.patience import PATIENCE
from tests.shaders.players import lavapipe

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "docs/players.md"
CONF, KEYS = blocks(PAGE, "ini")
(FFMPEG,) = commands(PAGE, "ffmpeg")

#: Writes what the list of shaders is at first, and after each key; a key is pressed once the one before has worked.
PRESS = """
local file, keys = io.open(mp.get_opt("out"), "w"), {}
for key in string.gmatch(mp.get_opt("keys"), "[^/]+") do keys[#keys + 1] = key end
mp.observe_property("glsl-shaders", "string", function(_, list)
    file:write(list, "\\n")
    if #keys > 0 then
        mp.command("keypress " .. table.remove(keys, 1))
    else
        file:close()
        mp.command("quit")
    end
end)
"""


def planes(path: Path) -> list[Any]:
    """Return the frames of a 4:4:4 video as [plane, row, column]."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="yuv444p").astype(int) for frame in container.decode(video=0)]


def test_exports_that_are_shown() -> None:
    shown = [shlex.split(command) for command in commands(PAGE, "paragon")]
    named = {command[command.index("-o") + 1] for command in shown}
    used = set(re.findall(r"[\w-]+\.glsl", CONF + KEYS + FFMPEG + "".join(blocks(PAGE, "py"))))
    assert used <= named


@pytest.mark.slow
def test_ffmpeg_as_shown_makes_what_paragon_upscale_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = lavapipe()
    videos.make(tmp_path / "video.mkv", size=(40, 24), pixel_format="yuv444p", sound=("aac",))
    monkeypatch.chdir(tmp_path)
    model = "realtime-video-2x"
    assert main(["export", model, "-o", f"{model}.glsl"]) == 0
    options = ["--model", model, "--padding", "zero", "--codec", "ffv1", "--precision", "fp32"]
    assert main(["upscale", "video.mkv", "-o", "expected.mkv", *options]) == 0
    subprocess.run(shlex.split(FFMPEG), env=environment, check=True, capture_output=True, timeout=PATIENCE)
    shown, expected = planes(tmp_path / "video_2x.mkv"), planes(tmp_path / "expected.mkv")
    assert len(shown) == len(expected) == 8
    assert shown[0].shape == (3, 48, 80)
    assert max(np.abs(a - b).max() for a, b in zip(shown, expected, strict=True)) <= 1


def test_settings_and_keys_of_mpv(tmp_path: Path) -> None:
    mpv = shutil.which("mpv")
    if mpv is None:
        pytest.skip("needs mpv (apt install mpv)")
    keys = re.findall(r"^(\S+) ", KEYS, flags=re.MULTILINE)[::-1]  # so that each changes something
    (tmp_path / "mpv.conf").write_text(CONF.replace("vo=gpu-next", "vo=null"), encoding="utf-8")
    (tmp_path / "input.conf").write_text(KEYS, encoding="utf-8")
    (tmp_path / "press.lua").write_text(PRESS, encoding="utf-8")
    out = tmp_path / "lists.txt"
    command = [
        *(mpv, f"--config-dir={tmp_path}", f"--script={tmp_path / 'press.lua'}", "--idle", "--no-terminal"),
        f"--script-opts=out={out},keys={'/'.join(keys)}",
    ]
    subprocess.run(command, env=os.environ | {"HOME": str(tmp_path)}, check=True, timeout=PATIENCE)
    video, clean = "~~/shaders/realtime-video-2x.glsl", "~~/shaders/realtime-2x.glsl"
    assert out.read_text(encoding="utf-8").splitlines() == [video, "", clean, video]


@pytest.mark.slow
def test_the_script_of_vapoursynth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vs = pytest.importorskip("vapoursynth")
    if not hasattr(vs.core, "placebo") or not hasattr(vs.core, "bs"):
        pytest.skip("needs vs-placebo and BestSource (pip install vs-placebo vapoursynth-bestsource)")
    environment = lavapipe()
    for name in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        monkeypatch.setenv(name, environment[name])
    monkeypatch.chdir(tmp_path)
    videos.make(tmp_path / "video.mkv", size=(40, 24))
    model = paragon.load("realtime-video-2x")
    paragon.export_shader(model, tmp_path / "realtime-video-2x.glsl")
    (script,) = blocks(PAGE, "py")
    scope: dict[str, Any] = {}
    exec(compile(script, PAGE, "exec"), scope)  # noqa: S102 - our own documentation
    (given, shown) = scope["clip"], vs.core.resize.Point(vs.get_output(0).clip, format=vs.RGBS, matrix_in_s="709")
    source = vs.core.bs.VideoSource("video.mkv").resize.Bicubic(format=vs.YUV444P16)
    image, result = (
        np.stack([np.asarray(plane) for plane in clip.get_frame(3)], -1)
        for clip in (source.resize.Point(format=vs.RGBS, matrix_in_s="709"), shown)
    )
    assert (given.width, given.height) == (80, 48)
    # Neither clips what YUV has beyond RGB.
    with paragon.Upscaler(model, backend="onnxruntime", precision="fp32", padding="zero", clip=False) as upscale:
        assert 255 * np.abs(result - upscale(image)).max() <= 1
