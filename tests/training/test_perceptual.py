from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import save_file

from paragon_core.errors import CheckpointError, InputError, UnreadableCheckpointError, UnsupportedArchitectureError

torch = pytest.importorskip("torch")

from paragon_core.training.perceptual import LAYERS, PerceptualLoss, read_perceptual_loss

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from torch import Tensor

    from paragon_core.training.perceptual import Depth

SHALLOW = {"conv1_2": 0.5, "conv2_1": 2.0}


def weights(layers: dict[str, float], depth: Depth = 19) -> dict[str, npt.NDArray[np.float32]]:
    """Random weights that leave the responses about as large as the image."""
    generator = np.random.default_rng(0)
    arrays = {}
    for key, tensor in PerceptualLoss(layers, depth=depth).state_dict().items():
        deviation = (2 / tensor[0].numel()) ** 0.5 if tensor.dim() > 1 else 0.1
        arrays[key] = generator.normal(0, deviation, tensor.shape).astype(np.float32)
    return arrays


def test_layers_have_torchvisions_numbers() -> None:
    assert {depth: len(layers) + 3 for depth, layers in LAYERS.items()} == {16: 16, 19: 19}  # three are classifiers
    assert [LAYERS[19][f"conv{stage}_1"] for stage in range(1, 6)] == [0, 5, 10, 19, 28]
    assert LAYERS[19]["conv5_4"] == 34
    assert [LAYERS[16][f"conv{stage}_1"] for stage in range(1, 6)] == [0, 5, 10, 17, 24]
    assert LAYERS[16]["conv5_3"] == 28


def test_the_distance_is_that_of_the_responses_before_the_activations() -> None:
    arrays = weights(SHALLOW)
    loss = PerceptualLoss.from_arrays(arrays, SHALLOW)
    one, other = torch.rand(2, 2, 3, 12, 10)

    def responses(images: Tensor) -> dict[str, Tensor]:
        mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 3, 1, 1)
        x = (images - mean) / deviation
        found = {}
        for name, index in (("conv1_1", 0), ("conv1_2", 2), ("conv2_1", 5)):
            kernel, bias = (torch.from_numpy(arrays[f"features.{index}.{kind}"]) for kind in ("weight", "bias"))
            x = torch.nn.functional.conv2d(x, kernel, bias, padding=1)
            found[name] = x
            x = x.relu()
            if name == "conv1_2":
                x = torch.nn.functional.max_pool2d(x, 2)
        return found

    expected = sum(
        weight * (responses(one)[name] - responses(other)[name]).abs().mean() for name, weight in SHALLOW.items()
    )
    assert float(loss(one, other)) == pytest.approx(float(expected), rel=1e-5)
    assert float(loss(one, one)) == 0


def distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).detach().abs().mean())


def test_it_pulls_a_image_towards_the_wanted_one_and_learns_nothing() -> None:
    loss = PerceptualLoss.from_arrays(weights({"conv1_2": 1.0}), {"conv1_2": 1.0})
    wanted = torch.rand(1, 3, 8, 8)
    image = torch.rand(1, 3, 8, 8, requires_grad=True)
    optimiser = torch.optim.Adam([image], lr=0.05)
    before = distance(image, wanted)
    for _ in range(100):
        optimiser.zero_grad()
        loss(image, wanted).backward()
        optimiser.step()
    assert distance(image, wanted) < before / 3
    assert not any(parameter.requires_grad for parameter in loss.parameters())


def test_a_file_may_hold_more_than_the_layers_need(tmp_path: Path) -> None:
    deeper = weights({"conv3_1": 1.0}) | {"classifier.0.bias": np.zeros(3, np.float32)}
    save_file(deeper, tmp_path / "vgg19.safetensors")
    torch.save({key: torch.from_numpy(array) for key, array in deeper.items()}, tmp_path / "vgg19.pth")
    one, other = torch.rand(2, 1, 3, 8, 8)
    losses = [read_perceptual_loss(tmp_path / name, SHALLOW) for name in ("vgg19.safetensors", "vgg19.pth")]
    assert losses[0].smallest_side == 2
    assert float(losses[0](one, other)) == float(losses[1](one, other)) > 0


@pytest.mark.parametrize(("depth", "layer"), [(16, "conv4_2"), (19, "conv4_4")])
def test_the_file_tells_which_network_it_is(depth: Depth, layer: str) -> None:
    loss = PerceptualLoss.from_arrays(weights({layer: 1.0}, depth), {layer: 1.0})
    assert len(loss.features) == LAYERS[depth][layer] + 1


def test_a_layer_of_the_other_network_is_refused() -> None:
    with pytest.raises(InputError, match="VGG16 has no layer 'conv4_4'"):
        PerceptualLoss.from_arrays(weights({"conv4_2": 1.0}, 16), {"conv4_4": 1.0})


def test_a_missing_file_is_answered_with_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UnreadableCheckpointError) as caught:
        read_perceptual_loss(tmp_path / "none.pth", SHALLOW)
    assert "vgg19.safetensors" in caught.value.hint


def test_another_network_is_refused() -> None:
    arrays = weights(SHALLOW)
    with pytest.raises(UnsupportedArchitectureError, match="VGG19") as caught:
        PerceptualLoss.from_arrays({key: arrays[key] for key in arrays if "features.5" not in key}, SHALLOW)
    assert caught.value.missing == ("features.5.weight", "features.5.bias")
    for array in (np.zeros(3, np.float32), np.full(64, np.inf, np.float32)):
        with pytest.raises(CheckpointError, match=r"features\.2\.bias"):
            PerceptualLoss.from_arrays(arrays | {"features.2.bias": array}, SHALLOW)


@pytest.mark.parametrize("layers", [{}, {"conv1_2": 0.0}, {"conv6_1": 1.0}, {"conv1_2": -1.0}])
def test_impossible_layers_are_refused(layers: dict[str, float]) -> None:
    with pytest.raises(InputError):
        PerceptualLoss(layers)
