"""Options of `paragon upscale` for several devices and machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image

from paragon_core.cli.main import main
from paragon_core.slots.settings import IMAGES, VIDEOS, SlotSettings, SlotState
from tests.media.video import videos

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Self

    from paragon_core.media.job_plan import Job
    from paragon_core.media.jobs import JobResult


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--devices", "cpu,cpu", "--ray"], "--ray and --devices contradict each other"),
        (["--devices", "cpu,cpu", "--device", "cpu"], "--device and --devices contradict each other"),
        (["--devices", "cpu", "--replace"], "--replace does not go with --devices"),
        (["--ray", "--shard", "1/2"], "--shard does not go with --ray"),
        (["--slot-cpus", "2"], "--slot-cpus goes with --ray"),
        (["--ray", "b.png"], "b.png is not the address of a Ray cluster"),
        (["--ray", "ray://head:10001"], "is the address of a Ray client"),
        (["--devices", "cpu,,cpu"], "'cpu,,cpu' is not a list of devices"),
        (["--ray", "--slot-cpus", "0"], "'0' is not a number from 1 on"),
    ],
)
def test_what_does_not_go_together_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    Image.new("RGB", (20, 16)).save(here / "a.png")
    assert main(["upscale", "a.png", *options]) == 2
    assert words in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["a.png"]


def test_options_reach_the_slots(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    class Slots:
        def __init__(self, settings: SlotSettings, devices: tuple[str, ...], *, at_once: int) -> None:
            seen.update(settings=settings, devices=devices, at_once=at_once)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            seen["closed"] = True

    def run(jobs: tuple[Job, ...], slots: Slots, *, at_once: int, reports: Any) -> tuple[JobResult, ...]:
        seen.update(jobs=jobs, slots=slots, again=at_once)
        reports.opened(SlotState(backend="native", precisions=("fp32",), versions=()))
        return ()

    monkeypatch.setattr("paragon_core.slots.processes.ProcessSlots", Slots)
    monkeypatch.setattr("paragon_core.slots.run.run_on_slots", run)
    monkeypatch.setattr("paragon_core.cores.usable_cores", lambda: 8)
    Image.new("RGB", (20, 16)).save(here / "a.png")
    videos.make(here / "b.mkv")
    options = ["--jobs", "5", "--temporal", "0.5", "--chunk", "30", "--restart", "--overwrite", "--crf", "30", "--tile"]
    assert main(["upscale", "a.png", "b.mkv", "-o", "out", "--devices", "cuda:0,cuda:1,cuda:2", *options, "64"]) == 0
    assert seen["devices"] == ("cuda:0", "cuda:1", "cuda:2")
    assert (seen["at_once"], seen["again"], seen["closed"]) == (5, 5, True)
    settings = seen["settings"]
    assert isinstance(settings, SlotSettings)
    assert (settings.temporal, settings.chunk, settings.restart, settings.overwrite) == (0.5, 30, True, True)
    assert (settings.encoding.crf, settings.options.tile, settings.cores) == (30, 64, 2)
    assert settings.kinds == IMAGES + VIDEOS
    assert [job.source.name for job in seen["jobs"]] == ["a.png", "b.mkv"]
