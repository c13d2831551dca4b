"""A disk that fails under a real command: exit code 2 and a hint, nothing lost, nothing half-written, no crash."""

from __future__ import annotations

import os
import subprocess
import sys
from shutil import which
from typing import TYPE_CHECKING

import pytest

from tests.faults import disk_faults

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="preloads a library, mounts a file system")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not disk_faults.compiler():
        pytest.skip("needs a C compiler")
    return disk_faults.library(tmp_path_factory.mktemp("library"))


@pytest.mark.slow
@pytest.mark.parametrize("fault", disk_faults.CHOSEN, ids=str)
def test_calls_that_fail(library: Path, tmp_path: Path, fault: disk_faults.Fault) -> None:
    """`tests.faults.disk_faults` tells how to run all of them."""
    if reason := disk_faults.missing(fault):
        pytest.skip(reason)
    assert not disk_faults.check(fault, library, tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk with few bytes or few files."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, unmount = which("mount"), which("umount")
    if os.geteuid() != 0 or mount is None or unmount is None:
        pytest.skip("only root may mount a disk")
    command = [mount, "-t", "tmpfs", "-o", request.param, "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run([unmount, str(folder)], check=True)


@pytest.mark.parametrize("command", ["png", "mp4"])
@pytest.mark.parametrize("small_disk", ["size=8k", "size=1m,nr_inodes=2"], indirect=True, ids=["bytes", "files"])
def test_disks_that_are_full(small_disk: Path, tmp_path: Path, command: str) -> None:
    """The folder and the older target take both inodes, or one of two pages of memory."""
    fault = disk_faults.Fault(command=command, call="write", error=0)
    if reason := disk_faults.missing(fault):
        pytest.skip(reason)
    assert not disk_faults.check(fault, None, tmp_path, out=small_disk)
