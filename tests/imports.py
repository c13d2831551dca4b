"""What code imports in a Python of its own, and what that costs: counted, since seconds depend on who else is busy."""

from __future__ import annotations

import json
import sys
import textwrap
from dataclasses import dataclass

from tests.fresh_python import run

_COUNTED = """
import sys, time
before, start = set(sys.modules), time.process_time()
{code}
seconds = time.process_time() - start
modules = sorted(set(sys.modules) - before)
import json
print("", json.dumps([modules, seconds]), sep="\\n")
"""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What was loaded beyond what Python itself starts with."""

    modules: frozenset[str]
    """Full names."""
    cpu_seconds: float
    """Seconds of computing, the fewest of three runs: the first may compile the modules."""

    @property
    def packages(self) -> set[str]:
        """Names of the top-level packages that are not in the standard library."""
        return {name.partition(".")[0] for name in self.modules} - sys.stdlib_module_names


def imported_by(code: str) -> Imported:
    """Run code three times, each in a new Python, and return what it imported."""
    source = _COUNTED.format(code=textwrap.dedent(code))
    answers = [json.loads(run(source).stdout.splitlines()[-1]) for _ in range(3)]
    return Imported(modules=frozenset(answers[0][0]), cpu_seconds=min(seconds for _, seconds in answers))
