"""Which models a workflow can choose, whatever lies in the folders; ComfyUI's own part is a stand-in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from paragon_core.models.model import bundled
from paragon_core.models.spec import preset
from tests.fresh_python import run
from tests.models.all_bad_checkpoints import BAD_CHECKPOINTS
from tests.models.checkpoint_files import SMALL, as_stored, safetensors_file, torch_file
from tests.models.fuzz_checkpoints import MOST_BYTES, MOST_SECONDS, mutated

if TYPE_CHECKING:
    from typing import Any

    import pytest

SCAN = """
import json, time
from paragon_nodes import checkpoints
from paragon_core.errors import ParagonError
from paragon_core.benchmark.footprint import peak

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


def scan(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str = SCAN) -> Any:
    """Return what a ComfyUI with this folder of models lists and refuses, and the seconds and bytes that it takes."""
    monkeypatch.setenv("MODELS", str(folder))
    monkeypatch.setenv("PARAGON_MODELS", "")
    stand_in = folder / "python"
    stand_in.mkdir()
    shutil.copy(Path(__file__).with_name("folder_paths_stand_in.py"), stand_in / "folder_paths.py")
    return json.loads(run(code, path=stand_in).stdout)


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


NAMES = """
import json
from paragon_nodes import checkpoints
from paragon_core.errors import ParagonError

def said(name):
    try:
        checkpoints.check(name)
    except ParagonError as error:
        return str(error)
    return ""

checkpoints.register_folders()
names = checkpoints.model_names()
asked = ["sub/good.pth", "sub\\\\good.pth", "realtime-2x", "gone\\\\good.pth", "..\\\\..\\\\good.pth", *names]
print(json.dumps([names, {name: said(name) for name in asked}, str(checkpoints.load_model("sub\\\\good.pth").name)]))
"""


def test_damaged_files_are_listed_and_refused_junk_is_not_listed_and_both_slashes_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "upscale_models"
    (mine / "sub").mkdir(parents=True)
    whole, archive = safetensors_file(as_stored(SMALL)), torch_file(as_stored(SMALL))
    (mine / "sub" / "good.pth").write_bytes(archive)
    v6 = safetensors_file(as_stored(preset("realtime", 2, revision="v6")))
    prefixed = safetensors_file({f"module.{key}": value for key, value in as_stored(SMALL).items()})
    damaged = {
        "body.safetensors": whole[:-50],
        "header.safetensors": whole[:200],
        "v6.safetensors": v6[:200],
        "prefixed.safetensors": prefixed[:250],
        "half.pth": archive[: len(archive) // 2],
    }
    junk = {
        "empty.safetensors": b"",
        "page.safetensors": b"<!DOCTYPE html><p>conv_in.weight",
        "pointer.pth": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "other.safetensors": safetensors_file({"model.0.weight": as_stored(SMALL)["conv_in.weight"]})[:-9],
        "text.pth": b"PK\x03\x04" + b"text" * 99,
        "start.safetensors": whole[:20],
    }
    for name, content in (damaged | junk).items():
        (mine / name).write_bytes(content)
    names, said, loaded = scan(tmp_path, monkeypatch, NAMES)
    assert set(names) == {*bundled(), *damaged, str(Path("sub") / "good.pth")}
    assert {name for name in names if said[name]} == set(damaged)
    assert [said[name] for name in ("sub/good.pth", "sub\\good.pth", "realtime-2x")] == [""] * 3
    assert "there is no model" in said["gone\\good.pth"]
    assert "there is no model" in said["..\\..\\good.pth"]
    assert loaded == "good"
