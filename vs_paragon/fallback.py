"""`core.paragon.Upscale` where the plugin is absent, because no compiler was there when Paragon was installed.

`import vs_paragon` in the script then adds the name to VapourSynth's own classes. That is no plugin: it needs the
import line, and it is not in `core.plugins()`.
"""

from __future__ import annotations

import inspect
from contextlib import suppress

import vapoursynth as vs

from vs_paragon._dispatch import python_arguments
from vs_paragon.messages import describe
from vs_paragon.upscale import upscale


class Namespace:
    """What `core.paragon` and `clip.paragon` are without the plugin."""

    def __init__(self, *bound: vs.VideoNode) -> None:
        self._bound = bound

    def Upscale(self, *arguments: object, **named: object) -> vs.VideoNode:  # noqa: N802 - the plugin's name
        """Call `vs_paragon.upscale.upscale`.

        Raises:
            vapoursynth.Error: `paragon.Upscale: <what> (<hint>)`, as from the plugin.
        """
        try:
            given = inspect.signature(upscale).bind(*self._bound, *arguments, **named).arguments
            return upscale(**python_arguments(given))
        except Exception as error:
            raise vs.Error(describe(error)) from error


def install() -> None:
    """Add `paragon` to VapourSynth's classes.

    Whether the plugin is there is found out at each use: to look now would make a core, and a program that registers a
    policy of its own afterwards could not.
    """
    with suppress(TypeError):  # classes that cannot be changed, in builds without the limited API: the plugin only
        vs.Core.paragon = property(_of_core)
        vs.VideoNode.paragon = property(_of_clip)


def _of_core(core: vs.Core) -> object:
    """Return the plugin, or what replaces it."""
    try:
        return vs.Core.__getattr__(core, "paragon")
    except AttributeError:
        return Namespace()


def _of_clip(clip: vs.VideoNode) -> object:
    """Return the plugin bound to the clip, or what replaces it."""
    try:
        return vs.VideoNode.__getattr__(clip, "paragon")
    except AttributeError:
        return Namespace(clip)
