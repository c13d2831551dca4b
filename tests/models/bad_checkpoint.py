"""What a table of bad checkpoints consists of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from paragon_core.errors import CheckpointError


@dataclass(frozen=True, kw_only=True)
class BadCheckpoint:
    """One kind of file that is no usable checkpoint."""

    name: str
    """What is bad about it."""
    content: bytes | Callable[[], bytes]
    """The file's bytes, or what makes them."""
    error: type[CheckpointError]
    """The error that it must give."""
    says: str
    """Words of its message (a regular expression)."""

    def bytes(self) -> bytes:
        """Return the file's bytes."""
        return self.content if isinstance(self.content, bytes) else self.content()


def kinds(
    error: type[CheckpointError],
    table: Iterable[tuple[str, bytes | Callable[[], bytes], str]],
) -> list[BadCheckpoint]:
    """Return kinds that share an error, from their names, contents and words."""
    return [BadCheckpoint(name=name, content=content, error=error, says=says) for name, content, says in table]
