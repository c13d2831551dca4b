"""Which bundled model is for what, in the words that all doors show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """What somebody wants to upscale, and what with."""

    source: str
    """The source, in a few words."""
    model: str
    """Name of the bundled model."""
    why: str
    """Why this one, in a few words."""


#: The first one is for those who do not know.
PURPOSES: Final = (
    Purpose(source="anything clean, or anything fast", model="realtime-2x", why="the fastest, good on hard edges"),
    Purpose(source="single photographs and scans", model="photo-2x", why="the finest lines, 400 times the work"),
    Purpose(source="photographs and films, with patience", model="stream-2x", why="finer lines, 8 times the work"),
    Purpose(source="drawings and anime", model="stream-2x", why="cleaner outlines than realtime-2x"),
    Purpose(source="compressed video: H.264, streams, DVDs", model="realtime-video-2x", why="leaves compression out"),
    Purpose(source="JPEGs and WebPs from the web", model="stream-web-2x", why="leaves compression out"),
    Purpose(source="JPEGs and WebPs from the web, fast", model="realtime-web-2x", why="an eighth of the work"),
    Purpose(source="clean, and shrunk by averaging (box, area)", model="realtime-box-2x", why="better there, as fast"),
    Purpose(source="clean, and shrunk by Lanczos", model="realtime-lanczos-2x", why="better there, as fast"),
    Purpose(source="720p on 4K screens, --scale 3", model="realtime-3x", why="one pass, and nothing to resize"),
    Purpose(source="small images that shall become four times as large", model="realtime-4x", why="one pass, not two"),
    Purpose(source="four times as large, with patience", model="stream-4x", why="finer lines, 6 times the work"),
    Purpose(source="four times as large, to look sharp", model="stream-4x-sharp", why="makes up texture, as slow"),
)
