"""Ratios are guarded, and what does not work here is skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("openvino")

from benchmarks.peers import check as checking
from benchmarks.peers import runtimes
from benchmarks.peers.check import check
from benchmarks.peers.promises import NATIVE, PROMISES, RUNTIMES, Promise
from benchmarks.peers.ways import our_models
from tests.benchmarks.peers.fakes import comparison, measured, way

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from benchmarks.peers.measure import Comparison
    from benchmarks.peers.ways import Task

pytestmark = pytest.mark.openvino


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """Have OpenVINO take 20 ms, ONNX Runtime 30 and upstream's export 36; return what was measured."""
    found: list[Task] = []

    def compare(task: Task, chosen: Collection[str], *, rounds: int, backends: Collection[str]) -> Comparison:
        assert (rounds, task.calls) == (2, 1)
        assert NATIVE in backends
        found.append(task)
        (method,) = chosen
        return comparison(
            measured(way(method, "ours", "openvino"), 20),
            measured(way(method, "ours", "onnxruntime"), 30),
            measured(way(method, "upstream", "onnxruntime"), 36),
        )

    monkeypatch.setattr(checking, "compare", compare)
    return found


def promise(required: float, *, runtimes: tuple[str, ...] = ("openvino", "onnxruntime")) -> Promise:
    return Promise(
        method="realtime-2x",
        scale=2,
        runtimes=runtimes,
        against=("upstream", ("openvino", "onnxruntime")),
        required=required,
        with_avx512=2 * required,
    )


@pytest.mark.usefixtures("tasks")
@pytest.mark.parametrize(("required", "verdict"), [(1.7, "PASS"), (1.9, "FAIL")])
def test_a_ratio_of_the_fastest(required: float, verdict: str) -> None:
    (outcome,) = check([promise(required)], rounds=2, avx512=False)
    assert outcome.ratio == pytest.approx(1.8)
    assert outcome.verdict == verdict
    assert str(outcome) == (
        f"- {verdict}: realtime-2x, 640x360: openvino or onnxruntime against the network as upstream exports it: "
        f"1.80 (required >= {required})"
    )


@pytest.mark.usefixtures("tasks")
def test_more_is_asked_of_avx512() -> None:
    assert [check([promise(1.0)], rounds=2, avx512=avx512)[0].verdict for avx512 in (False, True)] == ["PASS", "FAIL"]


def test_a_backend_that_is_not_here_is_skipped_without_measuring(tasks: list[Task]) -> None:
    (outcome,) = check([promise(1.0, runtimes=("absent",))], rounds=2, avx512=False)
    assert outcome.verdict == "SKIP"
    assert "not available here" in str(outcome)
    assert tasks == []


def test_one_measurement_serves_all_promises_about_it(tasks: list[Task]) -> None:
    check([promise(1.0), promise(1.5), promise(1.0, runtimes=("openvino",))], rounds=2, avx512=False)
    assert len(tasks) == 1


def test_promises_are_about_bundled_models() -> None:
    assert all(each.method in our_models(each.scale) for each in PROMISES)
    assert any(each.runtimes == (NATIVE,) for each in PROMISES)
    assert set(RUNTIMES) == set(runtimes.RUNTIMES)


@pytest.mark.parametrize(("required", "code"), [(1.0, 0), (9.0, 1)])
@pytest.mark.usefixtures("tasks")
def test_the_exit_code(
    required: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checking, "PROMISES", (promise(required), promise(1.0, runtimes=("absent",))))
    monkeypatch.setattr(checking, "has_avx512", lambda: False)
    assert checking.main(["--rounds", "2"]) == code
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_processor_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(text: str | None) -> Callable[..., str]:
        def read_text(*_: object, **__: object) -> str:
            if text is None:
                raise FileNotFoundError
            return text

        return read_text

    answers = []
    for text in ("flags : avx2 avx512f avx512bw\n", "flags : avx2 fma\n", None):
        with monkeypatch.context() as patch:
            patch.setattr("pathlib.Path.read_text", read(text))
            answers.append(checking.has_avx512())
    assert answers == [True, False, False]
