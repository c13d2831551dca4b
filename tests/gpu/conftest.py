"""The cards on which the tests of this folder run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.gpu.cards import CARDS, Card, card_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the engines of all tests: they take long to build."""
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(params=list(CARDS))
def card(request: pytest.FixtureRequest, engines: Path) -> Card:
    """Return each runtime that computes on a card here."""
    return card_of(request.param, engines)
