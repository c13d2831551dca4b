from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from paragon_core.quality.blur import blurred

torch = pytest.importorskip("torch")

from benchmarks.perceptual import lpips

if TYPE_CHECKING:
    from torch import Tensor, nn

WIDTHS = ((3, 64, 11), (64, 192, 5), (192, 384, 3), (384, 256, 3), (256, 256, 3))


def fresh() -> tuple[nn.Sequential, dict[str, Tensor]]:
    """Return an AlexNet that has seen nothing yet, and its weights with those of its layers."""
    torch.manual_seed(0)
    conv, relu, pool = torch.nn.Conv2d, torch.nn.ReLU, torch.nn.MaxPool2d
    first = conv(3, 64, 11, 4, 2)
    second, third, fourth, fifth = (conv(*width, padding=width[2] // 2) for width in WIDTHS[1:])
    layers = [first, relu(), pool(3, 2), second, relu(), pool(3, 2), third, relu(), fourth, relu(), fifth, relu()]
    features = torch.nn.Sequential(*layers)
    weights = {f"features.{key}": tensor for key, tensor in features.state_dict().items()}
    return features, weights | {f"weights.{number}": torch.rand(width) for number, (_, width, _) in enumerate(WIDTHS)}


def test_it_is_the_weighted_distance_of_responses_of_length_1() -> None:
    features, weights = fresh()
    generator = np.random.default_rng(0)
    one, other = generator.integers(0, 256, (2, 70, 65, 3), dtype=np.uint8)
    shift, scale = torch.tensor([[-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]]).view(2, 1, 3, 1, 1)
    x = torch.from_numpy(np.stack([one, other])).permute(0, 3, 1, 2) / 127.5 - 1
    x = ((x - shift) / scale).float()
    expected, number = 0.0, 0
    with torch.no_grad():
        for layer in features:
            x = layer(x)
            if isinstance(layer, torch.nn.ReLU):
                length_1 = torch.nn.functional.normalize(x, dim=1)
                distance = (length_1[0] - length_1[1]) ** 2
                expected += float((distance * weights[f"weights.{number}"][:, None, None]).sum(0).mean())
                number += 1
    assert lpips(one, other, weights) == pytest.approx(expected, rel=1e-4)


def test_it_grows_with_blur_from_0() -> None:
    _, weights = fresh()
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    found = [lpips(blurred(image, sigma), image, weights) for sigma in (0, 0.4, 0.8, 1.6)]
    assert found[0] == 0
    assert found == sorted(found)
    assert found[-1] > 0
