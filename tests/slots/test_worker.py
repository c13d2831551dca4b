"""The inside of a slot."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from paragon_core import __version__
from paragon_core.cores import usable_cores
from paragon_core.errors import BackendUnavailableError
from paragon_core.slots.settings import IMAGES, VIDEOS
from paragon_core.slots.units import FileUnit
from paragon_core.slots.worker import Worker
from tests.patience import PATIENCE
from tests.slots import work

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _cores_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARAGON_CORES", "")


def test_units_are_files_that_a_single_process_would_write(tmp_path: Path) -> None:
    sources = work.images(tmp_path / "in", 2)
    expected = work.alone(work.jobs_of(sources, tmp_path / "alone"), work.settings())
    worker = Worker(work.settings())
    worker.open(None)
    jobs = work.jobs_of(sources, tmp_path / "out")
    outcomes = [worker.do(FileUnit(number=number, index=0, job=job)) for number, job in enumerate(jobs, 5)]
    worker.close()
    assert [outcome.number for outcome in outcomes] == [5, 6, 7]
    assert [outcome.bug for outcome in outcomes] == [""] * 3
    results = [outcome.result for outcome in outcomes]
    assert [(each.state, each.size) for each in results if each] == [(each.state, each.size) for each in expected]
    assert work.content(tmp_path / "out") == work.content(tmp_path / "alone")


def test_a_target_that_is_there_is_made_again_where_that_is_asked_for(tmp_path: Path) -> None:
    jobs = work.jobs_of(work.images(tmp_path / "in", 1), tmp_path / "out")
    worker = Worker(work.settings())
    worker.open(None)
    outcomes = [worker.do(FileUnit(number=0, index=0, job=jobs[0], overwrite=again)) for again in (False, False, True)]
    worker.close()
    assert [outcome.result and outcome.result.state for outcome in outcomes] == ["written", "skipped", "written"]


def test_its_state_is_what_pixels_depend_on_and_another_is_refused() -> None:
    settings = work.settings(kinds=IMAGES + VIDEOS)
    one, other = Worker(settings), Worker(settings)
    state = one.open(None)
    assert (state.backend, state.precisions) == ("onnxruntime", ("fp32",) * 3)
    assert other.open(state) == state
    changes: dict[str, dict[str, Any]] = {
        "it has the runtime onnxruntime instead of native$": {"backend": "native"},
        "it has the precision fp32 and fp32 .* instead of fp16 and": {"precisions": ("fp16", "fp32", "fp32")},
        f"it has paragon {__version__} instead of none, onnxruntime": {"versions": ()},
    }
    for words, change in changes.items():
        with pytest.raises(BackendUnavailableError, match=words) as error:
            Worker(settings).open(replace(state, **change))
        assert "--backend" in error.value.hint
    one.close()
    other.close()


def test_a_worker_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    jobs = work.jobs_of(work.images(tmp_path / "in", 1, (1200, 900)), tmp_path / "out")
    worker = Worker(work.settings())
    worker.open(None)
    found = []
    thread = threading.Thread(target=lambda: found.append(worker.do(FileUnit(number=0, index=0, job=jobs[0]))))
    thread.start()
    worker.cancel()
    thread.join(PATIENCE)
    assert [(outcome.result, outcome.bug) for outcome in found] == [(None, "")]
    assert worker.do(FileUnit(number=1, index=0, job=jobs[0])).result is None
    assert work.content(tmp_path / "out") == {} if (tmp_path / "out").exists() else True
    worker.close()


def test_a_bug_comes_back_with_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = work.jobs_of(work.images(tmp_path / "in", 1), tmp_path / "out")
    monkeypatch.setattr("paragon_core.media.jobs.read_image", lambda *_, **__: 1 / 0)
    worker = Worker(work.settings())
    worker.open(None)
    outcome = worker.do(FileUnit(number=0, index=0, job=jobs[0]))
    worker.close()
    assert outcome.result is None
    assert "ZeroDivisionError" in outcome.bug


def test_what_is_logged_comes_with_the_next_outcome(tmp_path: Path) -> None:
    jobs = work.jobs_of(work.images(tmp_path / "in", 1), tmp_path / "out")
    worker = Worker(work.settings())
    worker.open(None)
    logging.getLogger("paragon_core.engines").warning("no %s", "engine")
    logging.getLogger("paragon_core.engines").info("nobody asked")
    outcomes = [worker.do(FileUnit(number=number, index=0, job=jobs[0])) for number in (0, 1)]
    worker.close()
    assert [outcome.log for outcome in outcomes] == [((logging.WARNING, "no engine"),), ()]


def test_a_slot_keeps_to_its_cores() -> None:
    Worker(work.settings(cores=1))
    assert usable_cores() == 1
