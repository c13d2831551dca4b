"""Score mixtures of stream-4x and stream-4x-sharp by LPIPS and PSNR (`paragon mix`). Needs torch.

    scripts/perceptual-weights FOLDER
    python -m benchmarks.mixtures --data FOLDER --weights FOLDER/lpips.safetensors

How things are scored: `benchmarks.perceptual`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from safetensors.torch import load_file

from benchmarks.perceptual import scores
from paragon_core.models.model import load
from paragon_core.training.mixing import mix
from paragon_core.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESULTS = Path(__file__).parent / "results" / "mixtures.json"

MODELS: Final = ("stream-4x", "stream-4x-sharp")

#: Shares of the second one in the mixtures.
SHARES: Final = (0.25, 0.5, 0.75)


def table(result: Mapping[str, Any]) -> str:
    """Return the result as a table in Markdown."""
    plain, sharp = (f"`{name}`" for name in result["models"])
    lines = [f"| {plain} | {sharp} | LPIPS, Set5 | Set14 | PSNR, Set5 | Set14 |", "|---:|---:|---:|---:|---:|---:|"]
    for row in result["rows"]:
        sets = [row["scores"][name] for name in ("Set5", "Set14")]
        cells = [f"{1 - row['share']:.0%}", f"{row['share']:.0%}"]
        cells += [f"{each['lpips']:.3f}" for each in sets] + [f"{each['psnr_y']:.2f}" for each in sets]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of images, or of such folders")
    parser.add_argument("--weights", type=Path, required=True, help="lpips.safetensors of scripts/perceptual-weights")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the JSON goes")
    options = parser.parse_args(arguments)
    weights = load_file(options.weights)
    first, last = models = [load(name) for name in MODELS]
    mixtures = {share: MappingProxyType(mix(models, (1 - share, share))) for share in SHARES}
    networks = {0.0: first} | {share: replace(first, arrays=arrays) for share, arrays in mixtures.items()} | {1.0: last}
    rows = []
    for share, model in networks.items():
        with Upscaler(model, precision="fp32", padding="zero") as upscale:
            rows.append({"share": share, "scores": scores(options.data, model.spec.scale, weights, upscale)})
    result = {"models": {model.name: model.sha256 for model in models}, "rows": rows}
    print(table(result))
    options.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
