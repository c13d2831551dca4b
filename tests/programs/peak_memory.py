"""Take 200 MB and give them back; print whether a process that is started then has a small peak of its own."""

from __future__ import annotations

import subprocess
import sys

from paragon_core.benchmark.footprint import peak

before = peak()
block = b"x" * 200_000_000
assert peak() - before > 190_000_000
del block
assert peak() - before > 190_000_000
code = "from paragon_core.benchmark.footprint import peak; print(peak())"
child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
print(int(child.stdout) < 150_000_000)
