from __future__ import annotations

import threading
import time

import pytest

from paragon_core.cli.stage_profile import StageProfile, network_cpu
from paragon_core.media.video.stage_times import MeasuredTimes, Spent
from paragon_core.upscaling.session_pool import THREADS


def profile(**walls: float) -> StageProfile:
    stages = {
        "decode": Spent(wall=walls.get("decode", 0.5), cpu=0.4),
        "network": Spent(wall=walls.get("network", 2.0), cpu=6.0),
        "colour out": Spent(wall=1.0, cpu=1.0),
        "encode": Spent(wall=walls.get("encode", 3.0), cpu=0.6),
    }
    return StageProfile(
        frames=100,
        seconds=10.0,
        cpu=walls.get("cpu", 12.0),
        stages=stages,  # type: ignore[arg-type]  # the names are those of stages
        lent={"writer": 10.0, "workers": 30.0, "reader": 10.0},
        cores=2,
    )


@pytest.mark.parametrize(
    ("walls", "bottleneck"),
    [({}, "encode"), ({"network": 27.0}, "network"), ({"network": 2, "encode": 1, "decode": 9.5}, "decode")],
)
def test_the_bottleneck_is_the_longest_stage_of_the_busiest_threads(walls: dict[str, float], bottleneck: str) -> None:
    made = profile(**walls)
    assert made.bottleneck == made.fields()["bottleneck"] == bottleneck
    assert made.lines()[-1].startswith(f"bottleneck: {bottleneck}: its threads")


def test_the_lines() -> None:
    lines = profile(network=27.0, cpu=19.0).lines()
    assert lines[0] == "100 frames in 10.00 s, 10.0 frames/s; CPU 19.00 s, 95% of 2 cores"
    assert lines[3].split() == ["network", "workers", "270.00", "90%", "60.00", "32%"]
    assert lines[6].split() == ["other", "threads", "codecs,", "runtime", "110.00", "58%"]
    assert "writer wait 70% of the time for upscaled frames" in lines
    assert lines[-1] == ("bottleneck: network: its threads (workers) are busy 93% of the time; all 2 cores are busy")


def test_no_stage_is_no_bottleneck() -> None:
    empty = StageProfile.of(MeasuredTimes(), frames=0, seconds=0.0, cpu=0.0, network_cpu=0.0)
    assert empty.bottleneck is None
    assert empty.lines()[0].startswith("0 frames in 0.00 s, ")


def test_the_time_of_the_networks_threads_is_found() -> None:
    done = threading.Event()

    def work() -> None:
        start = time.thread_time()
        while time.thread_time() - start < 0.2:
            pass
        done.set()
        ended.wait(60)

    ended = threading.Event()
    before = network_cpu()
    thread = threading.Thread(target=work, name=f"{THREADS}_0")
    thread.start()
    assert done.wait(60)
    taken = network_cpu() - before
    ended.set()
    thread.join()
    assert taken == 0.0 or 0.1 < taken < 1.0  # macOS does not say which thread took it
