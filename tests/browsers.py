"""Browsers that are installed here."""

from __future__ import annotations

import os
import shutil


def chromium() -> str | None:
    """Return a Chromium that is installed here, or Chrome, or what CHROMIUM names."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
