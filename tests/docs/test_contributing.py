"""The recipes of CONTRIBUTING.md name files that exist."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import PAGES, ROOT

RECIPES = dict(
    re.findall(
        r"^### (An? [\w ]+)\n(.*?)(?=^##)",
        PAGES["CONTRIBUTING.md"].partition("## How to add")[2],
        re.MULTILINE | re.DOTALL,
    )
)

#: Where a path in a recipe may begin: recipes leave out what the step named before.
STARTS = ("", "paragon_core/", "paragon_core/graph/", "paragon_core/engines/")


def test_there_are_five() -> None:
    assert list(RECIPES) == ["A model variant", "A backend", "An image format", "A node", "A field of the cache key"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_files_of_a_recipe_exist(recipe: str) -> None:
    named = re.findall(r"`([\w./-]+\.(?:py|toml|md|json))`", RECIPES[recipe])
    assert len(named) >= 4
    for name in named:
        if "NAME" in name or "NODE_ID" in name:
            assert (ROOT / name).parent.parent.exists(), name
        else:
            assert any((ROOT / start / name).exists() for start in STARTS), name


@pytest.mark.parametrize("recipe", RECIPES)
def test_names_of_a_recipe_exist(recipe: str) -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "paragon_core").rglob("*.py"))
    for name in re.findall(r"`([A-Za-z_]\w+)`", RECIPES[recipe]):
        if name not in {"test", "detail_gain"}:
            assert re.search(rf"\b{name}\b", code), name
