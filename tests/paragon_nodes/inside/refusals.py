"""What calls are refused with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paragon_core.errors import ParagonError

if TYPE_CHECKING:
    from collections.abc import Callable


def refusal(call: Callable[..., object], *arguments: Any) -> list[str] | None:
    """Return the error and its hint with which a call is refused; None if it succeeds."""
    try:
        call(*arguments)
    except ParagonError as error:
        return [str(error), error.hint]
    return None
