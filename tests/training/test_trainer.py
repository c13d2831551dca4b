from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from paragon_core.errors import InputError, UnreadableCheckpointError
from paragon_core.model import load
from paragon_core.quality.evaluate import make_pair
from paragon_core.spec import preset

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from paragon_core.training.data import PatchOptions, PatchSource  # noqa: E402
from paragon_core.training.loop import train  # noqa: E402
from paragon_core.training.options import TrainingOptions, learning_rate  # noqa: E402
from paragon_core.training.trainer import Trainer  # noqa: E402
from paragon_core.training.validation import Progress, validate  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Pictures = list[npt.NDArray[np.uint8]]

REALTIME = replace(preset("realtime", 2, revision="v9"), upsampler_alpha=0.0)
SHORT = TrainingOptions(steps=40, validate_every=20)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    # Sums of several threads are added in any order, which costs the last bit.
    torch.set_num_threads(1)


def trainer_on(pictures: Pictures, options: TrainingOptions, **others: object) -> Trainer:
    source = PatchSource([pictures[:4]], scale=2, options=PatchOptions(low_size=24, batch_size=4))
    return Trainer(REALTIME, source, options, **others)  # type: ignore[arg-type]


def test_two_hundred_steps_improve_what_was_not_trained_on(pictures: Pictures) -> None:
    trainer = trainer_on(pictures, TrainingOptions(steps=200))
    sets = {"unseen": [make_pair(str(index), pictures[index], 2) for index in (4, 5)]}
    before = validate(trainer.arrays(), REALTIME, sets)["unseen"]
    losses = [trainer.advance() for _ in range(200)]
    after = validate(trainer.arrays(), REALTIME, sets)["unseen"]
    assert sum(losses[-50:]) < 0.9 * sum(losses[:50])
    assert after.psnr_y > before.psnr_y + 0.5
    assert after.ssim > before.ssim


def test_the_start_is_already_better_than_the_fixed_base(pictures: Pictures) -> None:
    sets = {"unseen": [make_pair("", pictures[4], 2)]}
    trainer = trainer_on(pictures, SHORT)
    started = validate(trainer.arrays(), REALTIME, sets)["unseen"]
    arrays = trainer.arrays()
    arrays["detail_gain"] = np.zeros_like(arrays["detail_gain"])
    assert started.psnr_y > validate(arrays, REALTIME, sets)["unseen"].psnr_y + 2


@pytest.mark.parametrize("bfloat16", [False, True])
def test_an_interrupted_run_ends_with_the_same_bits(pictures: Pictures, tmp_path: Path, *, bfloat16: bool) -> None:
    options = replace(SHORT, bfloat16=bfloat16)
    straight = trainer_on(pictures, options)
    train(straight, tmp_path / "straight", sets={}, report=ignore)
    straight_on_disk = load(tmp_path / "straight/last.safetensors")

    def press_ctrl_c(_: Progress) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(trainer_on(pictures, options), tmp_path / "broken", sets={}, report=press_ctrl_c)
    resumed = trainer_on(pictures, options)
    train(resumed, tmp_path / "broken", sets={}, report=ignore)
    resumed_on_disk = load(tmp_path / "broken/last.safetensors")
    for key, array in straight.arrays().items():
        assert np.array_equal(array, resumed.arrays()[key]), key
        assert np.array_equal(straight_on_disk.arrays[key], resumed_on_disk.arrays[key]), key


def test_the_weights_that_it_saves_say_what_they_are(pictures: Pictures, tmp_path: Path) -> None:
    reports: list[Progress] = []
    sets = {"unseen": [make_pair("", pictures[4], 2)]}
    train(trainer_on(pictures, SHORT), tmp_path, sets=sets, report=reports.append)
    assert [report.step for report in reports] == [20, 40]
    assert json.loads(reports[0].to_json())["scores"]["unseen"]["psnr_y"] == reports[0].scores["unseen"].psnr_y
    best = max(reports, key=lambda report: report.scores["unseen"].psnr_y)
    model = load(tmp_path / "best.safetensors")
    assert model.spec == REALTIME
    assert model.settings_from == "upsampler_alpha: file metadata"
    assert model.metadata["steps"] == str(best.step)
    assert validate(model.arrays, model.spec, sets) == best.scores


def test_it_goes_on_from_given_weights(pictures: Pictures) -> None:
    first = trainer_on(pictures, SHORT)
    for _ in range(10):
        first.advance()
    sets = {"unseen": [make_pair("", pictures[4], 2)]}
    scores = [
        validate(trainer.arrays(), REALTIME, sets)["unseen"].psnr_y
        for trainer in (first, trainer_on(pictures, SHORT, start_from=first.arrays()))
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)


def test_another_run_in_the_folder_is_refused(pictures: Pictures, tmp_path: Path) -> None:
    train(trainer_on(pictures, SHORT), tmp_path, sets={}, report=ignore)
    with pytest.raises(InputError, match="other options"):
        train(trainer_on(pictures, replace(SHORT, seed=1)), tmp_path, sets={}, report=ignore)


def test_a_damaged_state_is_refused(pictures: Pictures, tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(UnreadableCheckpointError, match=r"state\.pt"):
        train(trainer_on(pictures, SHORT), tmp_path, sets={}, report=ignore)


def test_the_scales_must_agree(pictures: Pictures) -> None:
    source = PatchSource([pictures], scale=4, options=PatchOptions(low_size=8, batch_size=1))
    with pytest.raises(InputError, match="x4"):
        Trainer(REALTIME, source, SHORT)


def test_the_rate_rises_then_falls_to_nothing() -> None:
    options = TrainingOptions(steps=1000, learning_rate=1.0, warmup_share=0.1)
    rates = [learning_rate(options, step) for step in range(1001)]
    assert rates[0] == 0
    assert max(rates) == rates[100] == pytest.approx(0.5 + 0.5 * np.cos(0.1 * np.pi))
    assert rates[:101] == sorted(rates[:101])
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[1000] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("field", "value"), [("steps", 0), ("averaging", 1.5), ("luma_share", -0.1), ("learning_rate", float("nan"))]
)
def test_impossible_options_are_refused(field: str, value: float) -> None:
    with pytest.raises(InputError, match=field):
        TrainingOptions(**{"steps": 10, field: value})  # type: ignore[arg-type]


def ignore(_: Progress) -> None:
    pass
