"""``paragon verify``: whether the runtimes compute a model right, how fast, and what "auto" makes of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paragon_core import __version__
from paragon_core.cli import arguments as options
from paragon_core.cli.console import Console, answer, answer_json, one_line, table
from paragon_core.cli.exit_codes import CHECK_FAILED, OK

if TYPE_CHECKING:
    import argparse

    from paragon_core.benchmark.verify import Finding, Verification
    from paragon_core.models.model import Model

_LARGEST_SIDE = 512
_LEVELS = 255


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "verify",
        help="report whether the runtimes compute a model right, and which precision is trusted",
        description="Let every runtime that works here upscale an image in every precision, and compare with the "
        "network as it was published, in fp32: error, speed, and which precision --precision auto takes, and why. "
        "Exit code 1 if a runtime fails, or is wrong in fp32 or in what auto takes.",
    )
    parser.add_argument("model", metavar="MODEL", help="a model (see: paragon models) or a checkpoint")
    parser.add_argument(
        "--input",
        metavar="IMAGE",
        help=f"the image; of a large one the middle, {_LARGEST_SIDE} pixels square [generated, like a photograph]",
    )
    options.add_backends(parser)
    parser.add_argument("--rounds", type=options.count, default=5, metavar="N", help="runs to be timed [5]")
    options.add_model_settings(parser)
    options.add_json(parser)
    options.add_debug(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Carry the command out."""
    from paragon_core.benchmark.images import as_batch, middle, read_rgb
    from paragon_core.benchmark.verify import verify
    from paragon_core.upscaling.trial_images import natural_image

    model = options.load_model(arguments.model, arguments)
    backends = options.chosen_backends(arguments)
    path = Path(arguments.input) if arguments.input else None
    image = as_batch(middle(read_rgb(path), _LARGEST_SIDE)) if path else natural_image()
    found = verify(model, backends, image, rounds=arguments.rounds)
    if arguments.json:
        answer_json(_facts(model, found, path))
    else:
        _answer(model, found, path)
    if found.ok:
        return OK
    for finding in found.findings:
        if finding.status in {"wrong", "fails"}:
            console.insist(f"paragon: error: {finding.backend} {finding.precision}: {finding.why}")
    console.insist("  hint: use another backend, and please report this with what paragon doctor prints")
    return CHECK_FAILED


def _facts(model: Model, found: Verification, path: Path | None) -> dict[str, Any]:
    """Return everything as JSON knows it, which has neither infinity nor "not a number"."""
    from paragon_core.upscaling.precision import BYTE_BITS, min_psnr

    return {
        "paragon": __version__,
        "model": {"name": model.name, "sha256": model.sha256},
        "picture": {"path": str(path) if path else None, "width": found.size[0], "height": found.size[1]},
        "reference": found.reference,
        "allowed": {"max_error": 1 / _LEVELS, "psnr": min_psnr(BYTE_BITS)},
        "clock": found.clock,
        "rounds": found.rounds,
        "ok": found.ok,
        "results": [
            {
                "backend": finding.backend,
                "precision": finding.precision,
                "status": finding.status,
                "used_by_auto": finding.used,
                "why": finding.why,
                "max_error": _finite(finding.closeness.max_error) if finding.closeness else None,
                "psnr": _finite(finding.closeness.psnr) if finding.closeness else None,
                "seconds": finding.seconds,
                "speed": finding.speed,
            }
            for finding in found.findings
        ],
        "missing": [{"backend": info.name, "reason": info.reason, "hint": info.hint} for info in found.missing],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _answer(model: Model, found: Verification, path: Path | None) -> None:
    from paragon_core.upscaling.precision import BYTE_BITS, min_psnr

    width, height = found.size
    clock = "CPU time" if found.clock == "cpu" else "time"
    image = one_line(f"{model.name}, {path or 'a generated image'}")
    answer(f"{image} ({width}x{height}), compared with {found.reference}.")
    answer(f"Allowed: 1 level of 8 bits at most, and {min_psnr(BYTE_BITS):.1f} dB at least.")
    answer(f"Time: median {clock} of {found.rounds} runs on one thread, in turns; speed: as a share of the fastest.\n")
    heading = ("runtime", "precision", "", "largest error", "PSNR", "time", "speed", "auto")
    answer(table([heading, *(_row(finding) for finding in found.findings)]))
    answer("\nWhat --precision auto takes for images of 8 bits (others are computed in fp32):")
    for finding in found.findings:
        if finding.used:
            answer(f"  {finding.backend}: {finding.precision}; {finding.why}")
    left = [each for each in found.findings if not each.used and each.closeness and each.precision != "fp32"]
    if left:
        answer("\nWhat it leaves:")
    for finding in left:
        answer(f"  {finding.backend}: {finding.why}")
    absent = [finding for finding in found.findings if finding.status == "not here"]
    if absent or found.missing:
        answer("\nNot here:")
    for finding in absent:
        answer(f"  {finding.backend} {finding.precision}: {finding.why}")
    for info in found.missing:
        answer(f"  {info.name}: {info.reason}")


def _row(finding: Finding) -> tuple[str, ...]:
    cells = ["", "", "", ""]
    if finding.closeness:
        cells[:2] = [f"{_LEVELS * finding.closeness.max_error:.2g} levels", f"{finding.closeness.psnr:.1f} dB"]
    if finding.seconds is not None and finding.speed is not None:
        cells[2:] = [f"{1e3 * finding.seconds:.1f} ms", f"{finding.speed:.0%}"]
    return (finding.backend, finding.precision, finding.status, *cells, "yes" if finding.used else "")
