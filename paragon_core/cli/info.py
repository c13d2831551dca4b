"""``paragon info``: what a checkpoint holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paragon_core.cli import arguments as options
from paragon_core.cli.console import Console, answer, answer_json, table
from paragon_core.cli.exit_codes import OK

if TYPE_CHECKING:
    import argparse

    from paragon_core.model import Model


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "info", help="tell what a checkpoint holds", description="Tell which network a checkpoint holds."
    )
    parser.add_argument(
        "file", metavar="FILE", help="a checkpoint (.safetensors, .pth) or a model (see: paragon models)"
    )
    options.add_model_settings(parser)
    options.add_json(parser)
    options.add_debug(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Carry the command out."""
    del console
    model = options.load_model(arguments.file, arguments)
    facts = describe(model)
    if arguments.json:
        answer_json(facts | {"metadata": dict(model.metadata)})
        return OK
    radius = facts["receptive_radius"]
    told = facts | {
        "parameters": f"{facts['parameters']:,}",
        "receptive_radius": "the whole picture" if radius is None else f"{radius} pixels",
        "attention": f"windows of {model.spec.window_size} pixels" if model.spec.attention else "no",
    }
    del told["window_size"]
    rows = [(name.replace("_", " "), str(value)) for name, value in told.items()]
    rows += [(f"note: {name}", " ".join(value.split())) for name, value in model.metadata.items()]
    answer(table(rows))
    return OK


def describe(model: Model) -> dict[str, Any]:
    """Return the facts about a model as JSON knows them."""
    spec = model.spec
    return {
        "name": model.name,
        "variant": spec.variant,
        "revision": spec.revision,
        "scale": spec.scale,
        "channels": spec.channels,
        "groups": spec.groups,
        "blocks": spec.blocks,
        "attention": spec.attention,
        "window_size": spec.window_size if spec.attention else None,
        "upsampler_alpha": spec.upsampler_alpha,
        "settings_from": model.settings_from,
        "receptive_radius": spec.receptive_radius,
        "parameters": sum(array.size for key, array in model.arrays.items() if not key.endswith(".kernel")),
        "sha256": model.sha256,
    }
