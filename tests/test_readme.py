"""Every example in the README runs."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image

from paragon_core.cli.main import main
from tests.file_server import serving
from tests.media import animations
from tests.media.video import videos

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


COMMANDS = [
    line.partition("#")[0] for block in blocks("sh") for line in block.splitlines() if line.startswith("paragon ")
]


@pytest.mark.parametrize("command", [command for command in COMMANDS if not {"train", "pull"} & set(command.split())])
def test_command(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    if "film.mkv" in command:
        videos.make(tmp_path / "film.mkv", sound=("aac",))
    if "film.gif" in command:
        animations.save(tmp_path / "film.gif", animations.drawn(0, alpha=True))
    if "photo.jpg" in command:
        with Image.open(ROOT / "examples" / "chelsea.png") as photo:
            photo.resize((960, 540)).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(command)[1:]
    quick = ["--rounds", "1", "--no-memory"] if "bench" in arguments else []
    assert main([*arguments, *quick]) == 0
    if "-o" in arguments:
        assert (tmp_path / arguments[arguments.index("-o") + 1]).exists()
    if "--fit" in arguments:
        with Image.open(tmp_path / "photo_3840x2160.jpg") as photo:
            assert photo.size == (3840, 2160)


def test_training_is_offered_as_shown() -> None:
    """Half an hour is too long for a test; tests/cli/test_train.py runs short ones."""
    (command,) = (command for command in COMMANDS if " train " in command)
    arguments = shlex.split(command)[2:]
    assert (ROOT / "paragon_core/training/recipes" / f"{arguments[0]}.toml").exists()
    assert set(arguments[1::2]) <= {"--data", "-o"}


def test_downloading_as_shown(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (command,) = (command for command in COMMANDS if " pull " in command)
    arguments = shlex.split(command)[1:]
    monkeypatch.setenv("PARAGON_MODELS", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving((shared / "weights" / f"{arguments[-1]}.safetensors").read_bytes()) as server:
        monkeypatch.setenv("PARAGON_DOWNLOAD_URL", server.url)
        assert main(arguments) == 0
    assert main(["info", arguments[-1]]) == 0


@pytest.mark.parametrize("code", blocks("python"))
def test_python(code: str) -> None:
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own documentation


def test_there_are_examples() -> None:
    assert len(COMMANDS) > 3
    assert blocks("python")


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target
