"""Files for machines that do not see those of the driver."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from paragon_core.atomic_files import marker, remove_leftovers
from paragon_core.slots import copies
from paragon_core.slots.actor import ClusterSlot
from paragon_core.slots.copies import Place, pieces_of, write_pieces
from paragon_core.slots.units import FileUnit
from tests.slots import work

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "PIECE", 1000)
    monkeypatch.setenv("PARAGON_CORES", "")


def test_a_slot_tells_shared_files_from_others(tmp_path: Path) -> None:
    source, elsewhere = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"one")
    elsewhere.write_bytes(b"two")
    os.utime(elsewhere, ns=(1, 1))
    with marker(tmp_path) as mark:
        remove_leftovers(tmp_path)
        place = Place.of(source, mark)
        assert place.is_shared(source)
        assert not place.is_shared(elsewhere)
        assert not place.is_shared(tmp_path / "missing")
        assert not Place.of(source, None).is_shared(source)
        assert Place.of(tmp_path / "missing", None).is_shared(tmp_path / "missing")  # so that it reports why
    assert not place.is_shared(source)
    assert sorted(tmp_path.iterdir()) == [source, elsewhere]


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 2500])
def test_pieces_are_the_file(tmp_path: Path, size: int) -> None:
    (tmp_path / "a").write_bytes(os.urandom(size))
    pieces = list(pieces_of(tmp_path / "a"))
    assert all(len(piece) <= 1000 for piece in pieces)
    write_pieces(tmp_path / "b", pieces)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_unit_of_copies_gives_what_the_files_would(tmp_path: Path) -> None:
    sources = work.images(tmp_path / "in", 1)
    work.alone(work.jobs_of(sources, tmp_path / "alone"), work.settings())
    slot = ClusterSlot(work.settings())
    slot.open(None)
    made, broken = (
        slot.do_pieces(FileUnit(number=0, index=0, job=job), list(pieces_of(job.source)), fetch=bytes, store=bytes)
        for job in work.jobs_of(sources, tmp_path / "out")
    )
    slot.close()
    assert len(made.pieces) > 1
    assert b"".join(made.pieces) == (tmp_path / "alone" / "00.png").read_bytes()
    assert made.outcome.result is not None
    assert made.outcome.result.job.source == sources / "00.png"
    assert broken.pieces == ()
    assert broken.outcome.result is not None
    assert str(broken.outcome.result.error) == f"{sources / 'broken.png'}: it is not an image of a known kind"


def test_without_room_for_a_copy_the_file_fails(tmp_path: Path) -> None:
    (job, _) = work.jobs_of(work.images(tmp_path / "in", 1), tmp_path / "out")

    def fail(_: bytes) -> bytes:
        raise OSError(28, "No space left on device")

    copied = ClusterSlot(work.settings()).do_pieces(
        FileUnit(number=0, index=0, job=job), [b""], fetch=fail, store=bytes
    )
    assert copied.outcome.result is not None
    assert "no room for a copy on" in str(copied.outcome.result.error)
