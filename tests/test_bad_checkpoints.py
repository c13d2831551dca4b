"""Every kind of bad file gives a typed error that says what is wrong and what to do, and does nothing else."""

from __future__ import annotations

import pickle
import re
from typing import TYPE_CHECKING

import pytest

from paragon_core.errors import CheckpointError
from paragon_core.model import load
from tests.bad_archives import HOSTILE_PICKLES, TORCH_ARCHIVES
from tests.bad_networks import NOT_A_CHECKPOINT, OTHER_NETWORKS, SAFETENSORS_STRUCTURE, SETTINGS, WEIGHTS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bad_checkpoint import BadCheckpoint

BAD_CHECKPOINTS = [
    *NOT_A_CHECKPOINT,
    *SAFETENSORS_STRUCTURE,
    *WEIGHTS,
    *OTHER_NETWORKS,
    *SETTINGS,
    *TORCH_ARCHIVES,
    *HOSTILE_PICKLES,
]


@pytest.mark.parametrize("bad", BAD_CHECKPOINTS, ids=lambda bad: bad.name.replace(" ", "-"))
def test_bad_file_gives_a_typed_error(bad: BadCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "fidelity.bin"  # the content decides, not the suffix; the name says nothing that is asked for
    path.write_bytes(bad.bytes())
    with pytest.raises(CheckpointError) as caught:
        load(path)
    error = caught.value
    assert type(error) is bad.error
    assert re.search(bad.says, str(error)), str(error)
    assert len(str(error)) < 600
    assert len(error.hint.split()) >= 3
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  (our own bytes)
    assert (type(again), str(again), again.hint) == (type(error), str(error), error.hint)
    assert list(tmp_path.iterdir()) == [path]  # nothing was executed or left behind


def test_kinds_are_many_and_have_names_of_their_own() -> None:
    assert len(BAD_CHECKPOINTS) >= 40
    assert len({bad.name for bad in BAD_CHECKPOINTS}) == len(BAD_CHECKPOINTS)
