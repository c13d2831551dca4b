"""What a user reads in ComfyUI's dialog: what is wrong, and what helps."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from paragon_core.errors import OutOfMemoryError, ParagonError

if TYPE_CHECKING:
    from collections.abc import Iterator


class NodeError(RuntimeError):
    """A node cannot do what it was asked for; the text says why and what to do."""


class NodeMemoryError(NodeError, MemoryError):
    """The same where memory ran out."""


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translate our errors into texts that carry their hint: ComfyUI shows nothing else of an exception."""
    try:
        yield
    except ParagonError as error:
        kind = NodeMemoryError if isinstance(error, OutOfMemoryError) else NodeError
        hint = error.hint.removesuffix(".")
        raise kind(f"{error}.\nWhat helps: {hint}." if hint else str(error)) from error
