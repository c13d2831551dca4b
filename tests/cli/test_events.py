"""Events for programs, from real processes: every line is one JSON object, whatever happens to the process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from paragon_core.cli.events import INTERVAL, Events, EventStream, opened
from paragon_core.errors import InputError, MediaError
from tests.docs.pages import PAGES, blocks
from tests.patience import PATIENCE

pytest.importorskip("av")

from tests.media.video import videos

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "paragon_core.cli.main", "upscale")
QUICK = ("--backend", "onnxruntime", "--precision", "fp32")
#: The fields of each event, which docs/command-line.md lists.
FIELDS = {
    "start": {"schema", "version", "time", "process"},
    "plan": {"files", "images", "videos", "source_bytes"},
    "ready": {"models", "size", "backend", "precision"},
    "file": {"index", "source", "target", "kind", "source_bytes"},
    "video": {"index", "source", "target", "frames", "video_length", "size", "result_size", "earlier_frames"},
    "progress": {
        *("source", "kind", "files_done", "files", "share", "frame", "frames", "video_seconds", "video_length", "rate"),
        *("seconds_left", "file_seconds_left", "bytes"),
    },
    "file_done": {"index", "source", "target", "state", "size", "frames", "bytes", "seconds", "notes", "error"},
    "build": {"share", "doing"},
    "note": {"text", "source"},
    "log": {"level", "text"},
    "disk": {"needed", "to_come", "free", "enough", "folder"},
    "profile": {
        *("index", "source", "target", "frames", "seconds", "cpu_seconds", "other_cpu_seconds", "cores", "stages"),
        *("busy", "bottleneck"),
    },
    "error": {"type", "message", "hint"},
    "end": {
        *("status", "exit_code", "signal", "files", "written", "skipped", "failed", "frames", "bytes", "seconds"),
    },
}


def parsed(output: bytes) -> list[dict[str, Any]]:
    """Return the events of an output, of which every line must be one."""
    assert output.endswith(b"\n")
    events = [json.loads(line) for line in output.decode("ascii").splitlines()]
    for event in events:
        counts = FIELDS["end"] - {"status", "exit_code", "signal"}  # which an end before the plan does not have
        short = event["event"] == "end" and not only(events, "plan")
        assert set(event) == {"event", "elapsed"} | (FIELDS[event["event"]] - (counts if short else set())), event
    assert (events[0]["event"], events[0]["schema"]) == ("start", 1)
    assert events[-1]["event"] == "end"
    elapsed = [event["elapsed"] for event in events]
    assert elapsed == sorted(elapsed)
    return events


def only(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == kind]


def upscale(*arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [*PROGRAM, *map(str, arguments), *QUICK]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, timeout=PATIENCE, **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a video, images, and a file that is none."""
    result = tmp_path / "in"
    result.mkdir()
    videos.make(result / "a.mkv", sound=("aac",), times=range(0, 3000, 250), size=(160, 120))
    for name in ("b.png", "c.png"):
        Image.new("RGB", (20, 16), (90, 120, 30)).save(result / name)
    (result / "d.png").write_bytes(b"no image")
    return result


def test_a_folder_from_start_to_end(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = upscale(folder, "-o", out, "--json-progress")
    assert (done.returncode, done.stdout) == (2, b"")
    events = parsed(done.stderr)
    (plan,) = only(events, "plan")
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert (plan["files"], plan["images"], plan["videos"], plan["source_bytes"]) == (4, 3, 1, size)
    (ready,) = only(events, "ready")
    assert (ready["models"], ready["size"], ready["backend"]) == (["realtime-2x"], "2x", "onnxruntime")
    assert [Path(file["source"]).name for file in only(events, "file")] == ["a.mkv", "b.png", "c.png"]
    (video,) = only(events, "video")
    assert (video["index"], video["size"], video["result_size"]) == (1, [160, 120], [320, 240])
    finished = {Path(file["source"]).name: file for file in only(events, "file_done")}
    assert [file["state"] for file in finished.values()] == ["written"] * 3 + ["failed"]
    assert finished["a.mkv"]["frames"] == 12
    for name in ("a.mkv", "b.png", "c.png"):
        assert Path(finished[name]["target"]).stat().st_size == finished[name]["bytes"]
    assert finished["d.png"]["error"]["type"] == "UnsupportedFormatError"
    assert finished["d.png"]["error"]["hint"]
    end = events[-1]
    assert (end["status"], end["exit_code"], end["signal"]) == ("failed", 2, None)
    assert (end["files"], end["written"], end["skipped"], end["failed"], end["frames"]) == (4, 3, 0, 1, 14)
    assert end["bytes"] == sum(path.stat().st_size for path in out.iterdir())
    again = parsed(upscale(folder / "b.png", folder / "a.mkv", "-o", out, "--json-progress").stderr)
    assert [file["state"] for file in only(again, "file_done")] == ["skipped", "skipped"]
    assert (again[-1]["status"], again[-1]["skipped"]) == ("done", 2)


def test_progress_of_a_video_and_its_profile(tmp_path: Path) -> None:
    source = videos.make(tmp_path / "a.mkv", size=(480, 360), times=range(60), sound=("pcm_s16le",))
    events = parsed(upscale(source, "-o", tmp_path / "b.mp4", "--json-progress", "--debug").stderr)
    states = [event for event in only(events, "progress") if event["frame"]]
    assert [state["frame"] for state in states] == sorted(state["frame"] for state in states)
    assert all(later["elapsed"] - state["elapsed"] >= INTERVAL - 0.01 for state, later in pairwise(states))
    for state in states:
        assert state["share"] == pytest.approx(state["frame"] / state["frames"], abs=0.01)
    (profile,) = only(events, "profile")
    assert list(profile["stages"]) == ["decode", "colour in", "network", "colour out", "encode"]
    assert profile["bottleneck"] in profile["stages"]
    assert (profile["frames"], profile["seconds"] > 0) == (60, True)
    (file,) = only(events, "file_done")
    assert any("sound" in note for note in file["notes"])


def test_a_file_takes_them_and_messages_stay_where_they_are(folder: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    for _ in range(2):  # such a file may be written again
        done = upscale(folder / "b.png", "-o", tmp_path / "e.png", "--overwrite", "--json-progress-to", events)
        assert done.returncode == 0
        assert b"e.png (40 x 32, " in done.stderr
        assert b'"event"' not in done.stderr
        assert [event["event"] for event in parsed(events.read_bytes()) if event["event"] != "progress"] == [
            *("start", "plan", "ready", "file", "file_done", "end")
        ]


def test_a_file_that_holds_something_else_is_not_replaced(folder: Path, tmp_path: Path) -> None:
    before = (folder / "b.png").read_bytes()
    done = upscale(folder / "c.png", "-o", tmp_path / "e.png", "--json-progress-to", folder / "b.png")
    assert done.returncode == 2
    assert b"is no record of events" in done.stderr
    assert b"hint: " in done.stderr
    assert (folder / "b.png").read_bytes() == before
    assert not (tmp_path / "e.png").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows hands no file descriptors on")
def test_a_file_descriptor_takes_them(folder: Path, tmp_path: Path) -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stream:
        done = upscale(folder / "b.png", "-o", tmp_path / "e.png", "--json-progress-to", write, pass_fds=(write,))
        os.close(write)
        assert parsed(stream.read())[-1]["status"] == "done"
    assert b"e.png (40 x 32, " in done.stderr


@pytest.mark.parametrize("descriptor", ["987", "99999999999999999999"])
def test_a_file_descriptor_that_is_not_open(descriptor: str, folder: Path) -> None:
    done = upscale(folder / "b.png", "--json-progress-to", descriptor)
    assert done.returncode == 2
    assert f"events cannot be written to file descriptor {descriptor}".encode() in done.stderr


def test_stderr_by_its_number_is_not_shared_with_messages(folder: Path, tmp_path: Path) -> None:
    parsed(upscale(folder / "b.png", "-o", tmp_path / "e.png", "--json-progress-to", 2).stderr)
    path = tmp_path / "both.txt"
    with path.open("wb") as stream:
        command = [
            *PROGRAM,
            str(folder / "b.png"),
            "-o",
            str(tmp_path / "f.png"),
            "--json-progress-to",
            str(path),
            *QUICK,
        ]
        subprocess.run(command, cwd=ROOT, check=True, stderr=stream, timeout=PATIENCE)
    parsed(path.read_bytes())


def test_an_error_of_the_whole_command(folder: Path) -> None:
    done = upscale(folder / "b.png", "--model", "none-9x", "--json-progress")
    events = parsed(done.stderr)
    (error,) = only(events, "error")
    assert "none-9x" in error["message"]
    assert error["hint"]
    assert (events[-1]["status"], events[-1]["exit_code"]) == ("failed", done.returncode) == ("failed", 2)


def test_an_unusable_source_is_a_file_that_failed(folder: Path, tmp_path: Path) -> None:
    done = upscale(folder / "b.png", folder / "missing.png", "-o", tmp_path / "out", "--json-progress")
    failed, written = only(parsed(done.stderr), "file_done")
    assert (failed["state"], failed["index"], failed["target"]) == ("failed", None, None)
    assert failed["error"]["message"].endswith("missing.png does not exist")
    assert (written["state"], written["index"]) == ("written", 1)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that reaches one process only")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_the_last_event(number: signal.Signals, tmp_path: Path) -> None:
    videos.make(tmp_path / "a.mkv", size=(480, 360), times=range(150))
    Image.new("RGB", (20, 16)).save(tmp_path / "0.png")
    command = [*PROGRAM, str(tmp_path), "-o", str(tmp_path / "out"), "--json-progress", *QUICK]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if json.loads(line).get("frame"):
            process.send_signal(number)
            break
    lines += process.stderr.readlines()
    process.stderr.close()
    assert process.wait(PATIENCE) == 128 + number
    end = parsed(b"".join(lines))[-1]
    assert (end["status"], end["signal"], end["exit_code"]) == ("interrupted", number.name, 128 + number)
    assert (end["files"], end["written"]) == (2, 1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes of POSIX")
def test_the_work_goes_on_without_a_reader(folder: Path, tmp_path: Path) -> None:
    command = [*PROGRAM, str(folder), "-o", str(tmp_path / "out"), "--json-progress", *QUICK]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    assert process.stderr is not None
    process.stderr.readline()
    process.stderr.close()
    assert process.wait(PATIENCE) == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.mkv", "b.png", "c.png"]


def test_the_documentation_lists_every_field() -> None:
    page = PAGES["docs/command-line.md"]
    for event, fields in FIELDS.items():
        (row,) = re.findall(rf"^\| `{event}` \|.*$", page, flags=re.MULTILINE)
        assert fields <= set(re.findall(r"`(\w+)`", row)), event


def test_the_example_of_the_documentation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = blocks("docs/command-line.md", "python")
    Image.new("RGB", (20, 16)).save(tmp_path / "a.png")
    example: dict[str, Any] = {}
    exec(code, example)  # noqa: S102 - our own documentation
    monkeypatch.chdir(ROOT)
    example["upscale"](str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), *QUICK)
    output = capsys.readouterr().out
    assert f"{tmp_path / 'b.png'} written\n" in output
    assert "0%, None s left\n" in output


class Slow:
    """A reader that takes nothing until it is let."""

    def __init__(self) -> None:
        self.read: list[bytes] = []
        self.goes_on = threading.Event()

    def __call__(self, data: bytes) -> None:
        self.goes_on.wait(PATIENCE)
        self.read.append(data)


@pytest.fixture
def slow() -> Iterator[Slow]:
    result = Slow()
    yield result
    result.goes_on.set()


def test_a_slow_reader_holds_nothing_up_and_misses_only_progress(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paragon_core.cli.events.INTERVAL", 0.0)
    stream = EventStream(slow)
    start = time.perf_counter()
    for number in range(5000):
        stream.emit_some("progress", lambda number=number: {"frame": number})  # type: ignore[misc]  # one an event
    stream.emit("file_done", state="written")
    assert time.perf_counter() - start < 5
    stream.sum_up(lambda: {"written": 1})
    slow.goes_on.set()
    stream.end(0)
    events = [json.loads(line) for line in slow.read]
    assert [event["event"] for event in events[-2:]] == ["file_done", "end"]
    assert events[-1]["written"] == 1
    assert 90 < len(only(events, "progress")) <= 101


def test_a_reader_that_never_reads_does_not_keep_the_program(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paragon_core.cli.events._PATIENCE", 0.1)
    stream = EventStream(slow)
    start = time.perf_counter()
    stream.end(0)
    assert time.perf_counter() - start < 5


def test_progress_is_not_even_computed_between_two_events() -> None:
    written: list[bytes] = []
    stream = EventStream(written.append)
    asked: list[int] = []

    def fields() -> dict[str, object]:
        asked.append(1)
        return {"frame": 1}

    for _ in range(1000):
        stream.emit_some("progress", fields)
    stream.end(0)
    assert len(asked) == sum(b'"progress"' in line for line in written) <= 3


def test_nobody_asked() -> None:
    events = opened(on_stderr=False, target=None)
    assert type(events) is Events
    events.emit("note", text="nobody listens")
    events.error(MediaError("wrong"))
    events.end(0)


@pytest.mark.parametrize("target", ["", "missing/events.jsonl"])
def test_a_file_that_cannot_be_written(target: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="events cannot be written to") as error:
        opened(on_stderr=False, target=str(tmp_path / target))
    assert error.value.hint
