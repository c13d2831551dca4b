"""``paragon info``: what a checkpoint holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paragon_core.cli import arguments as options
from paragon_core.cli.console import Console, answer, answer_json, table
from paragon_core.cli.exit_codes import OK
from paragon_core.printable import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from paragon_core.models.model import Model

#: A file may hold notes on anything; `--json` prints them all.
_MOST_NOTES = 50
_LONGEST_NOTE_NAME = 40
_LONGEST_NOTE = 300


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "info", help="show what a checkpoint holds", description="Show which network a checkpoint holds."
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
    shown = facts | {
        "parameters": f"{facts['parameters']:,}",
        "receptive_radius": "the whole image" if radius is None else f"{radius} pixels",
        "attention": f"windows of {model.spec.window_size} pixels" if model.spec.attention else "no",
    }
    del shown["window_size"]
    rows = [(name.replace("_", " "), printable(str(value))) for name, value in shown.items()]
    answer(table([*rows, *_notes(model.metadata)]))
    return OK


def _notes(metadata: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in list(metadata.items())[:_MOST_NOTES]:
        yield f"note: {printable(name, _LONGEST_NOTE_NAME)}", printable(" ".join(value.split()), _LONGEST_NOTE)
    if len(metadata) > _MOST_NOTES:
        yield "more notes", f"{len(metadata) - _MOST_NOTES} (--json prints them all)"


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
