"""The table of official releases; tests/models/test_model.py holds it to the files."""

from __future__ import annotations

import pytest

from paragon_core.errors import InputError
from paragon_core.models.releases import OFFICIAL_RELEASES, release_named, release_of
from tests.test_official_scores import FILES


def test_releases_are_found_by_name_and_by_content() -> None:
    for release in OFFICIAL_RELEASES:
        assert release_named(release.name) is release_named(release.file) is release_of(release.sha256) is release
    assert release_of("0" * 64) is None
    with pytest.raises(InputError) as caught:
        release_named("2xParagonSR2_Realtime_fidelity")
    assert OFFICIAL_RELEASES[0].name in caught.value.hint


def test_their_scores_are_those_that_are_tested() -> None:
    tested = {file: (set5, set14) for file, _, set5, set14 in FILES}
    assert {release.name: (release.set5, release.set14) for release in OFFICIAL_RELEASES} == tested
