from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.printable import printable


@given(text=st.text(st.characters(exclude_categories=[])), limit=st.integers(0, 50))
def test_any_text_becomes_printable_and_short(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit
    assert printable(shown, limit) == shown


@given(text=st.text(st.characters(exclude_categories=["C", "Z"])))
def test_printable_text_stays_what_it_is(text: str) -> None:
    assert printable(text, max(len(text), 1)) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("J\u00fcrgen \u6587", "J\u00fcrgen \u6587"),
        ("\x1b[31mred\x1b[0m", "\ufffd[31mred\ufffd[0m"),
        ("a\r\nb\tc\u2028d\u00a0e", "a  b c d e"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("\ud800", "\ufffd"),
        ("x" * 300, "x" * 197 + "..."),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_every_control_character_is_replaced() -> None:
    controls = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Cc"]
    assert printable("".join(controls)).strip("\ufffd ") == ""


def test_of_a_long_text_only_the_beginning_is_looked_at() -> None:
    class Counted(str):
        """Text of which only slices are printable: the whole must not be asked for."""

        __slots__ = ()

        def isprintable(self) -> bool:
            raise AssertionError

    assert printable(Counted("x" * 10_000), 10) == "x" * 7 + "..."
