"""Compiled engines, kept on disk so that they can be trusted: built once for each network, size, GPU and version.

It knows nothing of the runtimes: what builds an engine and what loads it are arguments of `provide`.
"""

from __future__ import annotations

from paragon_core.engines.cache import DEFAULT_LIMIT, CacheEntry, Engine, EngineCache
from paragon_core.engines.folder import VARIABLE, cache_folder
from paragon_core.engines.folder import prepare as prepare_folder
from paragon_core.engines.folder import trusted as trusted_folder
from paragon_core.engines.key import BuildOptions, EngineKey, Flavour, Target
from paragon_core.engines.profiles import IMAGES, MOST_PIXELS, Profile, choose, fitting_tile_size, profiles_for
from paragon_core.engines.providing import EngineRequest, provide
from paragon_core.engines.waiting import BuildProgress, ignore_progress

__all__ = [
    "DEFAULT_LIMIT",
    "IMAGES",
    "MOST_PIXELS",
    "VARIABLE",
    "BuildOptions",
    "BuildProgress",
    "CacheEntry",
    "Engine",
    "EngineCache",
    "EngineKey",
    "EngineRequest",
    "Flavour",
    "Profile",
    "Target",
    "cache_folder",
    "choose",
    "fitting_tile_size",
    "ignore_progress",
    "prepare_folder",
    "profiles_for",
    "provide",
    "trusted_folder",
]
