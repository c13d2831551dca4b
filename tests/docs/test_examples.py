"""Every example of the documentation runs. Pages whose examples build on each other have tests of their own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from paragon_core.cli.main import main
from paragon_core.models.model import load
from tests.docs.pages import PAGES, ROOT, blocks, commands
from tests.file_server import serving
from tests.media import animations
from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path

#: Tests of their own, such as test_engines, run the examples on these.
PAGES_WITH_TESTS = ("benchmarks", "clusters", "engines", "long-videos", "training")
ELSEWHERE = {"CHANGELOG.md", *(f"docs/{name}.md" for name in PAGES_WITH_TESTS)}

LANGUAGES = {"bash", "ini", "py", "python", "sh", "text", "toml", "yaml", ""}

COMMANDS = list(
    dict.fromkeys(command for page in PAGES if page not in ELSEWHERE for command in commands(page, "paragon"))
)
QUICK = [command for command in COMMANDS if not {"train", "mix", "pull"} & set(command.split())]
#: Of several programs; tests/cli has one with vspipe.
PIPES = [
    re.sub(r"\s+#.*", "", line)
    for page in PAGES
    for block in blocks(page, "sh")
    for line in block.splitlines()
    if line.startswith("ffmpeg ") and "| paragon " in line
]
#: Not the one in CONTRIBUTING.md, which is the head of a test file: test_house looks after those.
CODE = [
    (page, number, code)
    for page in PAGES
    if page != "CONTRIBUTING.md"
    for number, code in enumerate(blocks(page, "python"), 1)
]

EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"])


@pytest.mark.parametrize("command", QUICK)
def test_command(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    if "video.mkv" in command:
        videos.make(tmp_path / "video.mkv", sound=("aac",))
    for name in {"animation.gif", "film.gif"} & set(command.split()):
        animations.save(tmp_path / name, animations.drawn(0, alpha=True))
    if "frames/%06d.png" in command.partition(" -o ")[0]:
        (tmp_path / "frames").mkdir()
        for number in (3, 4):
            Image.new("RGB", (32, 24), (number * 40, 90, 30)).save(tmp_path / "frames" / f"{number:06}.png")
    if "photo.jpg" in command:
        with Image.open(ROOT / "examples" / "chelsea.png") as photo:
            photo.resize((960, 540)).save(tmp_path / "photo.jpg")
    if {"compare", "report"} & set(command.split()):
        _compared_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(command)[1:]
    quick = ["--rounds", "1", "--no-memory"] if "bench" in arguments else []
    assert main([*arguments, *quick]) == 0
    if "-o" in arguments:
        output = arguments[arguments.index("-o") + 1]
        assert list(tmp_path.glob(output.replace("%06d", "*")))
    if "--fit" in arguments:
        with Image.open(tmp_path / "photo_3840x2160.jpg") as photo:
            assert photo.size == (3840, 2160)


@pytest.mark.parametrize("command", PIPES)
def test_pipe(command: str, tmp_path: Path) -> None:
    shell = shutil.which("sh")
    if shell is None or shutil.which("ffmpeg") is None:
        pytest.skip("there is no sh, or no program ffmpeg")
    videos.make(tmp_path / "video.mkv")
    program = f"{shlex.quote(sys.executable)} -m paragon_core.cli.main"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([shell, "-c", command.replace("paragon", program)], cwd=tmp_path, env=environment, check=True)
    assert len(videos.frames_of(tmp_path / "result.mkv")) == 8


def _compared_files(folder: Path) -> None:
    """Write the files that the examples of `paragon compare` and `paragon report` name."""
    with Image.open(folder / "examples" / "chelsea.png") as photo:
        original = photo.convert("RGB").crop((0, 0, 300, 200))
    for name in ("results", "originals"):
        (folder / name).mkdir()
        original.save(folder / name / "chelsea.png")
    original.save(folder / "original.png")
    small = original.resize((150, 100))
    small.save(folder / "small.png")
    small.resize(original.size).save(folder / "result.png")
    videos.make(folder / "small.mkv")
    for name in ("result.mkv", "original.mkv"):
        videos.make(folder / name, size=(128, 96))


def test_models_are_mixed_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (command,) = (command for command in COMMANDS if " mix " in command)
    assert main(shlex.split(command)[1:]) == 0
    assert load(tmp_path / shlex.split(command)[-1]).spec.scale == 4


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


@pytest.mark.parametrize(("page", "number", "code"), CODE, ids=[f"{page}-{number}" for page, number, _ in CODE])
def test_python(page: str, number: int, code: str) -> None:
    exec(compile(code, f"{page}, example {number}", "exec"), {})  # noqa: S102 - our own documentation


def test_there_are_examples() -> None:
    assert len(COMMANDS) > 20
    assert len(CODE) > 5


@pytest.mark.parametrize("page", PAGES)
def test_no_example_is_in_a_language_that_nothing_runs(page: str) -> None:
    fences = re.findall(r"^```(.*)$", PAGES[page], flags=re.MULTILINE)
    assert set(fences[::2]) <= LANGUAGES


@pytest.mark.parametrize("page", PAGES)
def test_pip_lines_name_extras_that_exist(page: str) -> None:
    named = re.findall(r"pip install \"?(?:paragon-sr|\.)\[([\w,-]+)\]", PAGES[page])
    assert {extra for group in named for extra in group.split(",")} <= EXTRAS


@pytest.mark.parametrize("page", PAGES)
def test_scripts_that_are_shown_exist(page: str) -> None:
    for name in re.findall(r"\b(?:scripts|examples|benchmarks)/[\w.-]+", PAGES[page]):
        assert (ROOT / name).exists(), name


def test_the_table_of_extras_is_complete() -> None:
    table = PAGES["docs/getting-started.md"].partition("| extra |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", table, flags=re.MULTILINE)) == EXTRAS


def test_workflows_that_the_readme_names_exist() -> None:
    named = re.findall(r'^# "(\d\. [\w ]+)"', PAGES["README.md"], flags=re.MULTILINE)
    assert len(named) == 2
    assert all((ROOT / "example_workflows" / f"{name}.json").exists() for name in named)
