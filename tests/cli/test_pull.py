from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from paragon_core.cli.main import main
from paragon_core.models.releases import OFFICIAL_RELEASES, OfficialRelease
from tests.file_server import FileServer, serving, stall_after, status
from tests.models.checkpoint_files import SMALL, as_stored, safetensors_file
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CONTENT = safetensors_file(as_stored(SMALL))
NAME = "v11_small_fidelity"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first folder of the user, who has no proxy; a small release takes the place of the official ones."""
    release = OfficialRelease(
        name=NAME, sha256=hashlib.sha256(CONTENT).hexdigest(), size=len(CONTENT), set5=30.0, set14=29.0
    )
    monkeypatch.setattr("paragon_core.models.releases.OFFICIAL_RELEASES", (release,))
    monkeypatch.setenv("PARAGON_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("PARAGON_DOWNLOAD_URL", raising=False)
    return tmp_path / "models"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(CONTENT) as running:
        yield running


def test_what_was_pulled_is_listed_and_loaded_by_name(
    server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARAGON_DOWNLOAD_URL", server.url)
    assert main(["models", "pull", NAME]) == 0
    assert server.asked == [(f"/models/{NAME}.safetensors", None)]
    output = capsys.readouterr()
    assert output.out == ""
    assert str(folder / f"{NAME}.safetensors") in output.err
    assert f"--model {NAME}\n" in output.err
    assert main(["models", "--json"]) == 0
    (release,) = json.loads(capsys.readouterr().out)["official"]
    assert (release["present"], release["use"]) == (True, NAME)
    assert main(["info", NAME]) == 0
    assert main(["models", "pull", NAME]) == 0
    assert "is there already" in capsys.readouterr().err
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("extension", "asked"),
    [
        ("/", f"/models/{NAME}.safetensors"),
        ("?key=1", f"/models/{NAME}.safetensors?key=1"),
        ("/v11/renamed.safetensors?key=1", "/models/v11/renamed.safetensors?key=1"),
    ],
)
def test_addresses_of_folders_and_of_files(
    server: FileServer, tmp_path: Path, extension: str, asked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    words = ["models", "pull", f"{NAME}.safetensors", "--from", server.url + extension, "--to", str(other)]
    assert main(words) == 0
    assert server.asked == [(asked, None)]
    assert (other / f"{NAME}.safetensors").read_bytes() == CONTENT
    assert f"--model {other / NAME}.safetensors\n" in capsys.readouterr().err
    (other / f"{NAME}.safetensors").unlink()
    assert main([*words, "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_without_an_address_it_says_how_to_give_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", NAME]) == 2
    text = capsys.readouterr().err
    assert "PARAGON_DOWNLOAD_URL" in text
    assert "--from" in text
    assert f"{NAME}.safetensors" in text
    assert not folder.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["pull"],
        ["pull", "realtime-2x", "--from", "https://models.invalid"],
        ["pull", NAME, "--from", "models"],
        ["pull", NAME, "--from", "https://["],
        ["pull", NAME, "--from", "http://models.invalid"],
        ["pull", NAME, "--to", "somewhere"],
        ["push", NAME],
    ],
)
def test_mistakes(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", *words]) == 2
    text = capsys.readouterr().err
    assert "hint: " in text or "usage: " in text
    assert "Traceback" not in text


def test_a_file_that_the_server_lacks(server: FileServer, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.answer = status(404)
    assert main(["models", "pull", NAME, "--from", server.url]) == 2
    text = capsys.readouterr().err
    assert f"{server.url}/{NAME}.safetensors: the server answers 404" in text
    assert "hint: " in text
    assert not list(folder.glob("*.safetensors*"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that reaches one process only")
def test_a_real_interrupt_keeps_what_has_arrived(folder: Path) -> None:
    release, count, over = OFFICIAL_RELEASES[0], 30_000, threading.Event()
    part = folder / f"{release.file}.part"
    with serving(bytes(release.size)) as server:
        server.answer = stall_after(count, over)
        command = [sys.executable, "-m", "paragon_core.cli.main", "models", "pull", release.name, "--from", server.url]
        process = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + PATIENCE
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, text = process.communicate(timeout=PATIENCE)
        over.set()
    assert process.returncode == 130, text
    assert "goes on from there" in text
    assert "Traceback" not in text
    assert 0 < part.stat().st_size <= count


def test_official_files(shared: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paragon_core.models.releases.OFFICIAL_RELEASES", OFFICIAL_RELEASES)
    for release in OFFICIAL_RELEASES:
        with serving((shared / "weights" / release.file).read_bytes()) as server:
            assert main(["models", "pull", release.name, "--from", server.url]) == 0
        assert main(["info", release.name]) == 0
    assert sorted(path.name for path in folder.glob("v*")) == sorted(release.file for release in OFFICIAL_RELEASES)
