"""mpv shows our pixels, with both of its renderers, in OpenGL on the processor and a window that nobody sees."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import paragon_core as paragon
from paragon_core.shaders.export import export_shader
from tests.docs.pages import ROOT
from tests.patience import PATIENCE

SCRIPT = Path(__file__).with_name("when_it_runs.lua")

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("renderer", ["gpu", "gpu-next"])
def test_mpv_shows_our_pixels(tmp_path: Path, renderer: str) -> None:
    for program, package in (("mpv", "mpv"), ("xvfb-run", "xvfb xauth")):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program} (apt install {package})")
    network = paragon.load("realtime-2x")
    shader = export_shader(
        network, tmp_path / "shader.glsl", precision="fp16"
    )  # single, as Mesa's OpenGL has no halves
    with Image.open(ROOT / "examples" / "chelsea.png") as photo:
        small = photo.convert("RGB").crop((150, 60, 278, 156))
    small.save(tmp_path / "small.png", icc_profile=None)  # which gpu-next would heed
    shot = tmp_path / "shot.png"
    environment = os.environ | {"LIBGL_ALWAYS_SOFTWARE": "1", "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    command = [
        *("xvfb-run", "--auto-servernum", "--server-args=-screen 0 640x480x24", "mpv", "--no-config", "--gpu-sw"),
        *(f"--vo={renderer}", "--gpu-api=opengl", f"--glsl-shaders={shader}", "--pause", "--no-border", "--no-osc"),
        *("--osd-level=0", "--window-scale=2", "--dither=no", "--no-audio", "--image-display-duration=inf"),
        *(f"--script={SCRIPT}", f"--script-opts=screenshot={shot}", str(tmp_path / "small.png")),
    ]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=PATIENCE)
    if "Failed initializing any suitable GPU context" in done.stdout:
        pytest.skip("mpv has no OpenGL here (apt install libgl1-mesa-dri)")
    assert shot.exists(), done.stdout
    passes = shot.with_suffix(".png.txt").read_text(encoding="utf-8").splitlines()
    assert sum("[Paragon realtime-2x] " in name for name in passes) == 5
    with paragon.Upscaler(network, backend="onnxruntime", precision="fp32", padding="zero", streams=1) as upscale:
        expected = upscale(np.asarray(small))
    with Image.open(shot) as shown:
        assert np.abs(np.asarray(shown.convert("RGB")).astype(int) - expected).max() <= 1
