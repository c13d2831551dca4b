"""``paragon models pull``: download an official model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from paragon_core.cli import arguments as options
from paragon_core.cli.exit_codes import OK
from paragon_core.cli.progress import CountProgress
from paragon_core.errors import InputError

if TYPE_CHECKING:
    import argparse

    from paragon_core.cli.console import Console
    from paragon_core.models.releases import OfficialRelease

#: Environment variable with the address to download from.
VARIABLE: Final = "PARAGON_DOWNLOAD_URL"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "pull",
        help="download an official model",
        description="Download an official model (see: paragon models). It is checked by its sha256; an interrupted "
        "download goes on where it stopped. Proxies are taken from HTTPS_PROXY, HTTP_PROXY and NO_PROXY.",
    )
    parser.add_argument("name", metavar="NAME", help="the model's name")
    parser.add_argument(
        "--from",
        dest="source",
        metavar="URL",
        help="address of a folder that holds NAME.safetensors, or of the file itself. "
        f"Default: the environment variable {VARIABLE}",
    )
    parser.add_argument("--to", metavar="FOLDER", help="where to. Default: the first of your model folders")
    parser.add_argument(
        "--insecure-http", action="store_true", help="allow http to other machines; the sha256 is checked anyway"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print only errors and warnings")
    options.add_debug(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Run the command."""
    from paragon_core.models.download import download
    from paragon_core.models.folders import find, model_folders
    from paragon_core.models.releases import release_named

    release = release_named(arguments.name)
    target = (Path(arguments.to).absolute() if arguments.to else model_folders()[0]) / release.file
    progress = CountProgress(console, release.size, text="{:.2f}/{:.2f} MB", speed="{:.2f} MB/s", unit=1e6)
    try:
        fetched = download(
            _address(release, arguments.source),
            target,
            size=release.size,
            sha256=release.sha256,
            insecure=arguments.insecure_http,
            report=progress.report,
            waiting=lambda: console.say("another download into this folder is under way; waiting for it"),
        )
    except KeyboardInterrupt:
        console.insist("paragon: what has arrived is kept; the same command goes on from there")
        raise
    finally:
        console.erase()
    console.say(f"{release.name} -> {target}" if fetched else f"{target} is there already")
    console.say(f"use it with: --model {release.name if find(release.name) == target else target}")
    return OK


def _address(release: OfficialRelease, source: str | None) -> str:
    """Return the address of a release's file."""
    from urllib.parse import quote, urlsplit

    base = source or os.environ.get(VARIABLE, "")
    if not base:
        msg = "it is not known where to download from: Paragon has no server of its own"
        hint = f"give --from URL or set {VARIABLE}: the address of a folder on a server that holds {release.file}"
        raise InputError(msg, hint=hint)
    try:
        parts = urlsplit(base)
    except ValueError as error:
        msg = f"{base!r} is not an address: {error}"
        raise InputError(msg, hint="give one that begins with https://") from error
    if parts.path.endswith(Path(release.file).suffix):
        return base
    return parts._replace(path=f"{parts.path.rstrip('/')}/{quote(release.file)}").geturl()
