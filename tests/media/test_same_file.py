from __future__ import annotations

import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.errors import InputError, ParagonError
from paragon_core.media import same_file
from paragon_core.media.job_plan import plan
from paragon_core.media.same_file import are_one, folded, folds_names

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Müller é.png") for form in ("NFC", "NFD"))


def really_folds(folder: Path) -> bool:
    """Whether a folder takes names for one that differ in case, found out by writing."""
    probe = folder / "Probe.txt"
    probe.touch()
    found = (folder / "pROBE.TXT").exists()
    probe.unlink()
    return found


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def folding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this disk take names for one that differ in case or in how accents are composed, as far as questions go."""
    real = Path.samefile

    def there(path: Path) -> Path:
        return next((other for other in path.parent.iterdir() if folded(other) == folded(path)), path)

    monkeypatch.setattr(Path, "samefile", lambda first, second: real(there(first), there(second)))


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_all_spellings_of_a_name_are_folded_into_one(name: str) -> None:
    folder = Path("folder")
    expected = folded(folder / name)
    for form in ("NFC", "NFD"):
        assert folded(folder / unicodedata.normalize(form, name)) == expected
    assert folded(folder / name.casefold()) == expected


def test_a_folder_tells_what_it_folds(tmp_path: Path) -> None:
    (tmp_path / "some name.txt").touch()
    assert folds_names(tmp_path) == really_folds(tmp_path)
    assert folds_names(tmp_path / "missing" / "deeper") == really_folds(tmp_path)
    (tmp_path / "empty").mkdir()
    assert folds_names(tmp_path / "empty") == really_folds(tmp_path)


@pytest.mark.usefixtures("folding")
def test_a_disk_that_folds_names_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "some name.txt").touch()
    assert folds_names(tmp_path)
    assert are_one(tmp_path / "Out" / "A.png", tmp_path / "out" / "a.PNG")
    assert are_one(tmp_path / COMPOSED, tmp_path / DECOMPOSED)


def test_in_doubt_names_are_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(same_file, "_evidence", lambda _: None)
    assert are_one(tmp_path / "A.png", tmp_path / "a.png")
    assert not are_one(tmp_path / "A.png", tmp_path / "b.png")


def test_names_in_other_letters(tmp_path: Path) -> None:
    (tmp_path / "A.png").touch()
    folds = really_folds(tmp_path)
    assert are_one(tmp_path / "A.png", tmp_path / "a.png") == folds
    (tmp_path / "a.png").touch()
    assert are_one(tmp_path / "A.png", tmp_path / "a.png") == folds
    assert are_one(tmp_path / "A.png", tmp_path / "." / "A.png")


def targets_of(folder: Path, **options: Any) -> tuple[list[str], list[str]]:
    """Return the names of targets, and those of sources that cannot be used."""
    refused: list[tuple[Path, ParagonError]] = []
    jobs = plan([folder], folder.parent / "out", suffix="", unusable=lambda *why: refused.append(why), **options)
    assert all(isinstance(error, InputError) and "would both become" in str(error) for _, error in refused)
    return [job.target.name for job in jobs], [path.name for path, _ in refused]


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="the names are those of one file there")
@pytest.mark.parametrize(
    ("first", "second"), [("A.png", "a.png"), (COMPOSED, DECOMPOSED), ("STRASSE.png", "straße.png")]
)
def test_both_are_made_where_they_are_two(tmp_path: Path, first: str, second: str) -> None:
    for name in (first, second, "other.png"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).touch()
    if {first, second} <= names_in(tmp_path / "in") and not really_folds(tmp_path):
        assert targets_of(tmp_path / "in") == (sorted([first, second, "other.png"]), [])


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="the names are those of one file there")
@pytest.mark.parametrize(("first", "second"), [("A.png", "a.png"), (COMPOSED, DECOMPOSED), ("B.jpg", "b.png")])
def test_neither_is_made_where_they_would_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    """Sources on a disk that tells them apart, a target on one that does not."""
    (tmp_path / "in").mkdir()
    for name in (first, second, "other.png"):
        (tmp_path / "in" / name).touch()
    if len(names_in(tmp_path / "in")) < 3:
        pytest.skip("this disk folds names")
    monkeypatch.setattr(same_file, "folds_names", lambda folder: folder.name == "out")
    made, refused = targets_of(tmp_path / "in", target_format="png")
    assert made == ["other.png"]
    assert sorted(refused) == sorted([first, second])


def test_lists_that_name_a_file_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "A.png").touch()
    monkeypatch.chdir(tmp_path)
    spellings: list[str | Path] = ["A.png", "./A.png", tmp_path / "A.png", *["a.PNG"] * really_folds(tmp_path)]
    assert len(plan(spellings, "out", suffix="")) == 1
