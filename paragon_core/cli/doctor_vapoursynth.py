"""What ``paragon doctor`` reports about VapourSynth: the core, its plugins, and where it looks for them.

A process of its own makes the core: that loads every plugin that is installed, and a broken one may end the process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path
from typing import Any, Final

from paragon_core.cli.console import answer, one_line

#: The first release that loads plugins which pip has installed.
_OLDEST: Final = 74

#: Plugins of vs-mlrt by their namespaces, with the key of the runtime's version and its name.
_VS_MLRT: Final = {
    "ov": ("openvino_version_build", "OpenVINO"),
    "ort": ("onnxruntime_version", "ONNX Runtime"),
    "trt": ("tensorrt_version", "TensorRT"),
    "trt_rtx": ("tensorrt_version", "TensorRT-RTX"),
    "ncnn": ("ncnn_version", "ncnn"),
}

#: Where Paragon's plugin is, from the folder that Python imports from.
_OURS: Final = Path("vapoursynth", "plugins", "paragon")

_INSTALL: Final = "pip install 'paragon-sr[vapoursynth]'"
_PATIENCE: Final = 60


def examine() -> dict[str, Any]:
    """Find out what works here, as JSON knows it; ``problems`` has pairs of what is wrong and a hint."""
    spec = util.find_spec("vapoursynth")
    if spec is None or spec.origin is None:  # a mere folder is what Paragon's own plugin is in
        return {"installed": False, "problems": []}
    folder = Path(spec.origin).parent / "plugins"
    found: dict[str, Any] = {"installed": True, "folder": str(folder), **_core()}
    return found | {"problems": [list(pair) for pair in _problems(found)]}


def report(found: dict[str, Any]) -> None:
    """Print what `examine` found."""
    if not found["installed"]:
        answer(f"\nVapourSynth: not installed (hint: on Python 3.12 or newer, {_INSTALL})")
        return
    if "core" in found:
        answer(f"\nVapourSynth {found['release']}: works (API {found['api']})")
        answer(f"  core.paragon: {one_line(found['paragon']) if found['paragon'] else 'not loaded'}")
        mlrt = [f"{name} ({version})" for name, version in found["vs-mlrt"].items()]
        none = "none (hint: pip install 'paragon-sr[vapoursynth-native]')"
        answer(f"  vs-mlrt's plugins: {one_line(', '.join(mlrt)) or none}")
    else:
        answer("\nVapourSynth: does not work")
    answer(f"  plugins are loaded from: {one_line(found['folder'])}")
    for problem, hint in found["problems"]:
        answer(f"  {one_line(problem)}")
        answer(f"    hint: {one_line(hint)}")


def _core() -> dict[str, Any]:
    """Return what a core says of itself, or why there is none."""
    command = [sys.executable, "-m", __name__]
    try:
        done = subprocess.run(  # noqa: S603 - this very Python, with this very module
            command, check=False, capture_output=True, text=True, encoding="utf-8", timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"failure": f"it cannot be started: {error}"}
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return {"failure": lines[-1] if lines else f"it ends with the exit code {done.returncode}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])  # plugins may print above
    return found


def _problems(found: dict[str, Any]) -> list[tuple[str, str]]:
    problems = []
    if "failure" in found:
        problems.append((f"no core: {found['failure']}", f"pip install --force-reinstall vapoursynth, or {_INSTALL}"))
    elif found["core"] < _OLDEST:
        old = f"{found['release']} loads no plugins that pip has installed"
        problems.append((old, f"Python 3.12 or newer, and pip install 'vapoursynth>={_OLDEST}'"))
    elif not found["paragon"]:
        problems.append(_why_not_loaded(Path(found["folder"])))
    try:
        metadata.version("vsutil")
    except metadata.PackageNotFoundError:
        problems.append(("vsutil, which the filter needs, is not installed", _INSTALL))
    return problems


def _why_not_loaded(folder: Path) -> tuple[str, str]:
    """Return why a core does not have Paragon's plugin, and what helps."""
    elsewhere = [place for place in _places() if place.parent.resolve() != folder.resolve()]
    if (folder / _OURS.name).is_dir():
        return (
            f"VapourSynth refuses Paragon's plugin in {folder / _OURS.name}",
            "pip install --force-reinstall --no-deps paragon-sr",
        )
    if elsewhere:  # of two site-packages, VapourSynth looks in the one that it is in itself
        return (
            f"Paragon's plugin is in {elsewhere[0]}, where VapourSynth does not look",
            f"install both in one virtual environment, or set VAPOURSYNTH_EXTRA_PLUGIN_PATH={elsewhere[0]}",
        )
    return (
        "Paragon was installed without its plugin (no C compiler was there, or Python is older than 3.12)",
        "write `import vs_paragon` at the top of scripts; or install a C compiler, and Paragon again",
    )


def _places() -> list[Path]:
    """Return the folders with Paragon's plugin in them, of all from which this Python imports."""
    return [Path(entry, _OURS) for entry in sys.path if Path(entry, _OURS, "manifest.vs").is_file()]


def _look() -> dict[str, Any]:
    """Make a core and report what is in it."""
    import vapoursynth as vs

    paths = {plugin.namespace: getattr(plugin, "plugin_path", "") for plugin in vs.core.plugins()}
    versions = {}
    for namespace, (key, title) in _VS_MLRT.items():
        if namespace in paths:
            version = getattr(vs.core, namespace).Version().get(key, "")
            versions[namespace] = f"{title} {version.decode() if isinstance(version, bytes) else version}"
    return {
        "core": vs.__version__.release_major,
        "release": str(vs.core.core_version),
        "api": str(vs.core.api_version).removeprefix("R"),
        "paragon": paths.get("paragon", ""),
        "vs-mlrt": versions,
    }


if __name__ == "__main__":
    print(json.dumps(_look()))
