"""What all pages have in common: one HTML file that loads nothing.

What comes from files goes through `text`: printable, and escaped. Should anything slip through, the page's content
security policy runs no script but the one whose hash it names, and loads nothing but images that are in the page.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any, Final

from paragon_core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LONGEST: Final = 1000


def text(value: object, limit: int = _LONGEST) -> str:
    """Return a text of any origin as HTML shows it: in one line, printable, escaped."""
    return escape(printable(str(value), limit))


def document(*, title: str, subtitle: str, content: str, script: str = "") -> str:
    """Return a whole page.

    Args:
        title: of any origin.
        subtitle: HTML.
        content: HTML.
        script: what runs once all is there.

    """
    style = asset("page.css")
    policy = f"default-src 'none'; img-src data:; style-src '{_hash(style)}'"
    return filled(
        "page.html",
        policy=f"{policy}; script-src '{_hash(script)}'" if script else policy,
        style=style,
        title=text(title),
        subtitle=subtitle,
        content=content,
        script=f"<script>{script}</script>" if script else "",
    )


def filled(template: str, **parts: str) -> str:
    """Return a template of this package with its parts, which are HTML."""
    return Template(asset(template)).substitute(parts)


def asset(name: str) -> str:
    """Return a file of this package."""
    return (files("paragon_core.report") / name).read_text(encoding="utf-8")


def definitions(pairs: Iterable[tuple[str, object]]) -> str:
    """Return names and values of any origin as a list."""
    rows = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in pairs)
    return f"<dl>{rows}</dl>"


def machine(facts: Mapping[str, Any]) -> str:
    """Return what is known of a machine as a list; what is None is left out."""
    return definitions(
        (name.replace("_", " "), "; ".join(map(str, value)) or "none" if isinstance(value, list) else value)
        for name, value in facts.items()
        if value is not None
    )


def _hash(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode('ascii')}"
