"""The messages on the page about trouble are those that the code has."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import PAGES, ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = PAGES["docs/troubleshooting.md"]
MESSAGES = re.findall(r"^### `(.+)`$", PAGE, flags=re.MULTILINE)


def texts(path: Path) -> list[str]:
    """Return the text of every string in a file; what an f-string fills in becomes "..."."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "..." for part in node.values]
            found.append("".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return found


@pytest.fixture(scope="module")
def strings() -> list[str]:
    packages = ("paragon_core", "paragon_nodes", "vs_paragon")
    return [text for package in packages for path in (ROOT / package).rglob("*.py") for text in texts(path)]


def test_there_are_messages() -> None:
    assert len(MESSAGES) > 30
    assert len(set(MESSAGES)) == len(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_one_of_the_code(message: str, strings: list[str]) -> None:
    parts = message.removeprefix("...").removesuffix("...").strip().split("...")
    pattern = ".+".join(map(re.escape, parts))
    assert any(re.search(pattern, text, flags=re.DOTALL) for text in strings)


def test_each_message_comes_with_a_remedy() -> None:
    sections = re.split(r"^#{2,3} .*$", PAGE.partition("## Installation")[2], flags=re.MULTILINE)
    bodies = [section for section in sections[1:] if section.strip()]
    assert len(bodies) == len(MESSAGES)
