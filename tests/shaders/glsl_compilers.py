"""Compile passes of shaders as players do: to SPIR-V, and from that to the languages of Direct3D and Metal."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.patience import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

#: What players put before a pass and behind it: the picture, other textures, the output, the number of threads.
HEAD = """\
#version 450
layout(local_size_x = 16, local_size_y = 16) in;
layout(binding = 0, rgba16f) uniform writeonly image2D out_image;
layout(push_constant) uniform Sizes { vec2 HOOKED_size; };
#define HOOKED_mul 1.0
"""
FOOT = "\nvoid main() { hook(); }\n"


@dataclass(frozen=True, kw_only=True)
class PassText:
    """A pass as it stands in a shader."""

    directives: dict[str, list[str]]
    """Words behind ``//!``: what follows them, line by line."""
    code: str
    """The rest."""


def passes_of(shader: str) -> list[PassText]:
    """Read a shader as players do."""
    found = []
    for text in re.split(r"^(?=//!DESC)", shader, flags=re.MULTILINE)[1:]:
        directives: dict[str, list[str]] = {}
        for word, rest in re.findall(r"^//!(\w+) (.*)$", text, flags=re.MULTILINE):
            directives.setdefault(word, []).append(rest)
        found.append(PassText(directives=directives, code=re.sub(r"^//!.*\n", "", text, flags=re.MULTILINE)))
    return found


def spirv(each: PassText, file: Path) -> Path:
    """Compile a pass to a file and return it; skip the test where there is no glslang."""
    if shutil.which("glslangValidator") is None:
        pytest.skip("needs glslang (apt install glslang-tools)")
    textures = "".join(
        f"layout(binding = {number}) uniform sampler2D {name}_raw;\n"
        for number, name in enumerate(each.directives["BIND"], 1)
    )
    source = file.with_suffix(".comp")
    source.write_text(f"{HEAD}{textures}{each.code}{FOOT}", encoding="utf-8")
    _run("glslangValidator", "--target-env", "vulkan1.1", "-V", str(source), "-o", str(file))
    return file


def translated(file: Path, *options: str) -> str:
    """Return SPIR-V in another language; skip the test where there is no spirv-cross."""
    if shutil.which("spirv-cross") is None:
        pytest.skip("needs spirv-cross (apt install spirv-cross)")
    return _run("spirv-cross", str(file), *options)


def _run(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, (done.stdout + done.stderr)[:4000]
    return done.stdout
