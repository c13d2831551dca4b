from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from paragon_core.errors import InputError, MediaError, UnsupportedSizeError
from paragon_core.models.model import load
from paragon_core.quality.comparison import compare
from paragon_core.quality.evaluate import upscale_classically
from paragon_core.quality.viewed import view_image
from paragon_core.report.collect import ReportOptions, collect
from tests.report.examples import HOSTILE, photo_files, video_files

if TYPE_CHECKING:
    from pathlib import Path

    from paragon_core.report.contents import Contents


def of(*paths: Path, reference: Path | None = None, most_frames: int = 100) -> Contents:
    return collect(ReportOptions(source=paths[0], results=paths[1:], reference=reference, most_frames=most_frames))


def test_versions_are_the_source_upscaled_as_tables_do_and_the_results(tmp_path: Path) -> None:
    files = photo_files(tmp_path)
    found = of(files["source"], files["soft"], files["sharp"])
    assert [each.name for each in found.versions] == ["Source, bicubic", "Source, Lanczos", "soft.png", "sharp.png"]
    low = view_image(files["source"]).levels.astype(np.uint8)
    np.testing.assert_array_equal(found.versions[0].pixels, upscale_classically(low, scale=2, kernel="cubic"))
    np.testing.assert_array_equal(found.versions[1].pixels, upscale_classically(low, scale=2, kernel="lanczos3"))
    np.testing.assert_array_equal(found.versions[3].pixels, view_image(files["sharp"]).levels)
    assert all(each.comparison is None and each.heat is None for each in found.versions)
    assert 0 < len(found.places) <= 6
    assert not found.has_reference


def test_with_a_reference_each_version_is_compared(tmp_path: Path) -> None:
    files = photo_files(tmp_path)
    found = of(files["source"], files["soft"], files["sharp"], reference=files["reference"])
    *compared, reference = found.versions
    assert reference.name == "Reference: reference.png"
    assert reference.comparison is None
    for each in compared:
        assert each.comparison == compare(each.pixels, reference.pixels)
        assert each.heat is not None
        assert each.heat.max() == compare(each.pixels, reference.pixels).max_difference


def test_what_files_say_of_themselves(tmp_path: Path) -> None:
    files = photo_files(tmp_path)
    source, result, reference = of(files["source"], files["soft"], reference=files["reference"]).files
    assert [each.role for each in (source, result, reference)] == ["Source", "Result", "Reference"]
    assert source.facts["SHA-256"] == hashlib.sha256(files["source"].read_bytes()).hexdigest()
    assert source.facts["size"] == "160 x 120 pixels"
    assert source.facts["format"] == "PNG, lossless"
    assert source.text == {"parameters": f"prompt {HOSTILE}"}


def test_results_of_several_sizes_are_shown_in_the_largest(tmp_path: Path) -> None:
    files = photo_files(tmp_path)
    found = of(files["source"], files["source"], files["soft"])
    assert {each.pixels.shape for each in found.versions} == {(240, 320, 3)}
    assert found.remarks == ("source.png: it is shown resized to 320 x 240 pixels (bicubic), as others have",)
    with pytest.raises(UnsupportedSizeError, match=r"source\.png and .*reference\.png cannot be compared"):
        of(files["source"], files["source"], reference=files["reference"])


def test_equal_images_have_no_place_where_they_differ(tmp_path: Path) -> None:
    Image.new("RGB", (20, 10), (9, 9, 9)).save(tmp_path / "a.png")
    assert of(tmp_path / "a.png", tmp_path / "a.png").places == ()


def test_results_of_one_name_are_told_apart(tmp_path: Path) -> None:
    files = photo_files(tmp_path)
    (tmp_path / "other").mkdir()
    again = photo_files(tmp_path / "other")["soft"]
    assert [each.name for each in of(files["source"], files["soft"], again).versions[2:]] == ["soft.png", str(again)]


def test_what_was_named_is_shown(tmp_path: Path) -> None:
    files = photo_files(tmp_path)
    model = load("realtime-2x")
    found = collect(
        ReportOptions(source=files["source"], results=(files["soft"],), models=(model,), notes=("fast",), title="Cat")
    )
    assert found.models[0]["SHA-256"] == model.sha256
    assert (found.title, found.notes) == ("Cat", ("fast",))
    assert {"Paragon", "cpu", "cores"} <= set(found.machine)


def test_videos_without_a_reference_are_compared_with_the_source(tmp_path: Path) -> None:
    files = video_files(tmp_path)
    found = of(files["source"], files["result"])
    assert found.series is not None
    assert found.series.against == "the source by Lanczos"
    assert found.series.indices == tuple(range(12))
    assert found.series.total == 12
    (curve,) = found.series.curves
    assert min(curve.values[:6]) > max(curve.values[6:])
    assert found.shown_frame is not None
    assert found.shown_frame[0] == curve.values.index(min(curve.values))
    assert found.series.rows[0].index == found.shown_frame[0]
    assert len(found.series.rows) == 6
    assert [each.name for each in found.series.rows[0].thumbnails] == ["Source", "v_2x.mkv"]
    assert found.files[0].text["title"] == HOSTILE
    assert found.files[0].facts["frames"] == "12, 23.976 a second"


def test_videos_with_a_reference_have_means(tmp_path: Path) -> None:
    files = video_files(tmp_path)
    found = of(files["source"], files["result"], reference=files["reference"])
    assert found.series is not None
    (curve,) = found.series.curves
    bicubic, lanczos, result, reference = found.versions
    assert bicubic.comparison is lanczos.comparison is reference.comparison is None
    assert result.comparison is not None
    assert result.comparison.psnr_y == pytest.approx(sum(curve.values) / 12)
    assert result.heat is not None


def test_of_long_videos_some_frames_are_compared(tmp_path: Path) -> None:
    files = video_files(tmp_path)
    found = of(files["source"], files["result"], most_frames=4)
    assert found.series is not None
    assert found.series.indices == (0, 3, 6, 9)
    assert found.series.total == 12


def test_what_cannot_be_reported_on(tmp_path: Path) -> None:
    files, videos = photo_files(tmp_path), video_files(tmp_path)
    with pytest.raises(InputError, match="is a video and"):
        ReportOptions(source=files["source"], results=(videos["result"],))
    with pytest.raises(InputError, match="nothing to report on"):
        ReportOptions(source=files["source"], results=())
    with pytest.raises(MediaError, match="does not exist"):
        of(files["source"], tmp_path / "missing.png")
