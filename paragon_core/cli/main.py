"""The entry point of the command line: one parser, one place where errors become exit codes."""

from __future__ import annotations

import argparse
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn, TextIO

from paragon_core import __version__
from paragon_core.cli import bench, doctor, engine, export, info, models, streams, train, upscale, verify
from paragon_core.cli.console import Console
from paragon_core.cli.exit_codes import BAD_INPUT, INTERRUPTED, OK, OUR_BUG, exit_code
from paragon_core.errors import AssumptionWarning, ParagonError
from paragon_core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Most characters of argparse's words about a mistake, which quote what was typed.
_LONGEST_MISTAKE: Final = 2000

_COMMANDS = (upscale, info, export, models, engine, train, doctor, verify, bench)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments after the program's name; None takes those of the process.

    Returns:
        0, 1 when a check found something wrong, 2 for bad input, 3 when no backend can do it, 130 when interrupted,
        70 for a bug of ours.

    """
    streams.occupy()
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as end:  # argparse has spoken: --help, --version, or a mistake
        return _flushed(end.code if isinstance(end.code, int) else OK)
    console = Console(quiet=getattr(arguments, "quiet", False))
    with _talking(console, debug=arguments.debug):
        try:
            code: int = arguments.run(arguments, console)
        except KeyboardInterrupt:
            console.insist("paragon: interrupted; the files that were written are whole")
            code = INTERRUPTED
        except Exception as error:  # noqa: BLE001 - the last line of defence, and it says that it is one
            code = _explain(console, error, debug=arguments.debug)
    return code


class _Parser(argparse.ArgumentParser):
    """A parser whose messages are printable whatever was typed."""

    def error(self, message: str) -> NoReturn:
        """Tell a mistake and end."""
        super().error(printable(message, limit=_LONGEST_MISTAKE))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="paragon", description="Enlarge pictures and films with ParagonSR2 networks.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"paragon {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_to(commands)
    return parser


def _explain(console: Console, error: Exception, *, debug: bool) -> int:
    """Tell an error to the user and return its exit code."""
    if debug:
        import traceback

        for line in "".join(traceback.format_exception(error)).splitlines():
            console.insist(line)
    if isinstance(error, ParagonError):
        console.error(error)
        return exit_code(error)
    from paragon_core.low_memory import HINT, is_low_memory

    if is_low_memory(error):
        console.insist("paragon: error: there is not enough memory")
        console.insist(f"  hint: {HINT}")
        return BAD_INPUT
    console.insist(f"paragon: internal error: {type(error).__name__}: {' '.join(str(error).split())}")
    console.insist("  This is a bug in Paragon. Please report it with what you did, with what the same command prints")
    console.insist("  when --debug is added, and with what paragon doctor prints.")
    return OUR_BUG


@contextmanager
def _talking(console: Console, *, debug: bool) -> Iterator[None]:
    """Turn warnings and log records into single lines; those of other packages are for ``--debug`` only."""
    import logging

    def show(  # noqa: PLR0917 - the arguments of warnings.showwarning
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        del file, line
        if issubclass(category, AssumptionWarning):
            console.insist(f"paragon: note: {message} (Options: --alpha, --window-size.)")
        elif debug:
            console.insist(f"{filename}:{lineno}: {category.__name__}: {message}")

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            console.insist(f"paragon: {record.levelname.lower()}: {record.getMessage()}")

    root, silence = logging.getLogger(), logging.NullHandler()  # without a handler, Python would show errors of others
    log, lines = logging.getLogger("paragon_core"), Lines(logging.DEBUG if debug else logging.WARNING)
    level, propagate = log.level, log.propagate
    root.addHandler(silence)
    log.addHandler(lines)
    log.propagate = False
    if debug:
        log.setLevel(logging.DEBUG)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        try:
            yield
        finally:
            root.removeHandler(silence)
            log.removeHandler(lines)
            log.setLevel(level)
            log.propagate = propagate


def _flushed(code: int) -> int:
    """Write what argparse has left in the buffers of the streams; return the exit code that remains."""
    streams.flush_errors()
    try:
        streams.answer("")
    except ParagonError as error:
        Console().error(error)
        return exit_code(error)
    return code


if __name__ == "__main__":
    sys.exit(main())
