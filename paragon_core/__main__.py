"""``python -m paragon_core`` is ``paragon``."""

from paragon_core.cli.program import program

program()
