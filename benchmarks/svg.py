"""What all drawings of the documentation have in common: their frame, and colours that follow the reader's mode."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 720
MARGIN: Final = 14

_STYLE: Final = """
text { font: 14px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 16px }
.quiet { fill: #57606a; font-size: 12px }
.first { fill: #8c959f } .second { fill: #2f6fde } .back { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .quiet { fill: #9da7b3 }
  .first { fill: #6e7681 } .second { fill: #58a6ff } .back { fill: #0d1117 }
}
"""


def drawing(title: str, height: float, lines: list[str]) -> str:
    """Return an SVG drawing.

    Args:
        title: shown above; readers that cannot see the drawing get it, too.
        height: of what is drawn, without the margins; the width is `WIDTH`.
        lines: elements, in units of pixels from the upper left corner inside the margins.

    """
    full = (WIDTH + 2 * MARGIN, height + 2 * MARGIN)
    size = f'viewBox="{-MARGIN} {-MARGIN} {full[0]} {full[1]}" width="{full[0]}" height="{full[1]}"'
    first = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="back" x="{-MARGIN}" y="{-MARGIN}" width="100%" height="100%" rx="8"/>',
        f'<text class="title" x="0" y="20">{escape(title)}</text>',
    ]
    return "\n".join([*first, *lines, "</svg>", ""])
