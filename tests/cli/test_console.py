from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, TextIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.cli.console import Console, answer, table
from paragon_core.cli.events import Events
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


def test_notes_say_what_they_are_about(terminal: Terminal) -> None:
    console = console_on(terminal, quiet=True)
    console.note("look here", about="a.png")
    console.note("and there")
    assert terminal.shown() == "paragon: note: a.png: look here\nparagon: note: and there\n"


def test_characters_that_are_escaped_take_more_columns(terminal: Terminal) -> None:
    console_on(terminal).draw("日" * 40)
    assert terminal.shown() == "\r" + ("\\u65e5" * 40)[:59]


def test_a_terminal_that_became_narrower_keeps_the_wrapped_line(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = console_on(terminal)
    console.draw("a line of 27 characters, yes")
    monkeypatch.setenv("COLUMNS", "20")
    console.draw("short")
    console.draw("longer")
    console.erase()
    assert terminal.shown() == "\ra line of 27 characters, yes\n\rshort\rlonger\r      \r"


@pytest.mark.parametrize("columns", ["-5", "0", "none", ""])
def test_columns_that_are_nonsense(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert console_on(terminal).columns == 79
    monkeypatch.setenv("COLUMNS", "1")
    console_on(terminal).draw("text")
    assert terminal.shown() == "\rt"


def test_a_dumb_terminal_is_a_log(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    console = console_on(terminal)
    assert not console.shows_progress
    assert console.logs_progress
    console.draw("progress")
    assert terminal.shown() == ""
    assert not console_on(terminal, quiet=True).logs_progress
    assert not console_on(None).logs_progress


class Deaf(Events):
    """Events that take the place of messages."""

    silences_messages = True


def test_events_on_stderr_silence_messages(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    console = Console(events=Deaf())
    console.say("chat")
    console.note("note")
    console.draw("progress")
    console.error(InputError("wrong"))
    assert terminal.shown() == ""
    assert not console.shows_progress
    assert not console.logs_progress
