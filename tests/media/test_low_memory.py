"""Real processes with too little memory: it is called that, never damage of a file, and never a bug."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, features

from paragon_core.low_memory import is_low_memory
from tests.fresh_python import PROGRAMS, run

if TYPE_CHECKING:
    from typing import Any

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory can be limited on Linux only")

FORMATS: dict[str, dict[str, Any]] = {
    "png": {},
    "jpeg": {"progressive": True},
    "webp": {"lossless": True, "method": 0},
    "tiff": {"compression": "tiff_lzw"},
    "avif": {"speed": 10},
    "bmp": {},
}


@pytest.mark.parametrize("name", FORMATS)
def test_low_memory_is_not_called_damage(tmp_path: Path, name: str) -> None:
    if name in {"avif", "webp"} and not features.check(name):
        pytest.skip("this Pillow cannot write it")
    y, x = np.indices((2000, 2500))
    Image.fromarray(np.stack([x // 7 % 256, y // 5 % 256, (x + y) % 256], 2).astype(np.uint8)).save(
        tmp_path / "a", name, **FORMATS[name]
    )
    said = run(PROGRAMS / "reads_with_little_memory.py", tmp_path / "a").stdout.split()
    assert len(said) == 6
    assert set(said) <= {"low", "read"}
    assert said[0] == "low"


@pytest.mark.parametrize("megabytes", [160, 500, 800])
@pytest.mark.parametrize("extension", [".jpg", ".mp4"])
def test_the_command_line_says_low_memory(tmp_path: Path, extension: str, megabytes: int) -> None:
    source = tmp_path / f"a{extension}"
    if extension == ".mp4":
        pytest.importorskip("av")
        from tests.media.video import videos  # noqa: PLC0415 - needs PyAV

        videos.make(source, codec="libx264", size=(640, 480), times=range(3))
    else:
        Image.new("RGB", (1600, 1200), "red").save(source)
    script = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({megabytes} * 2**20, resource.RLIM_INFINITY))
from paragon_core.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
    command = [sys.executable, "-c", script, "upscale", str(source), "--backend", "onnxruntime", "--precision", "fp32"]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode < 0 or "ABORT" in done.stderr:
        pytest.skip("a library gave up by itself")
    assert done.returncode in {0, 2, 3}, done.stderr
    assert "Traceback" not in done.stderr
    assert "damaged" not in done.stderr
    assert "not installed" not in done.stderr
    assert done.returncode == 0 or "memory" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("can't start new thread"), True),
        (RuntimeError("std::bad_alloc"), True),
        (ImportError("x.so: failed to map segment from shared object"), True),
        (RuntimeError("something else"), False),
        (OSError(28, "No space left on device"), False),
    ],
)
def test_words_for_low_memory(error: Exception, expected: bool) -> None:
    assert is_low_memory(error) == expected
