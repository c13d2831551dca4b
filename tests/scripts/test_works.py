from __future__ import annotations

from scripts.training_data.works import PACKAGES

FREE = {"public domain", "CC0-1.0", "CC-BY-2.0", "CC-BY-4.0", "MIT"}


def test_only_free_works_are_taken_and_each_has_an_author() -> None:
    works = [work for package in PACKAGES for work in package.works]
    assert {work.licence for work in works} <= FREE
    assert all(work.author for work in works)
    assert len({work.path for work in works}) == len(works)
