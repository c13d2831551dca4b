"""Which models a workflow can choose, whatever lies in the folders; ComfyUI's own part is a stand-in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from paragon_core.model import bundled
from tests.all_bad_checkpoints import BAD_CHECKPOINTS
from tests.checkpoint_files import SMALL, as_stored, safetensors_file, torch_file
from tests.fresh_python import run
from tests.fuzz_checkpoints import MOST_BYTES, MOST_SECONDS, mutated

if TYPE_CHECKING:
    from typing import Any

    import pytest

SCAN = """
import json, time
from paragon_nodes import checkpoints
from paragon_core.errors import ParagonError
from paragon_core.quality.footprint import peak

checkpoints.register_folders()
start = time.process_time()
names = checkpoints.model_names()
seconds = time.process_time() - start
start = time.process_time()
assert checkpoints.model_names() == names
again = time.process_time() - start
refused = []
for name in [*names, "gone.pth", "a" * 5000, "a\\0b", "../outside.pth", ""]:
    checkpoints.fingerprint(name)
    try:
        checkpoints.load_model(name)
    except ParagonError as error:
        assert str(error) and error.hint
        refused.append(name)
print(json.dumps([names, refused, seconds, again, peak()]))
"""


def scan(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what a ComfyUI with this folder of models lists and refuses, and the seconds and bytes that it takes."""
    monkeypatch.setenv("MODELS", str(folder))
    monkeypatch.setenv("PARAGON_MODELS", "")
    stand_in = folder / "python"
    stand_in.mkdir()
    shutil.copy(Path(__file__).with_name("folder_paths_stand_in.py"), stand_in / "folder_paths.py")
    return json.loads(run(SCAN, path=stand_in).stdout)


def test_good_files_among_all_kinds_of_bad_ones_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "upscale_models"
    mine.mkdir()
    for index, bad in enumerate(BAD_CHECKPOINTS):
        (mine / f"bad{index}.pth").write_bytes(bad.bytes())
    count = 300
    for index in range(count):
        (mine / f"mutated{index}.safetensors").write_bytes(mutated(1, index))
    (mine / "folder.pth").mkdir()
    (mine / "good.safetensors").write_bytes(safetensors_file(as_stored(SMALL)))
    (mine / "good.pth").write_bytes(torch_file(as_stored(SMALL)))
    names, refused, seconds, again, peak = scan(tmp_path, monkeypatch)
    assert {*bundled(), "good.safetensors", "good.pth"} <= set(names) - set(refused)
    assert {name for name in names if name.startswith("bad")} <= set(refused)
    assert {"gone.pth", "a" * 5000, "a\0b", "../outside.pth", ""} <= set(refused)
    # On average far below what each file may take.
    assert seconds < MOST_SECONDS * (len(BAD_CHECKPOINTS) + count) / 10
    assert again < seconds
    assert peak < MOST_BYTES
