"""ComfyUI's door: it loads this folder as a node pack. Anywhere else this file does nothing."""

from __future__ import annotations

import importlib.util
import logging
import re
import sys
from pathlib import Path

if "folder_paths" in sys.modules:  # ComfyUI's own module, there before any pack is loaded
    # ComfyUI gives a pack a name that cannot be imported, so our packages get theirs here; sys.path stays as it is.
    for _package in ("paragon_core", "paragon_nodes"):
        if _package not in sys.modules:
            _folder = Path(__file__).resolve().parent / _package
            _spec = importlib.util.spec_from_file_location(
                _package, _folder / "__init__.py", submodule_search_locations=[str(_folder)]
            )
            if _spec is None or _spec.loader is None:
                raise ImportError(f"{_folder} is missing; install Paragon again")
            sys.modules[_package] = importlib.util.module_from_spec(_spec)
            _spec.loader.exec_module(sys.modules[_package])

    #: Served to the page: the nodes' help, in docs.
    WEB_DIRECTORY = "paragon_nodes/web"

    try:
        from paragon_nodes.extension import comfy_entrypoint
    except ModuleNotFoundError as _error:
        _list = Path(__file__).resolve().with_name("requirements.txt")
        _required = re.findall(r"^[\w-]+", _list.read_text(encoding="utf-8"), re.MULTILINE)
        _missing = (_error.name or "").partition(".")[0]
        if _missing not in _required:
            raise
        logging.getLogger(__name__).error(  # noqa: TRY400 - a line with the remedy instead of a traceback
            'ParagonSR2 needs %s, which is not installed. Run this, and restart ComfyUI: "%s" -m pip install -r "%s"',
            *(_missing, sys.executable, _list),
        )
        #: Takes the place of the entry point, without which ComfyUI would say more.
        NODE_CLASS_MAPPINGS: dict[str, type] = {}
        __all__ = ["NODE_CLASS_MAPPINGS", "WEB_DIRECTORY"]
    else:
        __all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
