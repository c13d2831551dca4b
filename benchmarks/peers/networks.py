"""The other networks: their layers, and what was published about them.

Layer sizes and counts of parameters:

- ESPCN: W. Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional
  neural network", CVPR 2016: 5x5 to 64, 3x3 to 32, 3x3 to the pixels; tanh; luma only
- FSRCNN(56, 12, 4): C. Dong et al., "Accelerating the super-resolution convolutional neural network", ECCV 2016:
  5x5 to 56, 1x1 to 12, four of 3x3, 1x1 to 56, a 9x9 deconvolution; PReLU; luma only; 12,464 weights
- Compact, UltraCompact, SuperUltraCompact: SRVGGNetCompact of Real-ESRGAN with 64 x 16, 64 x 8 and 24 x 8 features x
  convolutions; PReLU; 621,424, 325,488 and 52,968 parameters at x4, as traiNNer-redux lists them
- SPAN: C. Wan et al., "Swift parameter-free attention network for efficient super-resolution", CVPR workshops 2024
  (arXiv 2311.12770), each of its convolutions as the one 3x3 that it becomes after training; 52 channels, six blocks;
  481 K parameters at x2, 498 K at x4

What is called PSNR is that of luma with a border as wide as the scale left out, after a reduction by MATLAB's bicubic
kernel. Real-ESRGAN's networks are trained for other degradations, so that there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Activation = Literal["none", "prelu", "tanh"]

#: How the layers are connected: one after the other; with the image, repeated, added to the result; SPAN's blocks.
Structure = Literal["chain", "residual", "span"]

SPAN_BLOCKS: Final = 6


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution with a bias, and what follows it."""

    inputs: int
    """Channels in."""
    outputs: int
    """Channels out."""
    kernel: int
    """Taps along both axes."""
    activation: Activation = "none"
    """Applied to the result; a PReLU has one slope a channel."""
    stride: int = 1
    """Above 1: of a transposed convolution, which upscales by it."""

    @property
    def weights(self) -> int:
        """Number of weights; also the multiplications that each pixel of its input takes."""
        return self.inputs * self.outputs * self.kernel**2

    @property
    def parameters(self) -> int:
        """Weights, biases and slopes."""
        return self.weights + self.outputs * (2 if self.activation == "prelu" else 1)


@dataclass(frozen=True, kw_only=True)
class Published:
    """Image quality as others report it."""

    psnr: Mapping[str, float]
    """dB by the name of the test set."""
    source: str
    """Where it is reported."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """An upscaling network."""

    name: str
    """What tables call it."""
    scale: int
    """Factor along both axes."""
    structure: Structure
    """How the layers are connected."""
    layers: tuple[Layer, ...]
    """In the order in which they run."""
    luma: bool = False
    """Whether it sees luma only, so that chroma is resized by a bicubic kernel."""
    published: Published | None = field(default=None, compare=False)
    """What is known about its quality."""

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiplications that each pixel of the image takes, those for chroma aside."""
        return sum(layer.weights for layer in self.layers)


def espcn(scale: int) -> Network:
    """Return ESPCN."""
    quality = {2: (36.64, 32.35), 4: (30.26, 27.41)}
    return Network(
        name="ESPCN",
        scale=scale,
        structure="chain",
        layers=(
            Layer(inputs=1, outputs=64, kernel=5, activation="tanh"),
            Layer(inputs=64, outputs=32, kernel=3, activation="tanh"),
            Layer(inputs=32, outputs=scale**2, kernel=3),
        ),
        luma=True,
        published=_published(quality, scale, "github.com/clibdev/ESPCN-PyTorch, trained on 91 images"),
    )


def fsrcnn(scale: int) -> Network:
    """Return FSRCNN(56, 12, 4)."""
    quality = {2: (37.00, 32.63), 4: (30.71, 27.59)}
    return Network(
        name="FSRCNN",
        scale=scale,
        structure="chain",
        layers=(
            Layer(inputs=1, outputs=56, kernel=5, activation="prelu"),
            Layer(inputs=56, outputs=12, kernel=1, activation="prelu"),
            *[Layer(inputs=12, outputs=12, kernel=3, activation="prelu")] * 4,
            Layer(inputs=12, outputs=56, kernel=1, activation="prelu"),
            Layer(inputs=56, outputs=1, kernel=9, stride=scale),
        ),
        luma=True,
        published=_published(quality, scale, "Dong et al., ECCV 2016"),
    )


def srvgg(name: str, features: int, convolutions: int) -> Callable[[int], Network]:
    """Return a function that returns SRVGGNetCompact of a width and depth for a scale."""

    def make(scale: int) -> Network:
        body = Layer(inputs=features, outputs=features, kernel=3, activation="prelu")
        return Network(
            name=name,
            scale=scale,
            structure="residual",
            layers=(
                Layer(inputs=3, outputs=features, kernel=3, activation="prelu"),
                *[body] * convolutions,
                Layer(inputs=features, outputs=3 * scale**2, kernel=3),
            ),
        )

    return make


def span(scale: int, *, channels: int = 52) -> Network:
    """Return SPAN: first the convolution before the blocks, three in each, then those of the tail as they run.

    Without the PSNR of its paper, which could not be looked up.
    """
    body = Layer(inputs=channels, outputs=channels, kernel=3)
    return Network(
        name="SPAN",
        scale=scale,
        structure="span",
        layers=(
            Layer(inputs=3, outputs=channels, kernel=3),
            *[body] * (3 * SPAN_BLOCKS + 1),
            Layer(inputs=4 * channels, outputs=channels, kernel=1),
            Layer(inputs=channels, outputs=3 * scale**2, kernel=3),
        ),
        published=None,
    )


def _published(quality: Mapping[int, tuple[float, float]], scale: int, source: str) -> Published | None:
    if scale not in quality:
        return None
    return Published(psnr=dict(zip(("Set5", "Set14"), quality[scale], strict=True)), source=source)


#: Every network, as a function of the scale, the smallest first.
NETWORKS: Final[tuple[Callable[[int], Network], ...]] = (
    espcn,
    fsrcnn,
    srvgg("SuperUltraCompact", 24, 8),
    srvgg("UltraCompact", 64, 8),
    srvgg("Compact", 64, 16),
    span,
)
