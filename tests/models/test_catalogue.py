"""The files in the user's folders, listed cheaply and without failing on any of them."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core import load
from paragon_core.models.catalogue import catalogue, scores
from paragon_core.models.checkpoint import Checkpoint
from paragon_core.models.folders import SUFFIXES
from paragon_core.models.model import bundled, from_checkpoint
from tests.models.all_bad_checkpoints import BAD_CHECKPOINTS
from tests.models.checkpoint_files import (
    SMALL,
    archive,
    as_stored,
    program,
    random_arrays,
    raw_safetensors,
    safetensors_file,
    specs,
    torch_file,
)

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.models.spec import ModelSpec


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of the user."""
    mine = tmp_path / "mine"
    mine.mkdir()
    monkeypatch.setenv("PARAGON_MODELS", str(mine))
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "missing")
    return mine


def test_every_network_is_found_and_loads_by_the_name_shown(folder: Path, tmp_path: Path) -> None:
    further = tmp_path / "further"
    further.mkdir()
    wrapped = {f"module._orig_mod.{key}": value for key, value in as_stored(SMALL).items()}
    (folder / "a.safetensors").write_bytes(safetensors_file(as_stored(SMALL, seed=1)))
    (folder / "a.pth").write_bytes(torch_file(as_stored(SMALL, seed=2)))
    (folder / "b.pth").write_bytes(torch_file(wrapped))
    (folder / "realtime-2x.safetensors").write_bytes(safetensors_file(wrapped))
    (further / "c.safetensors").write_bytes(safetensors_file(as_stored(SMALL, seed=3)))
    seen = catalogue([further, folder])
    expected = ["a", folder / "a.pth", "b", folder / "realtime-2x.safetensors", further / "c.safetensors"]
    assert [entry.use for entry in seen.found] == list(map(str, expected))
    assert [entry.use for entry in seen.bundled] == list(bundled())
    assert seen.unusable == ()
    assert seen.folders[0] == folder
    assert seen.folders[-1] == further
    for entry in (*seen.bundled, *seen.found):
        assert load(entry.use, upsampler_alpha=0).sha256 == entry.model.sha256


@given(spec=specs(), as_torch=st.booleans())
def test_no_kind_of_network_is_overlooked(
    tmp_path_factory: pytest.TempPathFactory, spec: ModelSpec, *, as_torch: bool
) -> None:
    arrays = as_stored(spec)
    further = tmp_path_factory.mktemp("any")
    (further / "net.pth").write_bytes(torch_file(arrays) if as_torch else safetensors_file(arrays))
    seen = catalogue([further])
    assert [entry.path for entry in seen.found] == [further / "net.pth"]


TENSOR = random_arrays(SMALL)["conv_in.weight"]

#: Files that are no models, and what is said about them.
FOREIGN = {
    "empty": (b"", "it is empty"),
    "a web page": (b"<!DOCTYPE html>", "it is a web page"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    "another network": (
        safetensors_file({"encoder.conv_in.weight": random_arrays(SMALL)["conv_in.weight"]}),
        "another",
    ),
    "another network of torch": (torch_file({"model.0.weight": random_arrays(SMALL)["conv_in.weight"]}), "another"),
    "a relative": (safetensors_file({"conv_in.weight": random_arrays(SMALL)["conv_in.weight"]}), "not a ParagonSR2"),
    "a code runner": (archive(program(b"cos\nsystem\n(X\x0e\0\0\0conv_in.weighttR")), "nothing was executed"),
    "half a file": (safetensors_file(as_stored(SMALL))[:-100], "damaged or truncated"),
    "half an archive": (torch_file(as_stored(SMALL))[:1000], "not an archive that torch wrote"),
    "an archive": (archive(b"", {"x/y.txt": b"text"}), "another network"),
    "a long header": (raw_safetensors(b'{"conv_in.weight', length=2**63), "damaged or truncated"),
    "bad notes": (safetensors_file(as_stored(SMALL), {"upsampler_alpha": "a\nb"}), "not a number"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_model_is_explained_in_one_line(folder: Path, kind: str) -> None:
    content, reason = FOREIGN[kind]
    (folder / "net.pth").write_bytes(content)
    seen = catalogue()
    assert seen.found == ()
    assert [other.path for other in seen.unusable] == [folder / "net.pth"]
    assert reason in seen.unusable[0].reason
    assert "\n" not in seen.unusable[0].reason


@given(content=st.binary(max_size=300), start=st.sampled_from([b"", b"PK\x03\x04", struct.pack("<Q", 40) + b"{"]))
def test_no_file_ends_the_search(tmp_path_factory: pytest.TempPathFactory, content: bytes, start: bytes) -> None:
    further = tmp_path_factory.mktemp("any")
    (further / "net.safetensors").write_bytes(start + content)
    assert catalogue([further]).found == ()


def test_of_large_foreign_files_only_the_table_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = json.dumps({"model.0.weight": {"dtype": "F32", "shape": [10**8], "data_offsets": [0, 4 * 10**8]}}).encode()
    with zipfile.ZipFile(folder / "b.pth", "w") as file:
        file.writestr("net/data.pkl", program(b"}"))
        file.writestr("net/data/0", bytes(10**6))
    for name, beginning in (("a.safetensors", struct.pack("<Q", len(header)) + header), ("c.pth", b"\x80\x02")):
        with (folder / name).open("wb") as stream:
            stream.write(beginning)
            stream.truncate(4 * 10**8)  # a hole: it takes no room on the disk

    def read_whole(path: Path) -> bytes:
        raise AssertionError(path)

    monkeypatch.setattr("paragon_core.models.catalogue.load", read_whole)
    monkeypatch.setattr("paragon_core.models.catalogue.bundled", tuple)
    assert [other.path.name for other in catalogue().unusable] == ["a.safetensors", "b.pth", "c.pth"]


def test_good_files_among_all_kinds_of_bad_ones_are_found(folder: Path) -> None:
    for index, bad in enumerate(BAD_CHECKPOINTS):
        (folder / f"{index:03}-{bad.name}{SUFFIXES[index % 2]}".replace("/", "-")).write_bytes(bad.bytes())
    notes = {"upsampler_alpha": "0", "scores": '{"Set5": {"psnr_y": 1' + "0" * 400 + "}}"}
    (folder / "good.safetensors").write_bytes(safetensors_file(as_stored(SMALL), notes))
    (folder / "zgood.pth").write_bytes(torch_file(as_stored(SMALL)))
    seen = catalogue()
    assert [entry.use for entry in seen.found] == ["good", "zgood"]
    assert len(seen.unusable) == len(BAD_CHECKPOINTS)
    assert all(other.reason.isprintable() and len(other.reason) < 600 for other in seen.unusable)
    assert [scores(entry.model) for entry in seen.found] == [{}, {}]


def test_folders_that_cannot_be_read_are_reported(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    seen = catalogue([file, tmp_path / "nowhere"])
    assert [other.path for other in seen.unusable] == [file]
    assert seen.unusable[0].reason.startswith("cannot be read")
    assert seen.folders == (folder, tmp_path / "missing" / "models", file, tmp_path / "nowhere")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs files that their owner may not read")
def test_files_that_cannot_be_read_are_reported(folder: Path) -> None:
    (folder / "net.pth").write_bytes(b"x")
    (folder / "net.pth").chmod(0)
    assert catalogue().unusable[0].reason == "cannot be read: Permission denied"


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        ('{"Set14": {"psnr_y": 32.5}, "Set5": {"psnr_y": 37, "ssim": 1}}', {"Set5": 37.0, "Set14": 32.5}),
        ('{"Set5": {"psnr_y": NaN}}', {}),
        ('{"Set5": {"ssim": 1}}', {}),
        ('{"Set5": [1]}', {}),
        ('[["psnr_y"]]', {}),
        ("3", {}),
        ("null", {}),
        ("{", {}),
        ("[" * 100_000, {}),
        ('{"Set5": {"psnr_y": 1' + "0" * 400 + "}}", {}),
        ('{"Set5": {"psnr_y": 1e999}}', {}),
        ('{"Set5": {"psnr_y": -1}}', {}),
        ('{"Set5": {"psnr_y": true}}', {}),
        ('{"Set5": {"psnr_y": "37"}}', {}),
        ('{"Set5": null}', {}),
        (json.dumps({f"Set{index}": {"psnr_y": 30} for index in range(1000)}), {}),
        ('{"\\u001b]0;owned\\u0007": {"psnr_y": 30}}', {"\ufffd]0;owned\ufffd": 30.0}),
    ],
)
def test_scores_are_what_the_file_notes(noted: str, expected: dict[str, float]) -> None:
    checkpoint = Checkpoint(arrays=as_stored(SMALL), metadata={"scores": noted}, sha256="0" * 64, name="fidelity")
    assert scores(from_checkpoint(checkpoint)) == expected
    assert list(scores(from_checkpoint(checkpoint))) == list(expected)
