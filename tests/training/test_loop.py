from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from paragon_core.errors import InputError, MediaError, UnreadableCheckpointError
from paragon_core.models.model import load
from paragon_core.quality.evaluate import make_pair

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("one_thread")

from paragon_core.training.loop import train
from paragon_core.training.validation import TrainingProgress, validate
from tests.models.impostors import IMPOSTORS
from tests.training.short_runs import REALTIME, SHORT, ignore, trainer_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.training.short_runs import Images


@pytest.mark.parametrize(
    "changes",
    [
        {"bfloat16": True},
        {"bfloat16": False},
        {"cycles": 4},
        {"optimiser": "adamw", "learning_rate": 4e-3, "weight_decay": 0.01},
        {"optimiser": "soap", "clip_norm": 0.1, "charbonnier_weight": 1.0, "checkpointing": True},
    ],
    ids=["soap", "soap, float32", "soap, cycles", "adamw", "soap, clipped"],
)
def test_an_interrupted_run_ends_with_the_same_bits(
    images: Images, tmp_path: Path, press_ctrl_c: Callable[..., None], changes: dict[str, Any]
) -> None:
    options = replace(SHORT, **changes)
    straight = trainer_on(images, options)
    train(straight, tmp_path / "straight", sets={}, report=ignore)
    straight_on_disk = load(tmp_path / "straight/last.safetensors")

    with pytest.raises(KeyboardInterrupt):
        train(trainer_on(images, options), tmp_path / "broken", sets={}, report=press_ctrl_c)
    resumed = trainer_on(images, options)
    train(resumed, tmp_path / "broken", sets={}, report=ignore)
    resumed_on_disk = load(tmp_path / "broken/last.safetensors")
    for key, array in straight.arrays().items():
        assert np.array_equal(array, resumed.arrays()[key]), key
        assert np.array_equal(straight_on_disk.arrays[key], resumed_on_disk.arrays[key]), key


def test_the_weights_that_it_saves_say_what_they_are(images: Images, tmp_path: Path) -> None:
    reports: list[TrainingProgress] = []
    sets = {"unseen": [make_pair("", images[4], 2)]}
    train(trainer_on(images, SHORT), tmp_path, sets=sets, report=reports.append)
    assert [report.step for report in reports] == [20, 40]
    assert json.loads(reports[0].to_json())["scores"]["unseen"]["psnr_y"] == reports[0].scores["unseen"].psnr_y
    best = max(reports, key=lambda report: report.scores["unseen"].psnr_y)
    model = load(tmp_path / "best.safetensors")
    assert model.spec == REALTIME
    assert model.settings_from == "upsampler_alpha: file metadata"
    assert model.metadata["steps"] == str(best.step)
    assert validate(model.arrays, model.spec, sets) == best.scores


def test_another_run_in_the_folder_is_refused(images: Images, tmp_path: Path) -> None:
    train(trainer_on(images, SHORT), tmp_path, sets={}, report=ignore)
    with pytest.raises(InputError, match="other options"):
        train(trainer_on(images, replace(SHORT, seed=1)), tmp_path, sets={}, report=ignore)


def test_a_damaged_state_is_refused(images: Images, tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(UnreadableCheckpointError, match=r"state\.pt"):
        train(trainer_on(images, SHORT), tmp_path, sets={}, report=ignore)


@pytest.mark.parametrize("kind", sorted({"folder", "FIFO"} & set(IMPOSTORS)))
def test_a_state_that_is_no_file_is_refused(images: Images, tmp_path: Path, kind: str) -> None:
    IMPOSTORS[kind](tmp_path / "state.pt")
    with pytest.raises((MediaError, UnreadableCheckpointError), match=r"state\.pt"):
        train(trainer_on(images, SHORT), tmp_path, sets={}, report=ignore)


def test_a_run_from_before_names_changed_goes_on(images: Images) -> None:
    trainer = trainer_on(images, replace(SHORT, ema_decay=0.9, border_weight=0.5))
    trainer.advance()
    saved = deepcopy(trainer.state())
    options = json.loads(saved["options"])
    options["averaging"], options["rim_weight"] = options.pop("ema_decay"), options.pop("border_weight")
    older = saved | {"options": json.dumps(options), "average": saved["ema"]}
    del older["ema"]
    resumed = trainer_on(images, trainer.options)
    resumed.restore(older)
    assert trainer.advance() == resumed.advance()
    for key, array in trainer.arrays().items():
        assert np.array_equal(array, resumed.arrays()[key]), key
    with pytest.raises(InputError, match="other options"):
        trainer_on(images, SHORT).restore(older)


def test_a_run_from_before_an_option_existed_goes_on(images: Images) -> None:
    trainer = trainer_on(images, SHORT)
    saved = trainer.state()
    options = json.loads(saved["options"])
    del options["clip_norm"], options["optimiser"]
    trainer.restore(saved | {"options": json.dumps(options)})
    with pytest.raises(InputError, match="other options"):
        trainer_on(images, replace(SHORT, clip_norm=1.0)).restore(saved | {"options": json.dumps(options)})
