"""``paragon models``: which models there are, and where to get more."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from paragon_core.cli import arguments as options
from paragon_core.cli import pull
from paragon_core.cli.console import Console, answer, answer_json, one_line, table
from paragon_core.cli.exit_codes import OK
from paragon_core.cli.info import describe

if TYPE_CHECKING:
    import argparse

    from paragon_core.models.catalogue import Catalogue, CatalogueEntry


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "models",
        help="list models, download official ones",
        description="List the bundled models, those in your folders, and the official ones to download. Your "
        "folders are those in the environment variable PARAGON_MODELS, and one that paragon doctor shows.",
    )
    parser.add_argument(
        "--folder", action="append", default=[], metavar="FOLDER", help="look here, too; can be given several times"
    )
    options.add_json(parser)
    options.add_debug(parser)
    parser.set_defaults(run=run)
    pull.add_to(parser.add_subparsers(title="commands", metavar="COMMAND"))


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Carry the command out."""
    from paragon_core.models.catalogue import catalogue
    from paragon_core.models.purposes import PURPOSES

    del console
    models = catalogue(arguments.folder)
    facts = {
        "purposes": [asdict(purpose) for purpose in PURPOSES],
        # An old word, which scripts of users read.
        "boxed": [_facts(entry) for entry in models.bundled],
        "found": [_facts(entry) for entry in models.found],
        "unusable": [{"path": str(other.path), "reason": other.reason} for other in models.unusable],
        "folders": [{"path": str(folder), "exists": folder.is_dir()} for folder in models.folders],
        "official": _official(models),
    }
    if arguments.json:
        answer_json(facts)
    else:
        _answer(facts)
    return OK


def _facts(entry: CatalogueEntry) -> dict[str, Any]:
    from paragon_core.models.catalogue import scores

    path = str(entry.path) if entry.path else None
    return describe(entry.model) | {"use": entry.use, "path": path, "scores": scores(entry.model)}


def _official(models: Catalogue) -> list[dict[str, Any]]:
    from paragon_core.models.releases import OFFICIAL_RELEASES

    present = {entry.model.sha256: entry.use for entry in reversed(models.found)}
    return [
        {
            "name": release.name,
            "sha256": release.sha256,
            "bytes": release.size,
            "upsampler_alpha": release.upsampler_alpha,
            "scores": {"Set5": release.set5, "Set14": release.set14},
            "present": release.sha256 in present,
            "use": present.get(release.sha256),
        }
        for release in OFFICIAL_RELEASES
    ]


def _answer(facts: dict[str, Any]) -> None:
    answer("What to choose:")
    answer(table([(f"  {each['source']}", each["model"], each["why"]) for each in facts["purposes"]]))
    answer("\nBundled, for --model NAME:")
    answer(table([_row(model) for model in facts["boxed"]]))
    answer("\nIn your folders, for --model NAME or FILE:")
    for folder in facts["folders"]:
        answer(f"  ({one_line(folder['path'])}{'' if folder['exists'] else ', which is missing'})")
    if facts["found"]:
        answer(table([_row(model) for model in facts["found"]]))
    for other in facts["unusable"]:
        answer(f"  {one_line(other['path'])}: not usable: {one_line(other['reason'])}")
    answer("\nPublished by the network's author; to get one: paragon models pull NAME")
    rows = [
        (
            f"  {release['name']}",
            f"{release['bytes'] / 1e6:.2f} MB",
            f"alpha {release['upsampler_alpha']:g}",
            _scores(release["scores"]),
            "present" if release["present"] else "",
            f"sha256 {release['sha256'][:16]}...",
        )
        for release in facts["official"]
    ]
    answer(table(rows))
    answer("\nScores are PSNR of luma in dB.")


def _row(facts: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"  {facts['use']}",
        f"{facts['scale']}x",
        f"{facts['variant']} {facts['revision']}",
        f"{facts['parameters']:,} parameters",
        f"alpha {facts['upsampler_alpha']:g}"
        + " (assumed)" * facts["settings_from"].startswith("upsampler_alpha: assumed"),
        _scores(facts["scores"]),
    )


def _scores(scores: dict[str, float]) -> str:
    return ", ".join(f"{name} {psnr_y:.2f}" for name, psnr_y in scores.items())
