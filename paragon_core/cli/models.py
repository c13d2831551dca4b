"""``paragon models``: the models that come with Paragon, and the published ones that it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paragon_core.cli import arguments as options
from paragon_core.cli.console import Console, answer, answer_json, table
from paragon_core.cli.exit_codes import OK
from paragon_core.cli.info import describe

if TYPE_CHECKING:
    import argparse


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "models",
        help="list the models that come with Paragon",
        description="List the models that come with Paragon, and the published checkpoints whose settings it knows.",
    )
    options.add_json(parser)
    options.add_debug(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Carry the command out."""
    from paragon_core.model import OFFICIAL_RELEASES, bundled, load  # noqa: PLC0415 - --help has no time for numpy

    del console
    boxed = [describe(load(name)) | {"name": name} for name in bundled()]
    if arguments.json:
        known = [{"name": release.name, "sha256": release.sha256} for release in OFFICIAL_RELEASES]
        answer_json({"boxed": boxed, "known": known})
        return OK
    answer("Boxed, for --model NAME:")
    rows = [
        (
            f"  {facts['name']}",
            f"{facts['scale']}x",
            f"{facts['variant']} {facts['revision']}",
            f"{facts['parameters']:,} parameters",
        )
        for facts in boxed
    ]
    answer(table(rows))
    answer("\nPublished by their authors; known when given with --model FILE:")
    for release in OFFICIAL_RELEASES:
        answer(f"  {release.name}")
    return OK
