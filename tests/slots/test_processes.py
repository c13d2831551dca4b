"""Slots as processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from paragon_core.errors import BackendUnavailableError
from paragon_core.slots.processes import ProcessSlots
from paragon_core.slots.run import Reports, run_on_slots
from tests.fresh_python import ROOT
from tests.media.video import videos
from tests.patience import PATIENCE
from tests.slots import work

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from paragon_core.media.jobs import JobResult


def children() -> list[BaseProcess]:
    """Return the slots among the processes that this one has started, and that have not ended."""
    return [child for child in multiprocessing.active_children() if child.name.startswith("paragon ")]


def test_results_are_those_of_one_process_also_when_one_of_two_is_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = work.settings(chunk=8, temporal=0.5)
    sources = work.images(tmp_path / "in", 5)
    videos.make(sources / "long.mkv", times=range(60), sound=("aac",))
    videos.make(sources / "short.mkv")
    expected = work.alone(work.jobs_of(sources, tmp_path / "alone"), settings)
    killed: list[bool] = []
    shares: list[float] = []

    def kill_one(_: JobResult) -> None:
        if not killed:
            children()[0].kill()
            killed.append(True)

    with ProcessSlots(settings, ["cpu", "cpu"], at_once=2) as slots:
        reports = Reports(finished=kill_one, begun=shares.append)
        results = run_on_slots(work.jobs_of(sources, tmp_path / "out"), slots, at_once=2, reports=reports)
        assert slots.expected == 2  # another one has taken its place
    assert [(each.state, each.size) for each in results] == [(each.state, each.size) for each in expected]
    assert work.content(tmp_path / "out") == work.content(tmp_path / "alone")
    assert killed
    assert shares == [*sorted(shares[:-1]), 0]
    assert max(shares) == 1
    assert "was lost: its process ended by itself" in caplog.text
    assert children() == []


def test_a_device_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    jobs = work.jobs_of(work.images(tmp_path / "in", 1), tmp_path / "out")
    with (
        ProcessSlots(work.settings(), ["cuda:7", "cpu"], at_once=1) as slots,
        pytest.raises(BackendUnavailableError, match="cuda:7"),
    ):
        run_on_slots(jobs, slots, at_once=1)
    assert children() == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that reaches one process only")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupt_leaves_no_half_file_and_no_process(tmp_path: Path, number: signal.Signals) -> None:
    sources = work.images(tmp_path / "in", 16, (400, 300))
    command = ["upscale", str(sources), "-o", str(tmp_path / "out"), "--devices", "cpu,cpu"]
    process = subprocess.Popen(
        [sys.executable, "-m", "paragon_core.cli.main", *command, "--backend", "onnxruntime", "--precision", "fp32"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + PATIENCE
    while not any(path.suffix == ".png" for path in (tmp_path / "out").glob("*")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    slots = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number), errors
    assert "Traceback" not in errors
    _, alive = psutil.wait_procs(slots, timeout=PATIENCE)
    assert alive == []
    made = work.content(tmp_path / "out")
    assert 0 < len(made) < 16
    assert all(name.endswith(".png") for name in made)
