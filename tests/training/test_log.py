from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from paragon_core.errors import BackendUnavailableError, MediaError
from paragon_core.quality.evaluate import make_pair

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("one_thread")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from paragon_core.training.data import PatchOptions, PatchSource
from paragon_core.training.loop import train
from paragon_core.training.options import TrainingOptions, learning_rate
from paragon_core.training.trainer import Trainer
from tests.training.short_runs import REALTIME, ignore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from paragon_core.training.validation import TrainingProgress
    from tests.training.short_runs import Images

OPTIONS = TrainingOptions(steps=150, validate_every=60, clip_norm=1.0)


def logged(
    images: Images, folder: Path, *, tick: Callable[[int], None] | None = None
) -> tuple[EventAccumulator, list[TrainingProgress]]:
    """Train with a log, if need be from where it broke off, and read the log."""
    source = PatchSource([images[:2]], scale=2, options=PatchOptions(low_size=8, batch_size=1))
    reports: list[TrainingProgress] = []
    sets = {"unseen": [make_pair("first.png", images[4], 2), make_pair("second.png", images[5], 2)]}
    train(Trainer(REALTIME, source, OPTIONS), folder, sets=sets, report=reports.append, tick=tick, log=True)
    return read(folder), reports


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder / "log"))
    events.Reload()
    return events


def steps(events: EventAccumulator, tag: str) -> list[int]:
    return [point.step for point in events.Scalars(tag)]


def test_it_holds_what_the_run_found(images: Images, tmp_path: Path) -> None:
    events, reports = logged(images, tmp_path)
    assert steps(events, "training/loss") == [50, 100, 150]
    # Validations are after 60, 120 and 150 steps.
    last = (
        sum(point.value * 50 for point in events.Scalars("training/loss")),
        60 * (reports[0].loss + reports[1].loss) + 30 * reports[2].loss,
    )
    assert last[0] == pytest.approx(last[1])
    rates = [point.value for point in events.Scalars("training/rate of learning")]
    assert rates == pytest.approx([learning_rate(OPTIONS, step) for step in (49, 99, 149)])
    assert steps(events, "training/length of the gradient") == [50, 100, 150]
    assert steps(events, "training/steps a second") == [60, 120, 150]
    for tag, name in (("unseen/PSNR", "psnr_y"), ("unseen/SSIM", "ssim")):
        found = [point.value for point in events.Scalars(tag)]
        assert found == pytest.approx([getattr(report.scores["unseen"], name) for report in reports])


def test_its_images_show_the_network_next_to_the_original(images: Images, tmp_path: Path) -> None:
    events, _ = logged(images, tmp_path)
    assert events.Tags()["images"] == ["unseen/first.png", "unseen/second.png"]
    shown = events.Images("unseen/second.png")
    assert [image.step for image in shown] == [60, 120, 150]
    path = tmp_path / "shown.png"
    path.write_bytes(shown[-1].encoded_image_string)
    with Image.open(path) as image:
        left, right = np.split(np.asarray(image), 2, axis=1)
    assert np.array_equal(right, images[5])
    assert 0 < np.abs(left.astype(float) - right).mean() < 20


def test_a_run_that_broke_off_has_every_point_once(images: Images, tmp_path: Path) -> None:
    def fail(step: int) -> None:
        if step == 110:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        logged(images, tmp_path / "broken", tick=fail)
    # Step 100 is in the log, but the state on the disk is that of step 60.
    assert steps(read(tmp_path / "broken"), "training/loss") == [50, 100]
    resumed, _ = logged(images, tmp_path / "broken")
    straight, _ = logged(images, tmp_path / "straight")
    for tag in straight.Tags()["scalars"]:
        assert steps(resumed, tag) == steps(straight, tag), tag
    assert resumed.Scalars("unseen/PSNR")[-1].value == straight.Scalars("unseen/PSNR")[-1].value
    assert [image.step for image in resumed.Images("unseen/first.png")] == [60, 120, 150]


def test_no_log_unless_asked(images: Images, tmp_path: Path) -> None:
    source = PatchSource([images[:1]], scale=2, options=PatchOptions(low_size=8, batch_size=1))
    train(Trainer(REALTIME, source, TrainingOptions(steps=1)), tmp_path, sets={}, report=ignore)
    assert not (tmp_path / "log").exists()


def test_a_missing_tensorboard_is_named(images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # Python's own way to make an import fail
    with pytest.raises(BackendUnavailableError) as caught:
        logged(images, tmp_path)
    assert "pip install tensorboard" in caught.value.hint


def test_a_folder_that_cannot_be_written_is_named(images: Images, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("in the way")
    with pytest.raises(MediaError, match="cannot write") as caught:
        logged(images, tmp_path)
    assert caught.value.hint
