"""Make text that comes from a file, its name or a server safe to show: in one line, of bounded length, printable."""

from __future__ import annotations

from typing import Final

_CUT: Final = "..."


def printable(text: str, limit: int = 200) -> str:
    """Return a text of at most ``limit`` characters that a terminal, a log and a dialog show as it is.

    White space of every kind becomes a blank. What is not printable (ESC sequences, marks that reverse the direction
    of writing, halves of surrogate pairs) becomes the replacement character. What is longer ends in an ellipsis; only
    the part that is shown is looked at.
    """
    if len(text) > limit:
        text, end = text[: max(limit - len(_CUT), 0)], _CUT[:limit]
    else:
        end = ""
    if text.isprintable():
        return text + end
    return "".join(_shown(character) for character in text) + end


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
