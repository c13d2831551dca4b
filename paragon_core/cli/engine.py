"""``paragon engine``: the cache of TensorRT engines."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paragon_core.cli import arguments as options
from paragon_core.cli import engine_build
from paragon_core.cli.console import Console, answer, answer_json, table
from paragon_core.cli.exit_codes import BAD_INPUT, OK
from paragon_core.errors import InputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from paragon_core.engines import CacheEntry, EngineCache

_NANOSECONDS = 10**9


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "engine",
        help="build TensorRT engines ahead of their use, and look after those that there are",
        description="TensorRT compiles a network for the sizes and GPUs that it will see: an engine. Engines are built "
        "when they are needed, and kept. These commands build them ahead, and look after them.",
    )
    subcommands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    engine_build.add_to(subcommands)
    _add(subcommands, "list", _list, "list the engines, the last used first")
    _add(subcommands, "show", _show, "show everything about engines", takes="required")
    _add(subcommands, "verify", _verify, "read engines in full and report whether they are whole", takes="optional")
    prune = _add(subcommands, "prune", _prune, "remove damaged engines, and the least recently used ones")
    prune.add_argument(
        "--max-size", type=options.byte_count, metavar="SIZE", help="what all may take, such as 500M or 2G [4G]"
    )
    prune.add_argument(
        "--other-versions", action="store_true", help="remove those for versions of TensorRT-RTX that are not installed"
    )
    prune.add_argument("--all", action="store_true", help="remove all that are not in use")
    _add(subcommands, "path", _path, "print the folder of the engines")


def _add(
    subcommands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace, Console], int],
    summary: str,
    *,
    takes: str = "",
) -> argparse.ArgumentParser:
    parser = subcommands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    if takes:
        parser.add_argument(
            "text",
            nargs=None if takes == "required" else "?",
            default="",
            metavar="TEXT",
            help="part of their paths in the list: a model, a size, a GPU",
        )
    engine_build.add_cache(parser)
    options.add_json(parser)
    options.add_debug(parser)
    parser.set_defaults(run=run)
    return parser


def _list(arguments: argparse.Namespace, console: Console) -> int:
    cache = engine_build.cache_of(arguments)
    entries = cache.entries()
    if arguments.json:
        answer_json([_facts(cache, entry) for entry in entries])
    elif not entries:
        console.say(f"there are no engines in {cache.folder}")
    else:
        total = sum(entry.size for entry in entries)
        rows = [
            (_place(cache, entry), f"{entry.size / 1e6:.2f} MB", f"used {_date(entry)}", _trouble(entry))
            for entry in entries
        ]
        answer(table([*rows, (f"{len(entries)} in {cache.folder}", f"{total / 1e6:.2f} MB", "", "")]))
    return OK


def _show(arguments: argparse.Namespace, console: Console) -> int:
    del console
    cache = engine_build.cache_of(arguments)
    found = [_facts(cache, entry) for entry in _matching(cache, arguments.text)]
    if arguments.json:
        answer_json(found)
        return OK
    for number, facts in enumerate(found):
        answer("\n" * bool(number) + table(list(_flat(facts))))
    return OK


def _verify(arguments: argparse.Namespace, console: Console) -> int:
    cache = engine_build.cache_of(arguments)
    entries = _matching(cache, arguments.text) if arguments.text else cache.entries()
    faults = [(entry, cache.verify(entry)) for entry in entries]
    bad = [entry for entry, fault in faults if fault]
    if arguments.json:
        answer_json([{"path": str(entry.files.engine), "fault": fault} for entry, fault in faults])
    elif faults:
        answer(table([(_place(cache, entry), fault or "whole") for entry, fault in faults]))
    if bad:
        console.insist(f"paragon: error: {len(bad)} of {len(faults)} engines cannot be used")
        console.insist("  hint: paragon engine prune removes them; they are built again when they are needed")
    return BAD_INPUT if bad else OK


def _prune(arguments: argparse.Namespace, console: Console) -> int:
    cache = engine_build.cache_of(arguments)
    unwanted = [entry for entry in cache.entries() if arguments.all or cache.verify(entry)]
    if arguments.other_versions:
        from paragon_core.backends.tensorrt_build import installed_version

        version = installed_version()
        unwanted += [
            entry
            for entry in cache.entries()
            if entry.manifest is not None
            and entry.manifest.key.flavour == "tensorrt_rtx"
            and entry.manifest.key.version != version
            and entry not in unwanted
        ]
    removed = [entry for entry in unwanted if cache.remove(entry)]
    removed += cache.prune(max_bytes=arguments.max_size)
    if arguments.json:
        answer_json({"removed": [str(entry.files.engine) for entry in removed]})
    for entry in removed:
        console.say(f"removed {_place(cache, entry)}")
    kept = len([entry for entry in unwanted if entry not in removed])
    freed = sum(entry.size for entry in removed)
    console.say(f"{len(removed)} removed, {freed / 1e6:.2f} MB" + f"; {kept} kept, because in use" * bool(kept))
    return OK


def _path(arguments: argparse.Namespace, console: Console) -> int:
    del console
    folder = engine_build.cache_of(arguments).folder
    if arguments.json:
        answer_json({"path": str(folder), "exists": folder.is_dir()})
    else:
        answer(str(folder))
    return OK


def _matching(cache: EngineCache, text: str) -> Sequence[CacheEntry]:
    found = [entry for entry in cache.entries() if text in _place(cache, entry)]
    if not found:
        msg = f"there is no engine with {text!r} in its path"
        raise InputError(msg, hint="paragon engine list shows what there is")
    return found


def _facts(cache: EngineCache, entry: CacheEntry) -> dict[str, Any]:
    facts: dict[str, Any] = {"engine": _place(cache, entry), "path": str(entry.files.engine)}
    facts |= {"size": entry.size, "last_used": entry.last_used, "usable": entry.manifest is not None}
    if entry.manifest is not None:
        manifest = entry.manifest
        facts |= {"sha256": manifest.sha256, "profile": manifest.profile.as_json()}
        facts |= {"key": manifest.key.as_json(), "made": manifest.made}
    return facts


def _flat(facts: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested facts as rows for people."""
    rows = []
    for name, value in facts.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name} ".replace("_", " "))
        elif value not in (None, "", []):
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows.append((f"{prefix}{name}".replace("_", " "), text))
    return rows


def _place(cache: EngineCache, entry: CacheEntry) -> str:
    """Return an engine's path below the folder of the engines, which is its name for people."""
    return Path(entry.files.folder, entry.files.name).relative_to(cache.folder).as_posix()


def _date(entry: CacheEntry) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.last_used // _NANOSECONDS))
    except (OverflowError, OSError, ValueError):  # a clock was far off
        return "?"


def _trouble(entry: CacheEntry) -> str:
    return "" if entry.manifest is not None else "cannot be used"
