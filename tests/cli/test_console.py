from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, TextIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.cli.console import Console, answer, table
from paragon_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Terminal(io.TextIOWrapper):
    """A terminal with a character set."""

    def __init__(self, encoding: str) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding, errors="strict", write_through=True, newline="")

    def isatty(self) -> bool:
        return True

    def shown(self) -> str:
        return self.bytes.getvalue().decode(self.encoding)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal("cp1252")
    yield stream
    stream.close()


def console_on(stream: TextIO | None, *, quiet: bool = False) -> Console:
    with pytest.MonkeyPatch.context() as patch:  # in the test itself: pytest sets stderr again after the fixtures
        patch.setattr(sys, "stderr", stream)
        return Console(quiet=quiet)


def test_messages_stand_above_the_progress_line(terminal: Terminal) -> None:
    console = console_on(terminal)
    console.draw("half done")
    console.say("a message")
    console.erase()
    assert terminal.shown() == "\rhalf done\r         \ra message\n\rhalf done\r         \r"


def test_a_shorter_line_leaves_nothing_of_the_longer_one(terminal: Terminal) -> None:
    console = console_on(terminal)
    console.draw("a long line")
    console.draw("short")
    assert terminal.shown() == "\ra long line\rshort      "


def test_lines_fit_in_the_terminal(terminal: Terminal) -> None:
    console_on(terminal).draw("x" * 500)
    assert len(terminal.shown()) == 60


def test_quiet(terminal: Terminal) -> None:
    console = console_on(terminal, quiet=True)
    console.say("chat")
    console.draw("progress")
    console.error(InputError("wrong", hint="do this"), about="a.png")
    assert terminal.shown() == "paragon: error: a.png: wrong\n  hint: do this\n"


def test_without_any_streams_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    console = console_on(None)
    console.say("nobody listens")
    console.draw("nobody looks")
    answer("nobody asked")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20))
def test_any_text_can_be_said(text: str) -> None:
    for encoding in ("ascii", "cp1252", "utf-8"):
        stream = Terminal(encoding)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            answer(text)
            console = console_on(stream)
            console.draw(text)
            console.say(text)
        stream.close()


def test_tables() -> None:
    assert table([("a", "bcd", "e"), ("日本", "f", "")]) == "a     bcd  e\n日本  f"
