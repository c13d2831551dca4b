"""``paragon mix``: write a mixture of networks."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from paragon_core.cli import arguments as options
from paragon_core.cli.exit_codes import OK
from paragon_core.errors import BackendUnavailableError, InputError

if TYPE_CHECKING:
    import argparse

    from paragon_core.cli.console import Console


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "mix",
        help="write what is between a network and one that was trained on from it",
        description="Write a checkpoint that is between a network and others that were trained on from it: the mean "
        "of their weights. Needs torch.",
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="checkpoints (.safetensors, .pth) or models (see: paragon models)"
    )
    parser.add_argument(
        "--shares",
        type=options.shares,
        metavar="1,3",
        help="how much each of them counts, in any unit: 1,3 is a quarter and three quarters [all the same]",
    )
    parser.add_argument("-o", "--output", required=True, metavar="X.safetensors", help="the file to write")
    options.add_model_settings(parser)
    options.add_debug(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Carry the command out."""
    output = Path(arguments.output)
    if output.suffix.lower() != ".safetensors":
        msg = f"{output} does not end in .safetensors"
        raise InputError(msg, hint="no other checkpoints are written: give a name such as mixture.safetensors")
    if output.exists():
        msg = f"{output} is already there"
        raise InputError(msg, hint="give another name, or remove it first")
    if find_spec("torch") is None:
        raise BackendUnavailableError("mixing needs torch", hint="pip install torch")

    from paragon_core.training.mixing import likeness, mix
    from paragon_core.training.saving import description, save_arrays

    models = [options.load_model(file, arguments) for file in arguments.files]
    shares = arguments.shares or (1.0,) * len(models)
    arrays = mix(models, shares)
    parts = [
        {"name": model.name, "sha256": model.sha256, "share": share / sum(shares)}
        for model, share in zip(models, shares, strict=True)
    ]
    save_arrays(output, arrays, {**description(models[0].spec), "mixture": json.dumps(parts)})
    named = " + ".join(f"{part['share']:.0%} {part['name']}" for part in parts)
    console.say(f"{named} -> {output} (their weights are alike by {likeness(models):.2f}, of 1)")
    return OK
