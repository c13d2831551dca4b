"""How many times as fast Paragon promises to be: ratios of CPU times on one core, from bytes to bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchmarks.peers.ways import Kind

NATIVE: Final = "native"

#: Where upstream's export runs; of these the fastest counts.
RUNTIMES: Final = ("openvino", "onnxruntime")


@dataclass(frozen=True, kw_only=True)
class Promise:
    """How many times as fast one way is as another."""

    method: str
    """The bundled model."""
    scale: int
    """Its factor."""
    runtimes: tuple[str, ...]
    """Paragon in the fastest of these ..."""
    against: tuple[Kind, tuple[str, ...]]
    """... against the fastest of those."""
    required: float
    """The smallest ratio."""
    with_avx512: float | None = None
    """The smallest ratio where the processor has AVX-512, if that is another."""
    size: tuple[int, int] = (640, 360)
    """Width and height of the input."""

    @property
    def text(self) -> str:
        """What is promised, but for the number."""
        kind, others = self.against
        what = "the network as upstream exports it" if kind == "upstream" else " or ".join(others)
        return f"{self.method}, {self.size[0]}x{self.size[1]}: {' or '.join(self.runtimes)} against {what}"

    def ratio_required(self, *, avx512: bool) -> float:
        """Return the smallest ratio on a processor."""
        return self.with_avx512 if avx512 and self.with_avx512 is not None else self.required


_OPENVINO: Final[tuple[Kind, tuple[str, ...]]] = ("ours", ("openvino",))
_UPSTREAM: Final[tuple[Kind, tuple[str, ...]]] = ("upstream", RUNTIMES)

PROMISES: Final = (
    Promise(method="realtime-2x", scale=2, runtimes=RUNTIMES, against=_UPSTREAM, required=1.5),
    Promise(method="realtime-2x", scale=2, runtimes=(NATIVE,), against=_UPSTREAM, required=3.0),
    Promise(method="realtime-2x", scale=2, runtimes=(NATIVE,), against=_OPENVINO, required=1.6, with_avx512=1.8),
    Promise(method="stream-2x", scale=2, runtimes=(NATIVE,), against=_OPENVINO, required=1.3, with_avx512=1.6),
    Promise(method="realtime-4x", scale=4, runtimes=(NATIVE,), against=_OPENVINO, required=1.7),
    Promise(
        method="realtime-2x",
        scale=2,
        runtimes=(NATIVE,),
        against=_OPENVINO,
        required=1.6,
        with_avx512=1.9,
        size=(1920, 1080),
    ),
)
