"""Figures on the pages are those in ``benchmarks/results``, and the charts are drawn from them."""

from __future__ import annotations

import re
import runpy
from typing import Any

import pytest

from benchmarks.models import tables
from benchmarks.peers.networks import NETWORKS
from benchmarks.peers.promises import PROMISES
from paragon_core.models.model import bundled, load
from tests.docs.pages import PAGES, ROOT
from tests.docs.scores import means, report

#: What the tables call the models.
NAMES = {
    "realtime-2x": "realtime-2x",
    "stream-2x": "stream-2x",
    "photo-2x": "photo-2x",
    "realtime-video-2x": "realtime-video-2x",
    "realtime-web-2x": "realtime-web-2x",
    "stream-web-2x": "stream-web-2x",
    "realtime-box-2x": "realtime-box-2x",
    "realtime-lanczos-2x": "realtime-lanczos-2x",
    "realtime-3x": "realtime-3x",
    "realtime-4x": "realtime-4x",
    "stream-4x": "stream-4x",
    "stream-4x-sharp": "stream-4x-sharp",
    "the author's realtime (v11)": "v11_2xParagonSR2_Realtime_fidelity",
    "the author's stream (v9)": "v9_2xParagonSR2_Stream_fidelity",
    "the author's photo": "v9_2xParagonSR2_Photo_fidelity",
}


@pytest.fixture(scope="module")
def charts() -> dict[str, Any]:
    """Return the names in the script that draws the charts."""
    return runpy.run_path(str(ROOT / "benchmarks" / "charts.py"))


def rows(page: str) -> dict[str, list[str]]:
    """Return the cells of the table of scores on a page by the name of the model."""
    table = re.search(r"^\| model \|.*?\n\n", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    assert table
    cells = [
        [re.sub(r"[*`]| \(default\)", "", cell).strip() for cell in line.split("|")[1:-1]]
        for line in table[0].strip().splitlines()
    ]
    return {first: rest for first, *rest in cells[2:]}


@pytest.mark.parametrize("page", ["README.md", "docs/models.md"])
def test_the_scores_of_models(page: str) -> None:
    table = rows(page)
    assert set(NAMES) <= set(table)
    for name, file in NAMES.items():
        expected = means(file)
        assert {f"{expected[each]['model']:.2f}" for each in ("Set5", "Set14")} <= set(table[name]), name


@pytest.mark.parametrize("page", ["README.md", "docs/models.md"])
def test_the_scores_of_interpolation(page: str) -> None:
    expected = means("realtime-2x")
    (lanczos,) = (cells for name, cells in rows(page).items() if name.startswith("Lanczos"))
    assert {f"{expected[each]['lanczos']:.2f}" for each in ("Set5", "Set14")} <= set(lanczos)


def test_the_scores_of_bicubic_interpolation() -> None:
    expected = means("realtime-2x")
    assert {f"{expected[each]['bicubic']:.2f}" for each in ("Set5", "Set14")} <= set(rows("docs/models.md")["bicubic"])
    for scale in (3, 4):
        large = means(f"realtime-{scale}x")
        both = f"{large['Set5']['bicubic']:.2f} and {large['Set14']['bicubic']:.2f} dB"
        assert re.search(rf"{both} [^.`]*at x{scale}", PAGES["docs/models.md"]), both


@pytest.mark.parametrize("name", bundled())
def test_scores_are_those_of_the_bundled_files(name: str) -> None:
    assert report(name)["sha256"] == load(name).sha256


@pytest.mark.parametrize("name", bundled())
@pytest.mark.parametrize("page", ["README.md", "docs/models.md"])
def test_the_parameters_of_models(page: str, name: str) -> None:
    counted = sum(value.size for key, value in load(name).arrays.items() if not key.endswith(".kernel"))
    assert f"{counted:,}" in rows(page)[name]


def test_the_tables_of_models(charts: dict[str, Any]) -> None:
    report = charts["read"]("models")
    assert tables(report) in PAGES["docs/benchmarks.md"]
    measured = {row["model"]: row["sha256"] for row in report["models"] if "sha256" in row}
    assert measured == {name: load(name).sha256 for name in bundled()}


def gains_over_the_default(charts: dict[str, Any], name: str, source: str) -> list[float]:
    """Return by how many dB a model is above realtime-2x, on Set5 and Set14."""
    scores = {row["model"]: row["scores"] for row in charts["read"]("models")["models"] if row["scale"] == 2}
    return [
        scores[name][each][source]["psnr_y"] - scores["realtime-2x"][each][source]["psnr_y"]
        for each in ("Set5", "Set14")
    ]


def test_what_models_for_one_source_gain(charts: dict[str, Any]) -> None:
    sources = {
        "realtime-box-2x": "box",
        "realtime-lanczos-2x": "Lanczos",
        "stream-web-2x": "JPEG q75",
        "realtime-web-2x": "JPEG q75",
    }
    for name, source in sources.items():
        gains = [f"{gain:.2f}" for gain in gains_over_the_default(charts, name, source)]
        expected = rf"`{name}`( is)? {gains[0]} and {gains[1]} dB"
        assert re.search(expected, PAGES["docs/models.md"]), expected


def test_what_images_of_unknown_origin_gain(charts: dict[str, Any]) -> None:
    lanczos, box = (gains_over_the_default(charts, "stream-web-2x", source) for source in ("Lanczos", "box"))
    words = (
        f"shrunk by Lanczos, it is {lanczos[0]:.2f} and {lanczos[1]:.2f} dB above `realtime-2x`, "
        f"by averaging {-box[0]:.2f} dB below and {box[1]:.2f} above."
    )
    assert words in " ".join(PAGES["docs/models.md"].split())


def test_lpips_of_models(charts: dict[str, Any]) -> None:
    rows = charts["read"]("perceptual")["rows"]
    named = {name: row["sha256"] for name, row in rows.items() if "sha256" in row}
    assert named == {name: load(name).sha256 for name in ("realtime-4x", "stream-4x", "stream-4x-sharp")}
    sharp, plain = (rows[name]["scores"] for name in ("stream-4x-sharp", "stream-4x"))
    (first, second), (third, fourth) = (
        [f"{scores[each]['lpips']:.2f}" for scores in (sharp, plain)] for each in ("Set5", "Set14")
    )
    assert f"{first} against {second} on Set5, and {third} against {fourth} on Set14" in PAGES["docs/models.md"]
    card = (ROOT / "paragon_core/weights/stream-4x-sharp.md").read_text(encoding="utf-8")
    for row in rows.values():
        cells = (f"{row['scores'][each]['lpips']:.4f}" for each in ("Set5", "Set14"))
        assert re.search(r"^\| .* \| \*{0,2}" + r"\*{0,2} \| \*{0,2}".join(cells) + r"\*{0,2} \|$", card, re.MULTILINE)


def test_the_table_of_speeds(charts: dict[str, Any]) -> None:
    assert charts["speed_table"]() in PAGES["docs/benchmarks.md"]
    assert charts["machine"]() in PAGES["docs/benchmarks.md"]


def test_the_tables_of_peers(charts: dict[str, Any]) -> None:
    page = PAGES["docs/benchmarks.md"]
    assert charts["peers_tables"]() in page
    assert charts["peers_machine"]() in page
    assert f"medians of {charts['read']('peers')['rounds']} rounds" in page


def test_the_table_of_films(charts: dict[str, Any]) -> None:
    pytest.importorskip("av")
    report = charts["read"]("films")
    films = runpy.run_path(str(ROOT / "benchmarks" / "films.py"))
    section = PAGES["docs/benchmarks.md"].partition("## Films")[2].partition("\n## ")[0]
    assert films["table"](report["cases"]) in section
    assert all(f"{films[promised]:g}" in section for promised in ("PROMISED", "PROMISED_OF_FAST"))


@pytest.mark.parametrize("scale", [2, 4])
def test_the_sources_of_published_quality_are_named(scale: int) -> None:
    published = [make(scale).published for make in NETWORKS]
    sources = {each.source for each in published if each}
    assert len(sources) == 2
    assert all(source in PAGES["docs/benchmarks.md"] for source in sources)


def test_the_scores_of_peers_are_those_of_the_models(charts: dict[str, Any]) -> None:
    quality = charts["read"]("peers")["quality"]
    for name in ("realtime-2x", "stream-2x"):
        for each, scores in means(name).items():
            assert quality["2"][name]["psnr_y"][each] == pytest.approx(scores["model"], abs=0.005)


def test_the_promised_ratios_are_on_the_page() -> None:
    section = PAGES["docs/benchmarks.md"].partition("guards ratios")[2].partition("## Quality")[0]
    for promise in PROMISES:
        for ratio in (promise.required, promise.with_avx512):
            assert ratio is None or f"{ratio:g}" in section, promise.text


def test_the_charts_are_drawn_from_the_figures(charts: dict[str, Any]) -> None:
    for name, draw in charts["DRAWINGS"].items():
        assert (ROOT / "docs" / "charts" / name).read_text(encoding="utf-8") == draw(), (
            "run python -m benchmarks.charts"
        )
