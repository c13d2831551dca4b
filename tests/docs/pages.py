"""The pages of the documentation, and what is in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Every page that people read, with its text.
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "benchmarks" / "README.md"])
}


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of one language on a page, without their fences."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], flags=re.MULTILINE | re.DOTALL)


def commands(page: str, program: str) -> list[str]:
    """Return the lines of shell examples on a page that start a program, without their comments."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [re.sub(r"\s+#.*", "", line) for line in lines if line.startswith(f"{program} ")]


def without_code(page: str) -> str:
    """Return a page without its code blocks and code spans."""
    text = re.sub(r"^```.*?^```", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def slug(heading: str) -> str:
    """Return the anchor of a heading: as pymdownx.slugs makes it with ``case: lower``."""
    plain = re.sub(r"`|\*\*", "", heading).strip().lower()
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", plain))


def anchors(page: str) -> set[str]:
    """Return the anchors of the headings of a page, and of the page that it includes."""
    text = re.sub(r'^--8<-- "(.*)"$', lambda match: PAGES[match[1]], PAGES[page], flags=re.MULTILINE)
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)}
