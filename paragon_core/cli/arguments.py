"""Options that several commands share, and the texts that they take."""

from __future__ import annotations

import argparse
import re
from fractions import Fraction
from typing import TYPE_CHECKING

from paragon_core.errors import InputError

if TYPE_CHECKING:
    from paragon_core.backends import Backend
    from paragon_core.models.model import Model

_SIXTY = 60
_HIGHEST_RATE = 1000
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def add_debug(parser: argparse.ArgumentParser) -> None:
    """Add ``--debug``."""
    parser.add_argument("--debug", action="store_true", help="show where an error came from (traceback) and the logs")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="answer in JSON, for programs")


def add_model_settings(parser: argparse.ArgumentParser) -> None:
    """Add the two settings of a network that no checkpoint holds."""
    parser.add_argument(
        "--alpha",
        type=float,
        metavar="SHARE",
        help="upsampler_alpha of the checkpoint: softens the image; 0 for all official models. "
        "Default: what the file says, else what is known about it",
    )
    parser.add_argument(
        "--window-size",
        type=count,
        metavar="PIXELS",
        help="window_size of a photo checkpoint. Default: as for --alpha",
    )


def add_padding(parser: argparse._ActionsContainer) -> None:
    """Add ``--padding`` and ``--seamless``."""
    parser.add_argument(
        "--padding",
        default="auto",
        choices=("auto", "zero", "edge", "symmetric", "wrap"),
        help="what the network sees beyond the border: the image mirrored (symmetric), its outermost pixels (edge), "
        "black as in the author's network (zero), its opposite side (wrap) [symmetric, but zero for photo and pro]",
    )
    parser.add_argument(
        "--seamless",
        action="store_const",
        const="wrap",
        dest="padding",
        help="for textures that are laid next to each other: the same as --padding wrap",
    )


def add_backends(parser: argparse.ArgumentParser) -> None:
    """Add ``--backends``; None stands for all."""
    parser.add_argument(
        "--backends", type=names, metavar="NAME,NAME", help="the runtimes (see: paragon doctor) [all that work here]"
    )


def chosen_backends(arguments: argparse.Namespace) -> list[Backend]:
    """Return the backends that ``--backends`` names, or all.

    Raises:
        InputError: there is no backend of such a name.
        BackendUnavailableError: one of those that were named does not work here.

    """
    from paragon_core.backends import BACKENDS, choose

    if arguments.backends is None:
        return list(BACKENDS.values())
    if "auto" in arguments.backends:
        msg = "auto is not the name of one runtime"
        raise InputError(msg, hint=f"choose from {', '.join(BACKENDS)}; without --backends it is all of them")
    return [choose(name) for name in arguments.backends]


def load_model(name_or_path: str, arguments: argparse.Namespace) -> Model:
    """Load the model that the options describe.

    Raises:
        InputError: there is no such model, or a setting is out of range.
        CheckpointError: the file is not a usable checkpoint.

    """
    from paragon_core.models.model import load

    return load(name_or_path, upsampler_alpha=arguments.alpha, window_size=arguments.window_size)


def image_size(text: str) -> tuple[int, int]:
    """Read ``WIDTHxHEIGHT``."""
    match = re.fullmatch(r"(\d{1,6})[xX](\d{1,6})", text)
    if match is None or not int(match[1]) or not int(match[2]):
        msg = f"{text!r} is not a size such as 640x360"
        raise argparse.ArgumentTypeError(msg)
    return int(match[1]), int(match[2])


def names(text: str) -> tuple[str, ...]:
    """Read names with commas between them."""
    found = tuple(name.strip() for name in text.split(","))
    if not all(found):
        msg = f"{text!r} is not a list such as first,second"
        raise argparse.ArgumentTypeError(msg)
    return tuple(dict.fromkeys(found))


def devices(text: str) -> tuple[str, ...]:
    """Read names of devices with commas between them; a name may be there twice."""
    found = tuple(name.strip() for name in text.split(","))
    if not all(found):
        msg = f"{text!r} is not a list of devices such as cuda:0,cuda:1"
        raise argparse.ArgumentTypeError(msg)
    return found


def tile_size(text: str) -> str | int | tuple[int, int]:
    """Read ``auto``, ``off``, a number of pixels or ``WIDTHxHEIGHT``."""
    if text in {"auto", "off"}:
        return text
    if re.fullmatch(r"\d{1,6}", text) and int(text):
        return int(text)
    try:
        return image_size(text)
    except argparse.ArgumentTypeError as error:
        msg = f"{text!r} is not auto, off, a number of pixels, or a size such as 512x256"
        raise argparse.ArgumentTypeError(msg) from error


def count(text: str) -> int:
    """Read a whole number from 1 on."""
    if not re.fullmatch(r"\d{1,12}", text) or not int(text):
        msg = f"{text!r} is not a number from 1 on"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def positive(text: str) -> float:
    """Read a positive number, such as 3 or 1.5."""
    if not re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", text) or not float(text):
        msg = f"{text!r} is not a positive number such as 1.5"
        raise argparse.ArgumentTypeError(msg)
    return float(text)


def shares(text: str) -> tuple[float, ...]:
    """Read positive numbers with commas between them."""
    try:
        return tuple(positive(part.strip()) for part in text.split(","))
    except argparse.ArgumentTypeError as error:
        msg = f"{text!r} is not a list of positive numbers such as 1,3 or 0.25,0.75"
        raise argparse.ArgumentTypeError(msg) from error


def frame_rate(text: str) -> Fraction:
    """Read frames a second: ``25``, ``23.976``, ``30000/1001``."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)(?:/(\d{1,6}))?", text)
    rate = Fraction(match[1]) / int(match[2] or 1) if match and (match[2] is None or int(match[2])) else Fraction(0)
    if not 0 < rate <= _HIGHEST_RATE:
        msg = f"{text!r} is not a number of frames a second such as 25 or 30000/1001"
        raise argparse.ArgumentTypeError(msg)
    return rate


def seconds(text: str) -> float:
    """Read seconds or ``H:MM:SS``: ``90``, ``1:30``, ``0:01:30.5``."""
    match = re.fullmatch(r"(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,9}(?:\.\d{1,9})?)", text)
    if match is None or (match[2] and float(match[3]) >= _SIXTY) or (match[1] and int(match[2]) >= _SIXTY):
        msg = f"{text!r} is not a time such as 90, 1:30 or 0:01:30.5"
        raise argparse.ArgumentTypeError(msg)
    return int(match[1] or 0) * 3600 + int(match[2] or 0) * _SIXTY + float(match[3])


def byte_count(text: str) -> int:
    """Read a number of bytes with a unit: ``1500M``, ``2G``, ``1.5GiB``."""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)\s*([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    size = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if not size:
        msg = f"{text!r} is not an amount of memory such as 1500M or 2G"
        raise argparse.ArgumentTypeError(msg)
    return size
