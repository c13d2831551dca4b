"""Conversions of videos against the same in float64, spelled out as matrices over whole planes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.errors import UnsupportedFormatError
from paragon_core.media.video import array_conversion, native_conversion
from paragon_core.media.video.colour import FLOAT, VideoColour, guess_matrix
from paragon_core.media.video.conversion import from_network, new_planes, to_network
from paragon_core.media.video.encoding import VideoEncoding
from paragon_core.media.video.frames import colour_of, fill, planes_of
from paragon_core.native.library import MAX_ISA, load
from paragon_core.quality import h264

av = pytest.importorskip("av")

Array = npt.NDArray[Any]

#: Luma weights of R and B (ITU-R BT.601, BT.709, BT.2020; SMPTE 240M; FCC).
WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.3, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
#: Where chroma sits, right and down, as shares of the way from the first sample of luma to the last it stands for.
LOCATIONS = {1: (0, 0.5), 2: (0.5, 0.5), 3: (0, 0), 4: (0.5, 0), 5: (0, 1), 6: (0.5, 1)}

SUBSAMPLINGS = [(1, 1), (1, 2), (2, 2), (2, 1), (1, 4), (4, 4)]

colours = st.builds(
    VideoColour,
    matrix=st.sampled_from([*WEIGHTS, 8]),
    full=st.booleans(),
    bits=st.sampled_from([8, 10, 12, 16]),
    factors=st.sampled_from(SUBSAMPLINGS),
    chroma_location=st.sampled_from(list(LOCATIONS)),
)
sizes = st.tuples(st.integers(1, 75), st.integers(1, 40))


def keys(distance: Array) -> Array:
    """Cubic convolution with a = -1/2 (Keys 1981, equation 15)."""
    x = np.abs(distance)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def resampling(places: Array, length: int, stretch: float) -> Array:
    """The matrix from samples 0 .. length - 1, mirrored beyond both ends, to values at places."""
    taps = np.arange(-20, length + 20)
    weights = keys((places[:, None] - taps) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    folded = np.zeros((len(places), length))
    for column, tap in enumerate(taps):
        inside = tap % (2 * length)
        folded[:, min(inside, 2 * length - 1 - inside)] += weights[:, column]
    return folded


def axes(shape: tuple[int, int], colour: VideoColour) -> list[tuple[Array, Array]]:
    """For rows and columns: the matrices that upscale and that reduce chroma."""
    right, down = LOCATIONS[colour.chroma_location]
    result = []
    for length, factor, share in zip(shape, colour.factors, (down, right), strict=True):
        count = -(-length // factor)
        offset = share * (factor - 1)
        result.append(
            (
                resampling((np.arange(length) - offset) / factor, count, 1),
                resampling(np.arange(count) * factor + offset, length, factor),
            )
        )
    return result


def spans(colour: VideoColour) -> tuple[float, float, float, float]:
    """Span and zero of luma, then of chroma (H.273, 8.3)."""
    if colour.full:
        top = 2.0**colour.bits - 1
        return top, 0, top, 2.0 ** (colour.bits - 1)
    unit = 2.0 ** (colour.bits - 8)
    return 219 * unit, 16 * unit, 224 * unit, 128 * unit


def rgb_to_yuv(matrix: int) -> Array:
    if matrix == 8:
        return np.array([[0.25, 0.5, 0.25], [-0.25, 0.5, -0.25], [0.5, 0, -0.5]])
    red, blue = WEIGHTS[matrix]
    luma = np.array([red, 1 - red - blue, blue])
    return np.stack([luma, (np.eye(3)[2] - luma) / (2 - 2 * blue), (np.eye(3)[0] - luma) / (2 - 2 * red)])


def random_samples(colour: VideoColour, size: tuple[int, int], seed: int) -> list[Array]:
    height, width = size
    small = (-(-height // colour.factors[0]), -(-width // colour.factors[1]))
    rng = np.random.default_rng(seed)
    dtype = np.uint8 if colour.bits == 8 else np.uint16
    return [rng.integers(0, 2**colour.bits, shape).astype(dtype) for shape in (size, small, small)]


@given(colour=colours, size=sizes, seed=st.integers(0, 2**32))
def test_rgb_is_that_of_float64(colour: VideoColour, size: tuple[int, int], seed: int) -> None:
    samples = random_samples(colour, size, seed)
    span, black, chroma_span, neutral = spans(colour)
    (rows, _), (columns, _) = axes(size, colour)
    luma = (samples[0] - black) / span
    cb, cr = (rows @ ((plane - neutral) / chroma_span) @ columns.T for plane in samples[1:])
    expected = np.einsum("ij,jhw->ihw", np.linalg.inv(rgb_to_yuv(colour.matrix)), np.stack([luma, cb, cr]))
    np.testing.assert_allclose(np.stack(to_network(samples, colour)), expected, atol=2e-6)


@given(colour=colours, size=sizes, seed=st.integers(0, 2**32))
def test_samples_are_those_of_float64(colour: VideoColour, size: tuple[int, int], seed: int) -> None:
    planes = list(np.random.default_rng(seed).uniform(-0.1, 1.1, (3, *size)).astype(np.float32))
    out = [np.empty_like(plane) for plane in random_samples(colour, size, 0)]
    from_network(planes, out, colour)
    span, black, chroma_span, neutral = spans(colour)
    (_, rows), (_, columns) = axes(size, colour)
    luma, *chroma = np.einsum("ij,jhw->ihw", rgb_to_yuv(colour.matrix), np.stack(planes).astype(np.float64))
    exact = [black + span * luma, *(neutral + chroma_span * (rows @ plane @ columns.T) for plane in chroma)]
    for made, expected in zip(out, exact, strict=True):
        clipped = np.clip(expected, 0, 2**colour.bits - 1)
        assert np.abs(made - clipped).max() <= 0.5 + 2.0 ** (colour.bits - 20)


@given(
    colour=colours.filter(lambda colour: colour.factors == (1, 1) and colour.bits < 16),
    size=sizes,
    seed=st.integers(0, 2**32),
)
def test_full_chroma_comes_back_exactly_even_beyond_black_and_white(
    colour: VideoColour, size: tuple[int, int], seed: int
) -> None:
    samples = random_samples(colour, size, seed)
    out = [np.empty_like(plane) for plane in samples]
    from_network(to_network(samples, colour), out, colour)
    for made, expected in zip(out, samples, strict=True):
        np.testing.assert_array_equal(made, expected)


@given(full=st.booleans(), bits=st.sampled_from([8, 10, 16]), size=sizes, seed=st.integers(0, 2**32))
def test_grey_and_rgb_come_back_exactly(full: bool, bits: int, size: tuple[int, int], seed: int) -> None:
    colour = VideoColour(matrix=0, full=full, bits=bits)
    samples = random_samples(colour, size, seed)
    for planes in (samples, samples[:1]):
        out = [np.empty_like(plane) for plane in planes]
        from_network(to_network(planes, colour), out, colour)
        for made, expected in zip(out, planes, strict=True):
            np.testing.assert_array_equal(made, expected)


def test_grey_has_neutral_chroma() -> None:
    colour = VideoColour(matrix=1, full=False, bits=8, factors=(2, 2))
    out = [np.zeros((4, 6), np.uint8), np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.uint8)]
    from_network([np.ones((4, 6), np.float32)], out, colour)
    assert [set(plane.flat) for plane in out] == [{235}, {128}, {128}]


def test_smooth_colours_survive_subsampling() -> None:
    y, x = np.mgrid[:48, :64] / 64
    planes = [np.asarray(plane, np.float32) for plane in (0.2 + 0.5 * x, 0.3 + 0.4 * y, 0.7 - 0.3 * x * y)]
    colour = VideoColour(matrix=1, full=False, bits=10, factors=(2, 2))
    out = [np.zeros((48, 64), np.uint16), *(np.zeros((24, 32), np.uint16) for _ in range(2))]
    from_network(planes, out, colour)
    for made, expected in zip(to_network(out, colour), planes, strict=True):
        assert np.abs(made - expected)[2:-2, 2:-2].max() < 2 / 876


def test_luma_is_that_of_the_conversion_for_scores() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 40, 3)).astype(np.uint8)
    out = [np.zeros((32, 40), np.uint8), *(np.zeros((16, 20), np.uint8) for _ in range(2))]
    colour = VideoColour(matrix=1, full=False, bits=8, factors=(2, 2))
    from_network([(plane / 255).astype(np.float32) for plane in np.moveaxis(image, 2, 0)], out, colour)
    assert np.abs(h264.to_yuv420(image)[:32].astype(int) - out[0]).max() <= 1


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuv420p10le"])
@pytest.mark.parametrize("location", [1, 2, 3])
def test_the_vapoursynth_filter_converts_alike(pixel_format: str, location: int) -> None:
    vs = pytest.importorskip("vapoursynth")
    size = (43, 30) if pixel_format == "yuv444p" else (64, 40)
    frame = av.VideoFrame(*size, pixel_format)
    colour = VideoColour(
        matrix=5,
        full=False,
        bits=10 if "10" in pixel_format else 8,
        factors=colour_of(frame).factors,
        chroma_location=location,
    )
    samples = random_samples(colour, (size[1], size[0]), 1)
    video_format = {"p": f"{pixel_format[:6].upper()}P8", "p10le": f"{pixel_format[:6].upper()}P10"}[pixel_format[6:]]

    def put(n: int, f: Any) -> Any:  # noqa: ARG001 - VapourSynth passes it by name
        result = f.copy()
        for index, plane in enumerate(samples):
            np.asarray(result[index])[...] = plane
        return result

    clip = vs.core.std.BlankClip(format=getattr(vs, video_format), width=size[0], height=size[1], length=1)
    clip = clip.std.ModifyFrame(clip, put)
    rgb = clip.resize.Bicubic(format=vs.RGBS, matrix_in=5, range_in=0, chromaloc_in=location - 1)
    expected = [np.asarray(rgb.get_frame(0)[index]) for index in range(3)]
    for made, plane in zip(to_network(samples, colour), expected, strict=True):
        np.testing.assert_allclose(made, plane, atol=3e-5)


@pytest.mark.parametrize(
    ("pixel_format", "planar", "bits"),
    [
        ("yuv420p", "yuv420p", 8),
        ("nv12", "yuv420p", 8),
        ("yuyv422", "yuv422p", 8),
        ("uyvy422", "yuv422p", 8),
        ("p010le", "yuv420p10le", 10),
        ("rgb24", "gbrp", 8),
        ("bgr0", "gbrp", 8),
        ("rgb48le", "gbrp16le", 16),
        ("gray", "gray", 8),
        ("gray10le", "gray10le", 10),
        ("yuva420p", "yuv420p", 8),
        ("yuv444p16be", "yuv444p16le", 16),
    ],
)
def test_samples_in_any_order_are_read_alike(pixel_format: str, planar: str, bits: int) -> None:
    """FFmpeg's way to another order of the same samples and back loses nothing, so ours may begin with it."""
    plain = av.VideoFrame(32, 24, planar)
    colour = colour_of(plain)
    assert colour.bits == bits
    shape = (24, 32)
    values = np.random.default_rng(2).uniform(0.2, 0.8, (1 if "gray" in planar else 3, *shape)).astype(np.float32)
    fill(plain, list(values), colour)
    packed = plain.reformat(format=pixel_format)
    for made, expected in zip(planes_of(packed, colour_of(packed)), planes_of(plain, colour), strict=True):
        np.testing.assert_array_equal(made, expected)


def test_a_video_that_says_nothing_goes_by_its_size() -> None:
    assert [guess_matrix(*size) for size in [(720, 480), (720, 576), (1280, 720), (1440, 1080), (64, 577)]] == [
        6,
        5,
        1,
        1,
        1,
    ]


def test_matrices_without_a_formula_are_refused() -> None:
    frame = av.VideoFrame(16, 16, "yuv420p")
    frame.colorspace = 10  # BT.2020 with constant luminance
    with pytest.raises(UnsupportedFormatError, match="10") as caught:
        colour_of(frame)
    assert caught.value.hint


@pytest.mark.parametrize(("primaries", "matrix"), [(2, 1), (1, 1), (9, 9), (12, 1)])
def test_rgb_gets_the_matrix_that_goes_with_its_primaries(primaries: int, matrix: int) -> None:
    rgb = VideoColour(matrix=0, full=True, bits=16)
    samples = VideoEncoding(codec="hevc").frame_format(rgb, "gbrp16le", rotated=False, primaries=primaries)
    assert (samples.colour.matrix, samples.colour.full, samples.pixel_format) == (matrix, False, "yuv420p10le")


def as_bits(arrays: list[Array]) -> list[bytes]:
    return [np.ascontiguousarray(array).tobytes() for array in arrays]


@pytest.mark.native
@given(
    colour=st.builds(
        VideoColour,
        matrix=st.sampled_from([0, *WEIGHTS, 8]),
        full=st.booleans(),
        bits=st.sampled_from([8, 9, 10, 12, 14, 16, FLOAT]),
        factors=st.sampled_from(SUBSAMPLINGS),
        chroma_location=st.sampled_from(list(LOCATIONS)),
    ),
    size=sizes,
    grey=st.booleans(),
    isa=st.sampled_from(["", "avx2"]),
    seed=st.integers(0, 2**32),
)
def test_the_native_kernel_makes_the_same_bits(
    colour: VideoColour, size: tuple[int, int], grey: bool, isa: str, seed: int
) -> None:
    height, width = size
    rng = np.random.default_rng(seed)
    factors = (1, 1) if colour.matrix == 0 else colour.factors
    shapes = [size, *[(-(-height // factors[0]), -(-width // factors[1]))] * 2]
    samples: list[Array] = []
    for h, w in shapes:
        if colour.bits == FLOAT:
            plane = rng.uniform(-0.6, 1.1, (h, w + 3)).astype(np.float32)
        else:
            plane = rng.integers(0, 2**colour.bits, (h, w + 3)).astype(np.uint8 if colour.bits == 8 else np.uint16)
        samples.append(plane[:, 2 : 2 + w])
    planes = list(rng.uniform(-0.1, 1.1, (1 if grey else 3, height, width + 5)).astype(np.float32)[:, :, 1 : 1 + width])
    library = load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MAX_ISA, isa)
        assert native_conversion.takes(samples, planes, colour)
        made = native_conversion.to_network(library, samples[: 1 if grey else 3], colour, new_planes)
        out = [np.full_like(plane, 77) for plane in samples]
        native_conversion.from_network(library, planes, out, colour)
    assert as_bits(made) == as_bits(array_conversion.to_network(samples[: 1 if grey else 3], colour))
    expected = [np.full_like(plane, 77) for plane in samples]
    array_conversion.from_network(planes, expected, colour)
    assert as_bits(out) == as_bits(expected)
