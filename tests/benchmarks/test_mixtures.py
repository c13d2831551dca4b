from __future__ import annotations

import json

import pytest

from paragon_core.models.model import load
from tests.docs.pages import PAGES

pytest.importorskip("torch")

from benchmarks.mixtures import MODELS, RESULTS, table


def test_the_page_has_the_table_of_the_bundled_models() -> None:
    result = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert result["models"] == {name: load(name).sha256 for name in MODELS}
    assert table(result) in PAGES["docs/models.md"]
