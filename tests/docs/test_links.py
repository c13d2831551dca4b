"""Links lead to pages, sections and files that exist."""

from __future__ import annotations

import re

import pytest

import paragon_core as paragon
from tests.docs.pages import PAGES, ROOT, anchors, without_code

SITE = [page for page in PAGES if page.startswith("docs/")]


@pytest.mark.parametrize("page", PAGES)
def test_links(page: str) -> None:
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)]+)\)", without_code(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (folder / path).resolve() if path else ROOT / page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.relative_to(ROOT).as_posix()), target


@pytest.mark.parametrize("page", SITE)
def test_pages_of_the_site_link_to_nothing_outside_it(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)", without_code(page)):
        assert not target.startswith("../"), target


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    assert sorted(re.findall(r"[\w-]+\.md", navigation)) == sorted(page.removeprefix("docs/") for page in SITE)


def test_nothing_on_the_site_comes_from_the_network() -> None:
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "font: false" in settings
    assert "http" not in settings
    for page in SITE:
        assert not re.search(r"!\[[^]]*\]\(http|<(img|script|link|iframe)\b", PAGES[page]), page


def test_the_reference_holds_every_public_name() -> None:
    section = PAGES["docs/reference.md"].partition("::: paragon_core\n")[2].partition("##")[0]
    members = re.findall(r"^ {8}- (\w+)$", section, flags=re.MULTILINE)
    assert sorted(members) == sorted(set(paragon.__all__) - {"__version__", "backends"})  # the latter is an old name
