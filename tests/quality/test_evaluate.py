"""The evaluation protocol: known scores of known images, and what the command prints."""

from __future__ import annotations

import json
import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from paragon_core.errors import InputError, MediaError, UnsupportedFormatError, UnsupportedSizeError
from paragon_core.models.model import bundled, load
from paragon_core.quality import evaluate as evaluation
from paragon_core.quality.evaluate import (
    evaluate,
    find_sets,
    make_pair,
    means,
    read_pairs,
    score_set,
    upscale_classically,
)
from paragon_core.quality.metrics import Score
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from paragon_core.quality.evaluate import Reducer


def drawing(height: int = 60, width: int = 49, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Return an image of soft blobs."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows / random.uniform(2, 9) + columns / random.uniform(2, 9)) for _ in range(3)]
    return np.rint(127.5 + 120 * np.stack(waves, axis=2)).astype(np.uint8)


def save(path: Path, array: npt.NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two sets."""
    for number in range(3):
        save(tmp_path / "Flowers" / f"{number}.png", drawing(seed=number))
    save(tmp_path / "Houses" / "one.png", drawing(41, 57, seed=9))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("no image", encoding="utf-8")
    return tmp_path


# --- known figures -----------------------------------------------------------------------------------------------

#: PSNR-Y and SSIM of bicubic and Lanczos upscaling; bicubic at x2 is 33.66 / 30.24 in published tables, whose Set14
#: has one grey image stored with another range.
BASELINES = {
    (2, "Set5"): ((33.682, 0.9305), (34.323, 0.9366)),
    (2, "Set14"): ((30.330, 0.8700), (30.792, 0.8802)),
    (4, "Set5"): ((28.431, None), (None, None)),
    (4, "Set14"): ((26.092, None), (None, None)),
}

#: What the official files score, by their training logs and upstream's own network.
OFFICIAL = {
    "v11_2xParagonSR2_Realtime_fidelity": (36.645, 32.416),
    "v6_2xParagonSR2_Realtime_fidelity": (36.690, 32.419),
    "v9_2xParagonSR2_Stream_fidelity": (37.417, 32.828),
    "v11_2xParagonSR2_Stream_fidelity": (37.233, 32.602),
    "v9_2xParagonSR2_Photo_fidelity": (38.034, 33.607),
}


def agrees(score: Score, psnr_y: float | None, ssim: float | None, *, tolerance: float = 0.001) -> bool:
    close = psnr_y is None or abs(score.psnr_y - psnr_y) <= tolerance
    return close and (ssim is None or abs(score.ssim - ssim) <= 0.0001)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 4])
def test_the_baselines_score_what_is_published(shared: Path, scale: int) -> None:
    methods = {
        "bicubic": partial(upscale_classically, scale=scale, kernel="cubic"),
        "lanczos": partial(upscale_classically, scale=scale, kernel="lanczos3"),
    }
    for name in ("Set5", "Set14"):
        found = means(score_set(read_pairs(shared / "eval" / name, scale), methods))
        bicubic, lanczos = BASELINES[scale, name]
        assert agrees(found["bicubic"], *bicubic)
        assert agrees(found["lanczos"], *lanczos)


@pytest.mark.slow
@pytest.mark.parametrize("file", OFFICIAL)
def test_the_official_files_score_what_their_author_trained(shared: Path, file: str) -> None:
    model = load(shared / "weights" / f"{file}.safetensors")
    with Upscaler(model, precision="fp32", padding="zero") as upscaler:
        for name, expected in zip(("Set5", "Set14"), OFFICIAL[file], strict=True):
            pairs = read_pairs(shared / "eval" / name, model.spec.scale)
            assert agrees(means(score_set(pairs, {"model": upscaler}))["model"], expected, None, tolerance=0.005)


# --- the protocol ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_the_original_is_cropped_and_shrunk(scale: int) -> None:
    original = drawing(61, 47)
    pair = make_pair("drawing", original, scale)
    assert pair.scale == scale
    assert pair.low.shape == (61 // scale, 47 // scale, 3)
    np.testing.assert_array_equal(pair.high, original[: 61 // scale * scale, : 47 // scale * scale])
    assert upscale_classically(pair.low, scale=scale, kernel="cubic").shape == pair.high.shape


@pytest.mark.parametrize(("reducer", "resampling"), [("box", "BOX"), ("bilinear", "BILINEAR"), ("lanczos", "LANCZOS")])
@pytest.mark.parametrize("scale", [2, 3])
def test_other_reducers_are_those_of_pillow(reducer: Reducer, resampling: str, scale: int) -> None:
    original = drawing(60, 48)
    pair = make_pair("drawing", original, scale, reducer)
    size = (48 // scale, 60 // scale)
    wanted = np.asarray(Image.fromarray(original).resize(size, Image.Resampling[resampling])).astype(int)
    inside = slice(3, -3)  # beyond the border Pillow sees nothing, not the mirrored image
    assert np.abs(pair.low[inside, inside] - wanted[inside, inside]).max() <= 1
    assert not np.array_equal(pair.low, make_pair("drawing", original, scale).low)


def test_a_perfect_method_has_infinite_psnr_and_a_wrong_size_is_refused() -> None:
    pair = make_pair("drawing", drawing(), 2)
    scores = score_set([pair], {"oracle": lambda _: pair.high})
    assert scores["drawing"]["oracle"].psnr_y == math.inf
    assert means(scores)["oracle"].ssim == pytest.approx(1)
    with pytest.raises(UnsupportedSizeError):
        score_set([pair], {"lazy": lambda low: low})


def test_grey_and_palette_files_count_as_the_rgb_that_they_show(tmp_path: Path) -> None:
    grey = drawing()[:, :, 0]
    save(tmp_path / "grey.png", grey)
    save(tmp_path / "rgb.png", grey[:, :, None].repeat(3, axis=2))
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.png")
    pairs = list(read_pairs(tmp_path, 2))
    assert [pair.name for pair in pairs] == ["grey.png", "palette.png", "rgb.png"]
    for pair in pairs:
        np.testing.assert_array_equal(pair.high, pairs[-1].high)
        np.testing.assert_array_equal(pair.low, pairs[-1].low)


def test_sets_are_found_one_level_down_or_right_here(folder: Path) -> None:
    assert [path.name for path in find_sets(folder)] == ["Flowers", "Houses"]
    assert find_sets(folder / "Houses") == [folder / "Houses"]
    for without_images in (folder / "notes", folder / "missing"):
        with pytest.raises(InputError):
            find_sets(without_images)


def test_files_that_cannot_be_scored_are_named(tmp_path: Path) -> None:
    images = {
        "deep": Image.fromarray(np.zeros((40, 40), dtype=np.uint16)),
        "clear": Image.new("RGBA", (40, 40), (1, 2, 3, 4)),
        "small": Image.new("RGB", (40, 14)),
    }
    for name, image in images.items():
        (tmp_path / name).mkdir()
        image.save(tmp_path / name / f"{name}.png")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")
    expected = {"deep": UnsupportedFormatError, "clear": UnsupportedFormatError, "small": UnsupportedSizeError}
    for name, kind in {**expected, "broken": MediaError}.items():
        with pytest.raises(kind, match=name):
            list(read_pairs(tmp_path / name, 2))


def test_the_model_is_scored_next_to_the_baselines(folder: Path) -> None:
    result = evaluate(folder, lambda low: upscale_classically(low, scale=2, kernel="cubic"), 2)
    assert {name: len(images) for name, images in result.items()} == {"Flowers": 3, "Houses": 1}
    for images in result.values():
        for scores in images.values():
            assert scores["model"] == scores["bicubic"] != scores["lanczos"]


# --- the command -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", bundled()[:1])
def test_the_command_prints_a_table_and_json_with_the_same_figures(
    folder: Path, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    command = ["--data", str(folder), "--model", model, "--alpha", "0"]
    assert evaluation.main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["model"], report["precision"], report["upsampler_alpha"]) == (model, "fp32", 0)
    assert evaluation.main(command) == 0
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 4
    for line, (name, scores) in zip(table[2:], report["sets"].items(), strict=True):
        assert line.startswith(f"{name} ({len(scores['pictures'])})")
        for mean in scores["mean"].values():
            assert f"{mean['psnr_y']:.3f} / {mean['ssim']:.4f}" in line


def test_the_command_says_what_is_wrong(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = bundled()[0]
    for arguments, code in (
        (["--data", str(folder), "--model", "no-such-model"], 2),
        (["--data", str(folder / "notes"), "--model", model], 2),
        (["--data", str(folder), "--model", model, "--backend", "no-such-backend"], 2),
    ):
        assert evaluation.main(arguments) == code
        out, err = capsys.readouterr()
        assert not out
        assert err.startswith("error: ")
        assert "\nhint: " in err


def test_infinite_scores_are_null_in_json_and_inf_in_the_table() -> None:
    assert evaluation.plain({"model": Score(psnr_y=math.inf, ssim=1)}) == {"model": {"psnr_y": None, "ssim": 1}}
    assert evaluation.cell(None, 1) == "inf / 1.0000"
