"""What can be in the place of a file and is none, and a second user to put it there."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: A user that no file of ours belongs to.
NOBODY = 65534


def is_root() -> bool:
    """Whether this process may act as another user."""
    return sys.platform != "win32" and os.geteuid() == 0


@contextmanager
def as_nobody() -> Iterator[None]:
    """Act as another user; only the administrator can."""
    assert sys.platform != "win32"  # for the type checker
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def _links() -> dict[str, Callable[[Path], object]]:
    return {
        "link to a file": lambda path: path.symlink_to(path.with_name("elsewhere")),
        "link to nothing": lambda path: path.symlink_to(path.with_name("nothing")),
        "link to a device": lambda path: path.symlink_to("/dev/full"),
        "link to itself": lambda path: path.symlink_to(path),
        "FIFO": os.mkfifo,
    }


#: Each puts something at a path, in a folder that also has a file named ``elsewhere``.
IMPOSTORS: dict[str, Callable[[Path], object]] = {
    "folder": lambda path: path.mkdir(),
    **(_links() if sys.platform != "win32" else {}),
}
