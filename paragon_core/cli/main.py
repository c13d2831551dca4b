"""The entry point of the command line: one parser, one place where errors become exit codes."""

from __future__ import annotations

if __name__ == "__main__":  # python -m paragon_core.cli.main; the imports below take time, in which Ctrl-C may come
    from paragon_core.cli.program import program

    program()

import argparse
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NoReturn, TextIO

from paragon_core import __version__
from paragon_core.cli import (
    bench,
    compare,
    doctor,
    engine,
    events,
    export,
    info,
    join,
    mix,
    models,
    report,
    streams,
    train,
    upscale,
    verify,
)
from paragon_core.cli.console import Console
from paragon_core.cli.exit_codes import BAD_INPUT, INTERRUPTED, OK, OUR_BUG, exit_code
from paragon_core.cli.signals import Signals
from paragon_core.errors import AssumptionWarning, ParagonError
from paragon_core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Most characters of argparse's words about a mistake, which quote what was typed.
_LONGEST_MISTAKE: Final = 2000

_COMMANDS = (upscale, join, compare, report, info, export, models, engine, train, mix, doctor, verify, bench)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    While it runs, signals that end a process end the command (`Signals`).

    Args:
        argv: arguments after the program's name; None takes those of the process.

    Returns:
        0, 1 when a check found something wrong, 2 for bad input, 3 when no backend can do it, 70 for a bug of ours;
        128 plus the signal's number when interrupted: 130 by Ctrl-C (SIGINT), 143 by SIGTERM, 129 by SIGHUP.

    """
    with Signals() as signals:
        return command(argv, signals)


def command(argv: Sequence[str] | None, signals: Signals) -> int:
    """Run one command, as `main` describes; the caller handles the signals."""
    try:
        code = _run(argv, signals)
    except KeyboardInterrupt:  # while the arguments were read, or while something was printed
        code = signals.exit_code
    return signals.exit_code if signals.received else code


def _run(argv: Sequence[str] | None, signals: Signals) -> int:
    streams.occupy()
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as end:  # argparse has spoken: --help, --version, or a mistake
        return _flushed(end.code if isinstance(end.code, int) else OK)
    try:
        stream = events.opened(
            on_stderr=getattr(arguments, "json_progress", False), target=getattr(arguments, "json_progress_to", None)
        )
    except ParagonError as error:
        Console().error(error)
        return exit_code(error)
    code = INTERRUPTED
    try:
        console = Console(quiet=getattr(arguments, "quiet", False), events=stream)
        with _talking(console, debug=arguments.debug):
            code = _run_command(arguments, console, signals)
    finally:
        stream.end(code, signal=signals.name if signals.received else None)
    return code


def _run_command(arguments: argparse.Namespace, console: Console, signals: Signals) -> int:
    """Run a command and return its exit code, whatever happens."""
    try:
        return int(arguments.run(arguments, console))
    except KeyboardInterrupt:
        return _interrupted(console, signals)
    except Exception as error:  # noqa: BLE001 - the last line of defence, and it says that it is one
        if signals.received:  # whatever the interrupt became on its way
            return _interrupted(console, signals)
        return _explain(console, error, debug=arguments.debug)


def _interrupted(console: Console, signals: Signals) -> int:
    """Report that the command was interrupted, if anybody can still read it, and return its exit code."""
    with suppress(OSError):  # the terminal may be gone
        by = "" if signals.exit_code == INTERRUPTED else f" by {signals.name}"
        console.insist(f"paragon: interrupted{by}; the files that were written are complete")
    return signals.exit_code


class _Parser(argparse.ArgumentParser):
    """A parser whose messages are printable whatever was typed."""

    def error(self, message: str) -> NoReturn:
        """Report a mistake and exit."""
        super().error(printable(message, limit=_LONGEST_MISTAKE))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="paragon", description="Upscale images and videos with ParagonSR2 networks.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"paragon {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_to(commands)
    return parser


def _explain(console: Console, error: Exception, *, debug: bool) -> int:
    """Report an error to the user and return its exit code."""
    if debug:
        import traceback

        for line in "".join(traceback.format_exception(error)).splitlines():
            console.insist(line)
    if isinstance(error, ParagonError):
        console.error(error)
        console.events.error(error)
        return exit_code(error)
    from paragon_core.low_memory import HINT, is_low_memory

    if is_low_memory(error):
        console.insist("paragon: error: there is not enough memory")
        console.insist(f"  hint: {HINT}")
        console.events.error(error, hint=HINT)
        return BAD_INPUT
    console.events.error(error, hint="this is a bug in Paragon: please report it")
    console.insist(f"paragon: internal error: {type(error).__name__}: {' '.join(str(error).split())}")
    console.insist("  This is a bug in Paragon. Please report it with what you did, with what the same command prints")
    console.insist("  when --debug is added, and with what paragon doctor prints.")
    return OUR_BUG


@contextmanager
def _talking(console: Console, *, debug: bool) -> Iterator[None]:
    """Turn warnings and log records into single lines; those of other packages are for ``--debug`` only.

    So are errors that end threads of other packages: who waits for their work reports them.
    """
    import logging
    import threading

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
            console.note(f"{message} (Options: --alpha, --window-size.)")
        elif debug:
            console.insist(f"{filename}:{lineno}: {category.__name__}: {message}")

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            level, text = record.levelname.lower(), record.getMessage()
            console.insist(f"paragon: {level}: {text}")
            console.events.emit("log", level=level, text=text)

    root, silence = logging.getLogger(), logging.NullHandler()  # without a handler, Python would show errors of others
    log, lines = logging.getLogger("paragon_core"), Lines(logging.DEBUG if debug else logging.WARNING)
    level, propagate = log.level, log.propagate
    root.addHandler(silence)
    log.addHandler(lines)
    log.propagate = False
    if debug:
        log.setLevel(logging.DEBUG)
    in_threads = threading.excepthook
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        if not debug:
            threading.excepthook = lambda _: None
        try:
            yield
        finally:
            root.removeHandler(silence)
            threading.excepthook = in_threads
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
