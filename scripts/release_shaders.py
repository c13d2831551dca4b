"""The part of scripts/release behind the environment: writes every shader of the bundled models, and their digests."""

from __future__ import annotations

import hashlib
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import paragon_core as paragon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.shaders.passes import Precision

PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "fp16")

#: In the format of sha256sum.
DIGESTS: Final = "SHA256SUMS"


def main(arguments: Sequence[str]) -> int:
    """Write the files into the folder that is the argument, which is made."""
    if len(arguments) != 1:
        print("usage: scripts/release FOLDER", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    models = [model for model in map(paragon.load, paragon.bundled()) if model.spec.variant == "realtime"]
    digests = []
    for model, luma, precision in itertools.product(models, (False, True), PRECISIONS):
        file = folder / f"paragon-{model.name}{'-luma' if luma else ''}-{precision}.glsl"
        paragon.export_shader(model, file, luma=luma, precision=precision)
        digests.append(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n")
    (folder / DIGESTS).write_bytes("".join(digests).encode())
    print(f"{len(digests)} shaders in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
