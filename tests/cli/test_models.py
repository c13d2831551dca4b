from __future__ import annotations

import json
from typing import TYPE_CHECKING

from paragon_core.cli.main import main
from paragon_core.model import OFFICIAL_RELEASES, bundled

if TYPE_CHECKING:
    import pytest


def test_boxed_and_known_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in bundled())
    assert all(release.name in text for release in OFFICIAL_RELEASES)
    assert main(["models", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [model["name"] for model in facts["boxed"]] == list(bundled())
    assert len(facts["known"]) == len(OFFICIAL_RELEASES)
