from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.errors import BackendUnavailableError, InputError
from paragon_core.quality.metrics import luma, psnr
from paragon_core.quality.resize import resize, round_to_uint8
from paragon_core.training.data import BORDER, PatchOptions, PatchSource
from paragon_core.training.degradations import Degradations, degraded_forms
from paragon_core.training.reductions import TRAINING_REDUCERS, Reduction, draw_reduction

if TYPE_CHECKING:
    import numpy.typing as npt

    from paragon_core.quality.resize import Kernel
    from paragon_core.training.reductions import TrainingReducer

    Images = list[npt.NDArray[np.uint8]]

NOTHING = Degradations(h264_share=0, forms=1)
EVERYTHING = Degradations(
    forms=2, h264_share=0.5, jpeg_share=0.3, crf=(25, 30), blur=(0.2, 0.8), noise=(0, 2), shot_noise=(0, 2)
)


def reduced(images: Images) -> Images:
    return [round_to_uint8(resize(image, image.shape[0] // 2, image.shape[1] // 2)) for image in images]


def lows(images: Images, options: Degradations, scale: int = 2) -> list[Images]:
    return [[form.low for form in forms] for forms in degraded_forms(images, scale, options)]


def mean_psnr(images: Images, options: Degradations) -> float:
    forms = lows(images, options)
    return float(np.mean([psnr(luma(each[0]), luma(low)) for each, low in zip(forms, reduced(images), strict=True)]))


def test_without_any_degradation_only_the_reduction_is_left(images: Images) -> None:
    forms = lows(images, NOTHING)
    assert all(np.array_equal(form, low) for (form,), low in zip(forms, reduced(images), strict=True))


@pytest.mark.parametrize(
    ("weak", "strong"),
    [
        ({"h264_share": 1.0, "crf": (4, 4)}, {"h264_share": 1.0, "crf": (38, 38)}),
        ({"jpeg_share": 1.0, "jpeg_quality": (98, 98)}, {"jpeg_share": 1.0, "jpeg_quality": (20, 20)}),
        ({"webp_share": 1.0, "webp_quality": (98, 98)}, {"webp_share": 1.0, "webp_quality": (20, 20)}),
        ({"jpeg_share": 1.0}, {"jpeg_share": 1.0, "recompressed_share": 1.0}),
        ({"sharpening": (0.2, 0.2)}, {"sharpening": (1, 1)}),
        ({"blur": (0.4, 0.4)}, {"blur": (2, 2)}),
        ({"noise": (1, 1)}, {"noise": (8, 8)}),
        ({"shot_noise": (1, 1)}, {"shot_noise": (8, 8)}),
    ],
)
def test_forms_stay_aligned_and_the_setting_rules_the_damage(
    images: Images, weak: dict[str, Any], strong: dict[str, Any]
) -> None:
    near, far = (mean_psnr(images, replace(NOTHING, **changes)) for changes in (weak, strong))
    assert near > 29  # an image shifted by a pixel would have 20 dB
    assert far < near - 3


def test_noise_has_the_deviation_that_was_asked_for() -> None:
    grey = [np.full((128, 128, 3), 128, np.uint8)]
    (form,) = lows(grey, replace(NOTHING, noise=(4, 4)))[0]
    assert form.std() == pytest.approx(4, rel=0.05)
    dark, light = (np.full((128, 128, 3), level, np.uint8) for level in (20, 180))
    shot = lows([dark, light], replace(NOTHING, shot_noise=(6, 6)))
    assert shot[1][0].std() / shot[0][0].std() == pytest.approx(3, rel=0.05)


def test_forms_differ_from_one_another_and_come_back_the_same(images: Images) -> None:
    first, second = (lows(images, EVERYTHING) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(not np.array_equal(one, other) for one, other in first)
    elsewhere = lows(images, replace(EVERYTHING, seed=1))
    assert not any(np.array_equal(a, b) for a, b in zip(first, elsewhere, strict=True))


@settings(max_examples=10)
@given(st.lists(st.tuples(st.integers(4, 20), st.integers(4, 20)), min_size=1, max_size=5), st.integers(0, 99))
def test_images_may_have_any_sizes(sizes: list[tuple[int, int]], seed: int) -> None:
    generator = np.random.default_rng(seed)
    mixed = [generator.integers(0, 256, (2 * height, 2 * width, 3), np.uint8) for height, width in sizes]
    forms = lows(mixed, replace(EVERYTHING, seed=seed))
    assert [[form.shape for form in each] for each in forms] == [[(*size, 3)] * 2 for size in sizes]


def test_patches_without_degradations_are_drawn_as_ever(images: Images) -> None:
    options = PatchOptions(low_size=16, batch_size=6)
    plain = PatchSource([images], scale=2, options=options)
    generator = np.random.default_rng(3)
    patches = plain.draw(generator)
    # Each patch takes five draws, as it did before there were degradations.
    replayed = np.random.default_rng(3)
    for high in patches.high:
        replayed.choice(1, p=[1.0])
        image = images[replayed.integers(6)]
        top, left = (int(replayed.integers(2, 48 - 2 - 16 + 1)) for _ in range(2))
        symmetry = int(replayed.integers(8))
        cut = image[2 * top : 2 * top + 32, 2 * left : 2 * left + 32]
        assert np.array_equal(np.rot90(cut[:, ::-1] if symmetry >= 4 else cut, symmetry % 4), high)
    assert replayed.bit_generator.state == generator.bit_generator.state


def test_the_generator_alone_decides_which_form_a_patch_gets(images: Images) -> None:
    options = PatchOptions(low_size=16, batch_size=40)
    degradations = replace(EVERYTHING, clean_share=0.3)
    # A resumed run prepares the forms again.
    sources = [PatchSource([images], scale=2, options=options, degradations=degradations) for _ in range(2)]
    plain, again = (source.draw(np.random.default_rng(5)) for source in sources)
    assert np.array_equal(plain.low, again.low)
    inside = slice(2, -2)
    errors = [
        np.abs(round_to_uint8(resize(high, 16, 16))[inside, inside].astype(int) - low[inside, inside]).max()
        for low, high in zip(plain.low, plain.high, strict=True)
    ]
    assert np.mean([error <= 1 for error in errors]) == pytest.approx(0.3, abs=0.2)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("clean_share", 1.1),
        ("h264_share", -0.1),
        ("jpeg_share", 0.5),  # next to the default share of H.264
        ("forms", 0),
        ("reducers", ()),
        ("reducers", ("bicubic", "nearest")),
        ("camera_blur", (0.7, 0)),
        ("crf", (0, 20)),
        ("crf", (30, 20)),
        ("jpeg_quality", (50, 101)),
        ("webp_share", 0.5),
        ("webp_quality", (0, 50)),
        ("recompressed_share", -0.1),
        ("recompressed_size", (0.5, 1)),
        ("sharpening", (1, 0)),
        ("blur", (-1, 0)),
        ("noise", (0, float("nan"))),
    ],
)
def test_impossible_degradations_are_refused(field: str, value: object) -> None:
    with pytest.raises(InputError, match=field):
        Degradations(**{field: value})  # type: ignore[arg-type]


def test_each_reducer_makes_what_its_name_says(images: Images) -> None:
    options = replace(NOTHING, camera_blur=(0, 0))
    means = [np.floor(image.reshape(48, 2, 48, 2, 3).mean((1, 3)) + 0.5).astype(np.uint8) for image in images]
    found = {reducer: lows(images, replace(options, reducers=(reducer,))) for reducer in TRAINING_REDUCERS}
    for reducer in ("box", "camera"):
        assert all(np.array_equal(form, mean) for (form,), mean in zip(found[reducer], means, strict=True))
    sharpness = {
        reducer: np.mean([np.abs(np.diff(form.astype(int), axis=0)).mean() for (form,) in forms])
        for reducer, forms in found.items()
    }
    assert sharpness["lanczos"] > sharpness["bicubic"] > sharpness["box"] > sharpness["bilinear"]
    (soft,) = lows(images[:1], replace(NOTHING, reducers=("camera",), camera_blur=(2, 2)))[0]
    assert np.abs(np.diff(soft.astype(int), axis=0)).mean() < 0.8 * sharpness["box"]


@pytest.mark.parametrize("scale", [2, 3])
def test_areas_begin_at_any_pixel_and_patches_show_the_same_place(images: Images, scale: int) -> None:
    options = replace(NOTHING, reducers=("area",), forms=60, clean_share=0)
    size = 96 // scale - 2 * BORDER - 3
    forms = degraded_forms(images[:1], scale, options)[0]
    assert {(form.down, form.right) for form in forms} == {(y, x) for y in range(scale) for x in range(scale)}
    patches = PatchOptions(low_size=size, batch_size=40)
    drawn = PatchSource([images[:1]], scale=scale, options=patches, degradations=options).draw(np.random.default_rng(0))
    for low, high in zip(drawn.low, drawn.high, strict=True):
        means = high.reshape(size, scale, size, scale, 3).mean((1, 3))
        assert np.abs(means - low).max() <= 0.5


def test_reducers_are_drawn_for_video_too(images: Images) -> None:
    kernels: tuple[Kernel, ...] = ("cubic", "linear")
    reducers: tuple[TrainingReducer, ...] = ("bicubic", "bilinear")
    grey = [image[:, :, :1].repeat(3, axis=2) for image in images]  # of colours, half the resolution is lost
    wanted = [[round_to_uint8(resize(image, 48, 48, kernel=kernel)) for image in grey] for kernel in kernels]
    for own, reducer in enumerate(reducers):
        forms = lows(grey, Degradations(forms=1, crf=(1, 1), reducers=(reducer,)))
        errors = [
            np.mean([np.abs(luma(form) - luma(low)).mean() for (form,), low in zip(forms, each, strict=True)])
            for each in wanted
        ]
        assert errors[own] < 0.7 * errors[1 - own]


def test_a_kind_that_is_named_twice_is_drawn_twice_as_often(images: Images) -> None:
    options = replace(NOTHING, forms=100, reducers=("bicubic", "bicubic", "bicubic", "box"))
    forms = lows([images[0][:32, :32]], options)[0]
    counts = np.unique([form.tobytes() for form in forms], return_counts=True)[1]
    assert len(counts) == 2
    assert counts.max() / 100 == pytest.approx(0.75, abs=0.12)


def test_bicubic_alone_takes_nothing_from_the_generator() -> None:
    generator = np.random.default_rng(0)
    before = generator.bit_generator.state
    assert draw_reduction(("bicubic",), 2, (0, 0.7), generator) == Reduction()
    assert generator.bit_generator.state == before


def test_without_pyav_only_video_is_refused(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert degraded_forms(images[:1], 2, replace(NOTHING, jpeg_share=1.0))
    with pytest.raises(BackendUnavailableError):
        degraded_forms(images[:1], 2, Degradations())


def test_an_earlier_jpeg_does_not_move_the_image(images: Images) -> None:
    options = replace(
        NOTHING, jpeg_share=1.0, jpeg_quality=(95, 95), recompressed_share=1.0, recompressed_size=(1.5, 1.5)
    )
    for (form,), low in zip(lows(images, options), reduced(images), strict=True):
        ours, theirs = luma(form)[4:-4, 4:-4], luma(low)
        moved = {
            (y, x): float(np.abs(ours - theirs[4 + y : y - 4 or None, 4 + x : x - 4 or None]).mean())
            for y in (-1, 0, 1)
            for x in (-1, 0, 1)
        }
        assert min(moved, key=lambda place: moved[place]) == (0, 0)
