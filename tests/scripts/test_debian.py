from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from paragon_core.errors import MediaError
from scripts.training_data.debian import APT_HELPER, fetch, unpack
from scripts.training_data.works import PACKAGES, Package
from tests.debian_packages import debian_package

if TYPE_CHECKING:
    from pathlib import Path

DEB = debian_package({"images/a b.png": b"an image", "images/other.png": b"not taken"})
SMALL = Package(
    name="small",
    source="little",
    version="1.0-1",
    sha256=hashlib.sha256(DEB).hexdigest(),
    kind="noise",
    factors=(1.0,),
    works=(),
)


def test_a_package_comes_from_the_folder_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "small_1.0-1_all.deb").write_bytes(DEB)
    assert unpack(fetch(SMALL, tmp_path), ["images/a b.png"]) == {"images/a b.png": b"an image"}


def test_other_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / SMALL.file).write_bytes(DEB + b"\n")
    with pytest.raises(MediaError, match="other bytes"):
        fetch(SMALL, tmp_path)


def test_a_missing_image_is_named() -> None:
    with pytest.raises(MediaError, match=r"images/gone\.png"):
        unpack(DEB, ["images/gone.png"])


def test_what_is_no_package_is_refused() -> None:
    with pytest.raises(MediaError, match="no Debian package"):
        unpack(b"<html>", ["a.png"])


def test_without_apt_the_error_names_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MediaError, match="no apt ") as caught:
        fetch(SMALL)
    assert "--packages" in caught.value.hint


@pytest.mark.skipif(not APT_HELPER.exists(), reason="needs apt")
def test_what_apt_cannot_fetch_is_named() -> None:
    with pytest.raises(MediaError, match=r"apt cannot fetch .*_0-0_all|no archive of Debian") as caught:
        fetch(replace(PACKAGES[0], version="0-0"))
    assert "--packages" in caught.value.hint


def test_a_package_is_in_the_folder_of_its_source() -> None:
    assert SMALL.place == "pool/main/l/little/small_1.0-1_all.deb"
