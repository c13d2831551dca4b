"""``paragon doctor``: what works on this machine, and what helps where it does not."""

from __future__ import annotations

import os
import platform
import sys
import time
from typing import TYPE_CHECKING, Any

from paragon_core import __version__
from paragon_core.cli import arguments as options
from paragon_core.cli.console import Console, answer, answer_json, one_line, table
from paragon_core.cli.exit_codes import NO_BACKEND, OK
from paragon_core.errors import ParagonError
from paragon_core.models import DEFAULT_MODEL

if TYPE_CHECKING:
    import argparse

    from paragon_core.backends import BackendInfo
    from paragon_core.media.formats import ImageFormat

_PACKAGES = (
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxruntime-ep-webgpu",
    "openvino",
    "pillow",
    "safetensors",
    "tensorrt-rtx-cu13",
    "torch",
)


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "doctor",
        help="report what works on this machine",
        description="Report what works on this machine: each runtime upscales a small image. Exit code 3 if none can.",
    )
    options.add_json(parser)
    options.add_debug(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Carry the command out."""
    del console
    findings = examine()
    if arguments.json:
        answer_json(findings)
    else:
        _answer(findings)
    return OK if any(backend["works"] for backend in findings["backends"]) else NO_BACKEND


def examine() -> dict[str, Any]:
    """Find out what works here, as JSON knows it."""
    from PIL import features

    from paragon_core.backends import BACKENDS, available_backends
    from paragon_core.cli import doctor_vapoursynth
    from paragon_core.media.formats import FORMATS
    from paragon_core.models.folders import model_folders
    from paragon_core.models.model import bundled

    needed = {"jpeg": "jpg", "webp": "webp", "avif": "avif", "png": "zlib", "tiff": "libtiff"}

    def reads(name: str, row: ImageFormat) -> bool:
        package = (row.requirement or "").removesuffix("-plugin").replace("-", "_")
        return _is_there(package) if package else name not in needed or bool(features.check(needed[name]))

    return {
        "paragon": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "backends": [_try(info) for info in available_backends()],
        "devices": [
            {"device": device} | _try(info, device)
            for info in available_backends()
            for device in BACKENDS[info.name].named_devices
            if info.available
        ],
        "formats": {name: reads(name, row) for name, row in FORMATS.items()},
        "encoders": _encoders(),
        "models": list(bundled()),
        "folders": [{"path": str(folder), "exists": folder.is_dir()} for folder in model_folders()],
        "vapoursynth": doctor_vapoursynth.examine(),
    }


def _encoders() -> list[dict[str, str]]:
    """Return every video encoder, and why it does not work here; empty without PyAV."""
    from paragon_core.errors import BackendUnavailableError
    from paragon_core.media.video.encoders import encoders_here

    try:
        return encoders_here()
    except BackendUnavailableError:
        return []


def _answer_encoders(found: list[dict[str, str]]) -> None:
    """Print which video encoders open, and, for each kind of hardware, why the others do not."""
    if not found:
        answer("video encoders: none, because PyAV is not installed (hint: pip install av)")
        return
    answer(f"video encoders: {', '.join(one_line(each['name']) for each in found if not each['reason'])}")
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in found:
        if each["reason"]:
            missing = "comes without" in each["reason"]
            reason = "not in this PyAV" if missing else one_line(each["reason"])
            reasons.setdefault((each["kind"], reason), []).append(each["codec"])
    for (kind, reason), codecs in reasons.items():
        answer(f"  {kind} does not open for {', '.join(codecs)}: {reason}")


def _is_there(package: str) -> bool:
    from importlib import util

    return util.find_spec(package) is not None


def _version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _try(info: BackendInfo, device: str = "auto") -> dict[str, Any]:
    """Upscale a small image with a backend on a device: being importable is not yet working."""
    import numpy as np

    from paragon_core.upscaling.upscaler import Upscaler

    found = {
        "name": info.name,
        "works": info.available,
        "version": info.version,
        "accelerator": info.accelerator,
        "reason": info.reason,
        "hint": info.hint,
    }
    if not info.available:
        return found
    try:
        start = time.perf_counter()
        with Upscaler(DEFAULT_MODEL, backend=info.name, device=device) as upscaler:
            grey = upscaler(np.full((48, 64, 3), 128, np.uint8))
            found |= {"precision": upscaler.precision_of("uint8"), "seconds": round(time.perf_counter() - start, 2)}
    except ParagonError as error:
        return found | {"works": False, "reason": str(error), "hint": error.hint}
    # A flat image stays flat wherever the network's own border does not reach.
    if abs(int(grey[48, 64, 0]) - 128) > 8:  # noqa: PLR2004 - levels of 8 bits
        hint = "use another backend, and please report it with this output"
        return found | {"works": False, "reason": "it computes wrong pixels", "hint": hint}
    return found


def _answer_failure(title: str, found: dict[str, Any]) -> None:
    answer(f"  {title}: does not work: {one_line(found['reason'])}")
    if found["hint"]:
        answer(f"    hint: {one_line(found['hint'])}")


def _answer(findings: dict[str, Any]) -> None:
    from paragon_core.cli import doctor_vapoursynth
    from paragon_core.media.formats import FORMATS

    answer(
        table(
            [
                ("paragon", findings["paragon"]),
                ("python", f"{findings['python']} ({findings['executable']})"),
                ("system", findings["system"]),
                ("processors", str(findings["processors"])),
                *((name, version or "not installed") for name, version in findings["packages"].items()),
            ]
        )
    )
    answer("\nruntimes, in the order in which they are tried:")
    for backend in findings["backends"]:
        device = f", {backend['accelerator']}" if backend["accelerator"] else ""
        if backend["works"]:
            answer(f"  {backend['name']} {backend['version']}: works ({backend['precision']}{device})")
        else:
            _answer_failure(backend["name"], backend)
    if findings["devices"]:
        answer("\ndevices that are used only when they are named (--device):")
    for found in findings["devices"]:
        if found["works"]:
            answer(f"  {found['device']}: works ({found['name']}, {found['precision']})")
        else:
            _answer_failure(found["device"], found)
    missing = [name for name, there in findings["formats"].items() if not there]
    extras: dict[str, str] = {name: row.extra for name, row in FORMATS.items() if row.extra}
    answer(f"\nimage formats: {', '.join(name for name, there in findings['formats'].items() if there)}")
    if in_pillow := [name for name in missing if name not in extras]:
        answer(f"  missing in this Pillow: {', '.join(in_pillow)} (hint: pip install --upgrade pillow)")
    for name in missing:
        if name in extras:
            answer(f'  {name}: not installed (hint: pip install "paragon-sr[{extras[name]}]")')
    _answer_encoders(findings["encoders"])
    answer(f"bundled models: {', '.join(map(one_line, findings['models']))}")
    folders = [f"{folder['path']}{'' if folder['exists'] else ' (missing)'}" for folder in findings["folders"]]
    answer(f"folders for more models: {one_line(', '.join(folders))}")
    doctor_vapoursynth.report(findings["vapoursynth"])
