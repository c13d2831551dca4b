"""Every "spec §n" in the code can be followed to its section of docs/paragonsr2.md."""

from __future__ import annotations

import re

import pytest

from paragon_core.models.detect import expected_shapes
from paragon_core.models.spec import FACTORY_ALPHA, REVISIONS, Revision, Variant, preset
from tests.docs.pages import PAGES, ROOT

PAGE = PAGES["docs/paragonsr2.md"]
SECTIONS = set(re.findall(r"^#+ §([\d.]+) ", PAGE, flags=re.MULTILINE))
DEVIATIONS = set(re.findall(r"^(B\d+)$", PAGE, flags=re.MULTILINE))

FOLDERS = ("paragon_core", "paragon_nodes", "vs_paragon", "tests", "benchmarks", "scripts")


def citations() -> list[tuple[str, str, str]]:
    """Return file, section and deviation ("" if none) of every citation."""
    found = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            for section, deviation in re.findall(r"§(\d+(?:\.\d+)?)(?:,\s(B\d+))?", text):
                found.append((path.relative_to(ROOT).as_posix(), section, deviation))
    return found


CITATIONS = citations()


def test_there_are_citations() -> None:
    assert len(CITATIONS) > 40


def test_each_cited_section_is_there() -> None:
    assert {section for _, section, _ in CITATIONS} <= SECTIONS


def test_each_cited_deviation_is_there() -> None:
    assert {deviation for _, _, deviation in CITATIONS} - {""} <= DEVIATIONS


@pytest.mark.parametrize("variant", REVISIONS)
def test_the_numbers_of_parameters(variant: Variant) -> None:
    rows = {
        label: re.findall(r"[\d,]+", cells)
        for label, cells in re.findall(rf"^\| ({variant}[ v\d]*) \|((?: [\d,]+ \|){{4}})$", PAGE, flags=re.MULTILINE)
    }
    assert rows
    for label, numbers in rows.items():
        revision: Revision = "v9" if label.endswith("v9") else REVISIONS[variant][-1]
        for scale, number in zip((2, 3, 4, 8), numbers, strict=True):
            shapes = expected_shapes(preset(variant, scale, revision=revision))
            counted = sum(product(shape) for key, shape in shapes.items() if not key.endswith(".kernel"))
            assert number == f"{counted:,}", f"{label} x{scale}"


def product(shape: tuple[int, ...]) -> int:
    result = 1
    for side in shape:
        result *= side
    return result


def test_the_table_of_variants() -> None:
    for variant in REVISIONS:
        spec = preset(variant, 2)
        row = f"| {variant} | {spec.channels} | {spec.groups} x {spec.blocks} |"
        assert row in PAGE
        (line,) = (line for line in PAGE.splitlines() if line.startswith(row))
        assert line.split("|")[6].strip() == str(FACTORY_ALPHA[variant])
