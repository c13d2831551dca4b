from __future__ import annotations

from pathlib import Path

from paragon_core.models import DEFAULT_MODEL
from paragon_core.models.model import bundled
from paragon_core.models.purposes import PURPOSES

DOCS = Path(__file__).parents[2] / "docs" / "models.md"


def test_every_bundled_model_is_for_something_and_nothing_else_is_named() -> None:
    assert {purpose.model for purpose in PURPOSES} == set(bundled())
    assert PURPOSES[0].model == DEFAULT_MODEL


def test_docs_say_the_same_in_the_same_order() -> None:
    rows = [f"| {purpose.source} | `{purpose.model}` | {purpose.why} |" for purpose in PURPOSES]
    assert "\n".join(rows) in DOCS.read_text(encoding="utf-8")
