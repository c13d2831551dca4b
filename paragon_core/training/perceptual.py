"""How different two images look to VGG19 or VGG16.

A network trained to recognise objects (K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale
image recognition", 2015) responds to edges and textures rather than to single pixels, so the distance of its responses
rewards plausible texture where a distance of pixels rewards blur (J. Johnson et al., "Perceptual losses for real-time
style transfer and super-resolution", 2016). The responses are taken in front of the activations (X. Wang et al.,
"ESRGAN", 2018).

The weights (80 MB, or 60 of the 16, trained on ImageNet) do not come with Paragon. Packages that measure such distances
fetch them themselves at the first call; thirteen to sixteen convolutions need no package. The two differ in the number
of convolutions before the last three halvings, and the file tells which it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from paragon_core.errors import InputError, UnreadableCheckpointError, UnsupportedArchitectureError, WeightError
from paragon_core.models.checkpoint import read_checkpoint
from paragon_core.network.blocks import IMAGE_CHANNELS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

#: Which network: by how many of its layers have weights.
Depth = Literal[16, 19]

#: Channels and number of the 3x3 convolutions between two halvings.
_STAGES: Final[dict[Depth, tuple[tuple[int, int], ...]]] = {
    16: ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)),
    19: ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)),
}

#: Mean and deviation of red, green and blue in ImageNet, for pixels in 0..1.
_MEAN: Final = (0.485, 0.456, 0.406)
_DEVIATION: Final = (0.229, 0.224, 0.225)

#: Where torchvision's ``features`` has each convolution.
LAYERS: Final[dict[Depth, dict[str, int]]] = {
    depth: {
        f"conv{stage}_{number}": sum(2 * count + 1 for _, count in stages[: stage - 1]) + 2 * (number - 1)
        for stage, (_, count) in enumerate(stages, start=1)
        for number in range(1, count + 1)
    }
    for depth, stages in _STAGES.items()
}

#: What to do when the weights cannot be had.
HOW_TO_GET: Final = (
    "make the file once with torchvision (pip install torchvision), which downloads 550 MB: python -c "
    '"import torchvision, safetensors.torch; safetensors.torch.save_file('
    "torchvision.models.vgg19(weights='IMAGENET1K_V1').features.state_dict(prefix='features.'), "
    "'vgg19.safetensors')\""
)


class PerceptualLoss(nn.Module):
    """The distance of two images in the responses of VGG19 or VGG16; nothing in it is trained."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, layer_weights: Mapping[str, float], *, depth: Depth = 19) -> None:
        """Build the network up to the deepest of the layers, with fresh weights.

        Args:
            layer_weights: names from `LAYERS` and how much each counts; layers of weight 0 are left out.
            depth: which network.

        Raises:
            InputError: if there is no such layer, a weight is negative, or all are 0.

        """
        super().__init__()
        layers = LAYERS[depth]
        for name, weight in layer_weights.items():
            if name not in layers or not 0 <= weight < float("inf"):
                msg = f"VGG{depth} has no layer {name!r} to count {weight:g} times"
                raise InputError(msg, hint=f"layers: {', '.join(layers)}; weights are finite and not negative")
        self._weights = {layers[name]: weight for name, weight in layer_weights.items() if weight}
        if not self._weights:
            msg = "the perceptual loss needs a layer that counts"
            raise InputError(msg, hint="name layers and weights, or set perceptual_weight to 0")
        self.features = nn.Sequential(*_layers(depth)[: max(self._weights) + 1])
        self.register_buffer("mean", torch.tensor(_MEAN).view(-1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(-1, 1, 1), persistent=False)
        self.requires_grad_(requires_grad=False)

    @property
    def smallest_side(self) -> int:
        """Pixels that an image needs on both sides, so that one is left at the bottom."""
        return int(2 ** sum(isinstance(layer, nn.MaxPool2d) for layer in self.features))

    def forward(self, images: Tensor, wanted: Tensor) -> Tensor:
        """Return the weighted sum over the layers of the mean absolute difference; no gradient flows to ``wanted``.

        Args:
            images: [B, 3, H, W], RGB in 0..1 (values a little outside do no harm).
            wanted: same shape.

        """
        with torch.no_grad():
            targets = self._responses(wanted)
        distances = [
            weight * functional.l1_loss(response.float(), target.float())
            for response, target, weight in zip(self._responses(images), targets, self._weights_in_order(), strict=True)
        ]
        return torch.stack(distances).sum()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.floating]], layer_weights: Mapping[str, float]) -> Self:
        """Build it with the weights of a VGG19 or VGG16 under torchvision's keys; deeper layers may be there or not.

        Raises:
            UnsupportedArchitectureError: when a layer is missing.
            WeightError: when an array has the wrong shape or values that are not finite.
            InputError: see the constructor.

        """
        # VGG19 has its ninth convolution in one more place.
        network = cls(layer_weights, depth=16 if "features.17.weight" in arrays else 19)
        state = network.state_dict()
        missing = tuple(key for key in state if key not in arrays)
        if missing:
            msg = f"the weights are not those of torchvision's VGG19 or VGG16: {len(missing)} tensors missing"
            raise UnsupportedArchitectureError(msg, hint=HOW_TO_GET, missing=missing)
        for key, tensor in state.items():
            if arrays[key].shape != tensor.shape or not np.isfinite(arrays[key]).all():
                msg = f"{key} does not hold {'x'.join(map(str, tensor.shape))} finite values"
                raise WeightError(msg, hint=HOW_TO_GET)
        network.load_state_dict({key: torch.from_numpy(np.array(arrays[key], np.float32)) for key in state})
        return network

    def _responses(self, images: Tensor) -> list[Tensor]:
        """Return the outputs of the chosen convolutions, from the first to the deepest."""
        x, responses = (images - self.mean) / self.deviation, []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self._weights:
                responses.append(x)
        return responses

    def _weights_in_order(self) -> list[float]:
        return [self._weights[index] for index in sorted(self._weights)]


def read_perceptual_loss(path: Path, layer_weights: Mapping[str, float]) -> PerceptualLoss:
    """Read the weights of VGG19 or VGG16 from a ``.safetensors`` or ``.pth`` file.

    Raises:
        CheckpointError: if the file cannot be read or holds another network.
        InputError: see `PerceptualLoss`.

    """
    try:
        arrays = read_checkpoint(path).arrays
    except UnreadableCheckpointError as error:  # torchvision's own file, too: it is older than the format of today
        raise UnreadableCheckpointError(str(error), hint=HOW_TO_GET) from error
    return PerceptualLoss.from_arrays(arrays, layer_weights)


def _layers(depth: Depth) -> list[nn.Module]:
    """Return torchvision's ``features``."""
    layers: list[nn.Module] = []
    channels = IMAGE_CHANNELS
    for width, count in _STAGES[depth]:
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return layers
