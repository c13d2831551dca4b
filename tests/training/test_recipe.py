from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from paragon_core.errors import InputError, UnreadableCheckpointError
from paragon_core.models.model import load

torch = pytest.importorskip("torch")

from paragon_core.training.degradations import Degradations
from paragon_core.training.recipe import RECIPES, read_recipe, recipe_names, run_recipe

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

GOOD = (RECIPES / "realtime-2x.toml").read_text(encoding="utf-8")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", recipe_names())
def test_every_bundled_recipe_is_what_its_name_says(name: str) -> None:
    recipe = read_recipe(name)
    assert name.startswith(recipe.spec.variant)
    assert f"-{recipe.spec.scale}x" in name
    assert name.endswith(("-gan", "-sharp")) == (recipe.adversarial is not None)
    assert recipe.spec.upsampler_alpha == 0
    assert len(recipe.patches.shares) in {0, len(recipe.folders)}


def test_a_file_is_read_like_a_bundled_recipe(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    assert read_recipe(path) == read_recipe("realtime-2x")
    assert read_recipe(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("steps = 60000", "steps = 0", "steps"),
        ("steps = 60000", "steps = 1.5", "steps"),
        ("steps = 60000", "", "lacks steps"),
        ("steps = 60000", "steps = 1\nstpes = 2", "stpes"),
        ("bfloat16 = true", "bfloat16 = 1", "bfloat16"),
        ("low_size = 64", "low_size = true", "low_size"),
        ("shares = [0.87, 0.13]", 'shares = ["a"]', "shares"),
        ('folders = ["photographs", "drawings"]', "", "lacks folders"),
        ('folders = ["photographs", "drawings"]', 'folders = "photographs"', "folders"),
        ('variant = "realtime"', 'variant = "faster"', "faster"),
        ('revision = "v9"', 'revision = "v8"', "v8"),
        ("scale = 2", "scale = 5", "scale 5"),
        ("[training]", "[trainings]", "tables"),
        ("[training]", "[adversarial]\nadversarial_weight = -1\n[training]", "adversarial_weight"),
        ("[training]", "[adversarial]\nperceptual_layers = [1]\n[training]", "perceptual_layers"),
        ("[training]", "[degradations]\ncrf = [20]\n[training]", "crf"),
        ("[training]", "[degradations]\ncrf = [30, 20]\n[training]", "crf"),
        ("[training]", "[degradations]\nnoise = 3\n[training]", "noise"),
        ("[training]", "[degradations]\ncfr = [20, 30]\n[training]", "cfr"),
        ("[training]", "[training", "not a TOML file"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError, match=said):
        read_recipe(written(tmp_path, GOOD.replace(old, new, 1)))


def test_a_recipe_with_old_names_is_read_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    older = GOOD.replace("ema_decay", "averaging").replace("border_weight", "rim_weight")
    assert read_recipe(written(tmp_path, older)).training == read_recipe("realtime-2x").training
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "averaging in [training] is deprecated; use ema_decay" in caplog.text
    assert "rim_weight in [training] is deprecated; use border_weight" in caplog.text
    with pytest.raises(InputError, match="ema_decay twice"):
        read_recipe(written(tmp_path, GOOD + "\naveraging = 0.9"))


@pytest.mark.parametrize("made", ["screen_content", "slides"])
def test_screen_content_is_found_under_its_old_name(
    tmp_path: Path, images: list[npt.NDArray[np.uint8]], caplog: pytest.LogCaptureFixture, made: str
) -> None:
    (tmp_path / made).mkdir()
    for index, image in enumerate(images[:2]):
        Image.fromarray(image).save(tmp_path / made / f"{index}.png")
    recipe = read_recipe("stream-2x")
    assert "screen_content" in recipe.folders
    recipe = replace(
        recipe,
        folders=("screen_content",),
        patches=replace(recipe.patches, low_size=24, batch_size=1, shares=()),
        training=replace(recipe.training, steps=1),
    )
    run_recipe(recipe, data=tmp_path, folder=tmp_path / "run", report=print)
    assert ("slides is deprecated" in caplog.text) == (made == "slides")


def test_a_recipe_degrades_only_if_it_says_so(tmp_path: Path) -> None:
    assert read_recipe("realtime-2x").degradations is None
    degradations = read_recipe(written(tmp_path, GOOD + "\n[degradations]\nforms = 2\nblur = [0, 0.5]")).degradations
    assert degradations == Degradations(forms=2, blur=(0, 0.5))


def test_a_fine_tuning_against_a_discriminator_says_what_it_needs(tmp_path: Path) -> None:
    recipe = read_recipe("realtime-2x-gan")
    options: dict[str, Any] = {"data": tmp_path, "folder": tmp_path, "report": print}
    with pytest.raises(InputError, match="trained network") as caught:
        run_recipe(recipe, **options)
    assert "--start-from" in caught.value.hint
    with pytest.raises(UnreadableCheckpointError) as missing:
        run_recipe(recipe, start_from={}, perceptual_weights=tmp_path / "none.safetensors", **options)
    assert "torchvision" in missing.value.hint
    with pytest.raises(InputError, match="without a discriminator"):
        run_recipe(read_recipe("realtime-2x"), perceptual_weights=tmp_path / "none.safetensors", **options)


def test_a_missing_recipe_is_answered_with_the_bundled_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_recipe(tmp_path / "none.toml")
    assert "realtime-2x" in caught.value.hint


def test_a_recipe_is_followed_and_leaves_its_mark(tmp_path: Path, images: list[npt.NDArray[np.uint8]]) -> None:
    for folder, chosen in (("a", images[:2]), ("b", images[2:4]), ("unseen", images[4:])):
        (tmp_path / folder).mkdir()
        for index, image in enumerate(chosen):
            Image.fromarray(image).save(tmp_path / folder / f"{index}.png")
    recipe = read_recipe("realtime-2x")
    recipe = replace(
        recipe,
        folders=("a", "b"),
        patches=replace(recipe.patches, low_size=24, batch_size=4),
        training=replace(recipe.training, steps=20, validate_every=10),
    )
    steps: list[int] = []
    scores = []
    run_recipe(
        recipe,
        data=tmp_path,
        folder=tmp_path / "run",
        validation=tmp_path / "unseen",
        report=lambda progress: scores.append(progress.scores["unseen"].psnr_y),
        tick=steps.append,
    )
    assert steps == list(range(1, 21))
    assert scores[1] > scores[0]
    assert load(tmp_path / "run/best.safetensors").metadata["recipe_sha256"] == recipe.sha256


def test_lists_of_words_are_read_and_unknown_words_are_refused(tmp_path: Path) -> None:
    words = '"speckles", "single lines", "text"'
    text = GOOD.replace("batch_size = 9", f"batch_size = 9\npattern_kinds = [{words}]")
    text += '\n[degradations]\nh264_share = 0\nreducers = ["bicubic", "area"]\n'
    recipe = read_recipe(written(tmp_path, text))
    assert recipe.patches.pattern_kinds == ("speckles", "single lines", "text")
    assert recipe.degradations == Degradations(h264_share=0, reducers=("bicubic", "area"))
    for word in ("text", "area"):
        with pytest.raises(InputError, match=r"pattern_kinds|reducers"):
            read_recipe(written(tmp_path, text.replace(f'"{word}"', '"nearest"')))
