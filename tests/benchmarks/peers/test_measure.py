"""Ways are timed in turns, and only if they agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("openvino")

from benchmarks.peers import measure
from benchmarks.peers.check import check
from benchmarks.peers.measure import compare
from benchmarks.peers.promises import NATIVE, RUNTIMES, Promise
from benchmarks.peers.ways import Skipped, Task, Way, methods, our_models
from paragon_core.backends.onnxruntime import OnnxRuntimeBackend
from paragon_core.errors import InferenceError
from tests.benchmarks.peers.fakes import TASK, comparison, doubled, measured, way

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.openvino


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function after which these are all ways that there are."""

    def make(*ways: Way, skipped: tuple[Skipped, ...] = ()) -> None:
        monkeypatch.setattr(measure, "open_ways", lambda *_: (list(ways), list(skipped)))

    return make


def test_only_the_fastest_runtime_of_a_network_stays(ways: Callable[..., None]) -> None:
    ways(
        way("a", "network", "slow", doubled(seconds=0.02)),
        way("a", "network", "fast"),
        way("b", "ours", "slow", doubled(seconds=0.02)),
        way("b", "ours", "fast"),
    )
    found = compare(TASK, ["a", "b"], rounds=2)
    assert [(each.way.method, each.way.runtime) for each in found.measured] == [
        ("a", "fast"),
        ("b", "slow"),
        ("b", "fast"),
    ]
    assert list(found.measured[0].slower) == ["slow"]
    assert found.measured[0].slower["slow"] >= 0.02
    assert [len(each.timing.cpu) for each in found.measured] == [2, 2, 2]


def test_a_network_that_gives_another_image_elsewhere_is_refused(ways: Callable[..., None]) -> None:
    ways(way("a", "network", "one"), way("a", "network", "other", doubled(level=2)))
    with pytest.raises(RuntimeError, match="a, network, other differs by 2 levels"):
        compare(TASK, ["a"], rounds=1)


def test_one_level_is_rounding_and_kernels_are_not_compared(ways: Callable[..., None]) -> None:
    ways(
        way("a", "network", "one"),
        way("a", "network", "other", doubled(level=1)),
        way("Lanczos", "resampling", "one"),
        way("Lanczos", "resampling", "other", doubled(level=9)),
    )
    assert len(compare(TASK, ["a", "Lanczos"], rounds=1).measured) == 3


def test_what_fails_is_skipped_with_its_reason(ways: Callable[..., None]) -> None:
    def fail(image: Any) -> Any:
        raise InferenceError(f"no kernel for {image.shape}")

    ways(way("a", "ours", "works"), way("a", "ours", "fails", fail), skipped=(Skipped(name="b", reason="absent"),))
    found = compare(TASK, ["a"], rounds=1)
    assert [each.way.runtime for each in found.measured] == ["works"]
    assert [(each.name, each.reason) for each in found.skipped] == [
        ("b", "absent"),
        ("a, ours, fails", "no kernel for (6, 8, 3)"),
    ]


def test_times_are_of_one_image() -> None:
    task = Task(scale=2, width=8, height=6, calls=4)
    fast, slow = measured(way("a", "ours", "fast"), 10), measured(way("a", "upstream", "slow"), 30)
    other = measured(way("b", "ours", "fast"), 1)
    found = comparison(fast, slow, other, task=task)
    assert found.seconds(fast) == pytest.approx((0.0025, 0.005))
    assert [found.ratio(each) for each in found.measured] == pytest.approx([1, 3, 1])


@pytest.mark.parametrize(("scale", "calls"), [(2, 1), (4, 2)])
def test_everything_runs_in_small(scale: int, calls: int) -> None:
    chosen = methods(scale)
    found = compare(Task(scale=scale, width=18, height=12, calls=calls), chosen, rounds=1)
    assert all(each.name == f"photo-2x, ours, {NATIVE}" for each in found.skipped)  # it runs realtime and stream
    assert list(dict.fromkeys(each.way.method for each in found.measured)) == list(chosen)
    for name in our_models(scale):
        kinds = [each.way.kind for each in found.measured if each.way.method == name]
        assert kinds.count("upstream") == 1
        assert kinds.count("ours") >= 2
    for each in found.measured:
        assert (each.way.kind in {"network", "upstream"}) == bool(each.slower)
        assert found.ratio(each) > 0


def test_a_backend_that_is_added_takes_part(offer: Callable[..., None]) -> None:
    class Native(OnnxRuntimeBackend):
        name = NATIVE

    offer(Native(), OnnxRuntimeBackend())
    found = compare(Task(scale=2, width=18, height=12, calls=1), ["realtime-2x"], rounds=1)
    assert [(each.way.kind, each.way.runtime) for each in found.measured] == [
        ("ours", NATIVE),
        ("ours", "onnxruntime"),
        ("upstream", "onnxruntime"),
    ]
    promise = Promise(
        method="realtime-2x",
        scale=2,
        runtimes=(NATIVE,),
        against=("upstream", RUNTIMES),
        required=0,
        size=(18, 12),
    )
    assert [each.verdict for each in check([promise], rounds=1, avx512=False)] == ["PASS"]


def test_a_network_that_differs_in_its_training_only_is_timed_once() -> None:
    assert list(our_models(2)) == ["realtime-2x", "photo-2x", "stream-2x"]
    assert list(our_models(4)) == ["realtime-4x", "stream-4x"]
