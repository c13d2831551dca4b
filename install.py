"""Tells which runtimes suit this machine, beside the torch that ComfyUI has anyway.

ComfyUI-Manager runs this after it has installed requirements.txt. Then nothing is changed: torch works already, and
packages that are large, or could get in the way of another node pack's, are yours to choose. ``python install.py
--install`` installs what it says. Standard library only; Paragon never calls it.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

#: The first driver that runs CUDA 13, which the wheels of TensorRT-RTX are made for, and the oldest cards it supports.
CUDA_13_DRIVER = 580
OLDEST_CARD = 7.5


@dataclass(frozen=True)
class Machine:
    """What decides about the runtimes."""

    system: str
    """Linux, Windows or Darwin."""
    processor: str
    """x86_64 or arm64."""
    python: tuple[int, int]
    """Version."""
    torch: str
    """Version of torch, whose ending tells what it was built for; empty if there is none."""
    has_gpu_onnxruntime: bool
    """Whether onnxruntime-gpu is there."""
    card: str = ""
    """NVIDIA's first card."""
    driver: int = 0
    """Its driver's major version."""
    capability: float = 0.0
    """Its compute capability."""

    def __str__(self) -> str:
        """Say it in a line."""
        card = f", {self.card} with driver {self.driver}" if self.card else ", no NVIDIA card"
        torch = f", torch {self.torch}" if self.torch else ", no torch"
        return f"{self.system} on {self.processor}, Python {self.python[0]}.{self.python[1]}{torch}{card}"


@dataclass(frozen=True)
class Advice:
    """A runtime that is worth having."""

    packages: tuple[str, ...]
    """What pip is to install; empty if nothing is to be done, or nothing can be."""
    reason: str
    """Why, or why not."""


def this_machine() -> Machine:
    """Look what there is."""
    card, driver, capability = _nvidia()
    processor = platform.machine().lower()
    return Machine(
        system=platform.system(),
        processor={"amd64": "x86_64", "aarch64": "arm64"}.get(processor, processor),
        python=sys.version_info[:2],
        torch=_version("torch"),
        has_gpu_onnxruntime=bool(_version("onnxruntime-gpu")),
        card=card,
        driver=driver,
        capability=capability,
    )


def advice(machine: Machine) -> list[Advice]:
    """Return what suits a machine, the fastest runtime first."""
    if machine.python < (3, 11):
        return [Advice((), "Paragon needs Python 3.11 or newer")]
    found = [_tensorrt(machine)] if machine.card else []
    if machine.has_gpu_onnxruntime:
        found.append(Advice((), "onnxruntime-gpu is there; onnxruntime beside it would break it"))
    else:
        found.append(Advice(("onnxruntime>=1.20",), "ONNX Runtime: for the processor"))
    if (machine.system, machine.processor) == ("Windows", "arm64"):
        found.append(Advice((), "OpenVINO has no wheels for Windows on ARM"))
    else:
        found.append(Advice(("openvino>=2025.0",), "OpenVINO: the fastest on the processor after the native kernel"))
    return found


def main() -> int:
    """Print it, and install it if that is wished."""
    parser = argparse.ArgumentParser(description="Tell which runtimes suit this machine.")
    parser.add_argument("--install", action="store_true", help="install them")
    wishes = parser.parse_args()
    machine = this_machine()
    found = advice(machine)
    print(f"Paragon on this machine: {machine}")
    for each in found:
        print(f"  {each.reason}" + (": pip install " + " ".join(map(_quoted, each.packages))) * bool(each.packages))
    packages = [package for each in found for package in each.packages]
    if not wishes.install:
        print(f"Nothing was installed. To do so: {_quoted(sys.executable)} install.py --install")
        return 0
    if not packages:
        return 0
    return subprocess.run([sys.executable, "-m", "pip", "install", *packages], check=False).returncode  # noqa: S603 - this Python, and packages named above


def _tensorrt(machine: Machine) -> Advice:
    if machine.system not in {"Linux", "Windows"} or machine.processor != "x86_64":
        return Advice((), "TensorRT-RTX has wheels for Linux and Windows on x86-64 only; torch uses the card")
    if machine.driver < CUDA_13_DRIVER:
        return Advice((), f"TensorRT-RTX needs driver {CUDA_13_DRIVER} or newer; until then torch uses the card")
    if machine.capability < OLDEST_CARD:
        return Advice((), f"TensorRT-RTX does not support cards as old as the {machine.card}; torch uses it")
    return Advice(_extra("tensorrt-rtx"), "TensorRT-RTX: the fastest on this card")


def _extra(name: str) -> tuple[str, ...]:
    """Return the packages of one of the project's extras."""
    import tomllib  # noqa: PLC0415 - older Pythons, which have none, shall read what they lack

    project = tomllib.loads((Path(__file__).parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return tuple(project["optional-dependencies"][name])


def _nvidia() -> tuple[str, int, float]:
    """Return name, driver and compute capability of the first card, as the driver's own tool tells them."""
    tool = shutil.which("nvidia-smi")
    question = "--query-gpu=name,driver_version,compute_cap"
    if tool is None:
        return "", 0, 0.0
    try:
        command = [tool, question, "--format=csv,noheader"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout  # noqa: S603 - a fixed command
        name, driver, capability = (part.strip() for part in answer.splitlines()[0].split(","))
        return name, int(driver.partition(".")[0]), float(capability)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return "", 0, 0.0


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _quoted(text: str) -> str:
    """Return a word of a command as all shells take it."""
    return f'"{text}"' if set(text) & set(" <>*[];") else text


if __name__ == "__main__":
    sys.exit(main())
