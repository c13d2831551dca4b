"""Run a model over an image tile by tile: choose the tiles, and retry where they do not fit or overflow."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, wait
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from paragon_core.backends import InPlaceSession, Piece, PlaneSession
from paragon_core.backends.cancellation import Cancellation
from paragon_core.engines import MOST_PIXELS
from paragon_core.errors import EngineError, InferenceError, NonFiniteError
from paragon_core.graph.graph_spec import GraphSpec
from paragon_core.upscaling import memory, tiling
from paragon_core.upscaling.border import halo_of
from paragon_core.upscaling.session_pool import SessionPool
from paragon_core.upscaling.tile_cache import TileCache
from paragon_core.upscaling.tile_io import PrecisionAttempt

if TYPE_CHECKING:
    from concurrent.futures import Future

    from paragon_core.backends import Precision, Session
    from paragon_core.graph.graph_spec import Io
    from paragon_core.models.model import Model
    from paragon_core.upscaling.border import Border
    from paragon_core.upscaling.options import UpscaleOptions
    from paragon_core.upscaling.tile_io import ImageJob

#: Called with (tiles done, tiles in all) from the calling thread; an exception that it raises ends the work.
TileProgress = Callable[[int, int], None]

#: Tiles that cost less than this share in overlap are large enough: (w / (w - 2 halo))^2 <= 1.05 at w = 84 halos.
_LARGE_ENOUGH: Final = 84

#: Most rows of a tile for a session that works in place: it keeps a few columns of all of them while it goes from left
#: to right.
_LARGEST_HEIGHT: Final = 1088

#: Most pixels of a tile where still areas are reused: larger ones find fewer such areas, smaller ones compute more
#: halo. From 64 to 160 pixels a side, a captured screen takes nearly the same time.
_REUSE_AREA: Final = 96 * 96

#: Share of ``max_memory`` that the tile cache may take on top of it.
_REUSE_SHARE: Final = 0.5

#: Seconds between two calls of ``progress``, and before an interrupt is noticed.
_PATIENCE: Final = 0.2

_LOG = logging.getLogger(__name__)


class TileRunner:
    """One model in one runtime, with its sessions, threads and tile cache; safe to use from threads."""

    def __init__(self, model: Model, options: UpscaleOptions) -> None:
        """Choose a runtime and check that it works.

        Raises:
            InputError: there is no backend of that name.
            BackendUnavailableError: the backend, device or precision does not work here.

        """
        self.tiles_computed = self.tiles_reused = 0
        self._model = model
        self._options = options
        self._spec = GraphSpec(fused=options.fused)
        self._halo = halo_of(model.spec)
        self._pool = SessionPool(model, options)
        of_machine = memory.default_limit(model.spec) if options.max_memory is None else options.max_memory
        self._tile_cache = TileCache(int(of_machine * _REUSE_SHARE)) if options.reuse else None
        self._lock = threading.Lock()
        if options.precision != "auto":
            self._pool.get(self._spec, options.precision)  # so that one that does not work is refused now

    @property
    def pool(self) -> SessionPool:
        """The runtime in use; another one from the next call on where this one cannot have an engine."""
        return self._pool

    def run(self, job: ImageJob, progress: TileProgress | None = None, *, fixed_size: bool = False) -> None:
        """Upscale an image, in the next precision if one overflows, in another runtime if this one has no engine.

        Args:
            job: the image and the place for its result.
            progress: see `TileProgress`.
            fixed_size: whether more images of this size follow, so that a session for just that size pays.

        Raises:
            BackendUnavailableError: the pool was closed, or belongs to the process from which this one was forked.
            OutOfMemoryError: it does not fit, even in small tiles.
            NonFiniteError: the network computed values that are not numbers, also in fp32.
            InferenceError: the runtime failed.

        """
        pool = self._pool
        precisions = pool.precisions.of(job.io, job.bits)
        if self._works_in_place(pool):  # such sessions look at each value, so floats would find no more than bytes
            attempts = [PrecisionAttempt(job=job, precision=precision) for precision in precisions]
        else:
            attempts = job.attempts(precisions)
        try:
            for attempt, following in zip_longest(attempts, attempts[1:]):
                try:
                    self._retry_with_smaller_tiles(pool, attempt, progress, fixed_size=fixed_size)
                except NonFiniteError as error:
                    if following is None:
                        raise
                    _LOG.warning("%s in %s: %s takes over for this image", error, attempt, following)
                else:
                    return
        except EngineError as error:
            self._use_another_runtime(pool, error)
            self.run(job, progress, fixed_size=fixed_size)

    def count_tiles(self, size: tuple[int, int], *, io: Io, grey: bool, precision: Precision, border: Border) -> int:
        """Return the number of tiles that an image (width, height) takes."""
        spec = replace(self._spec, io=io, grey=grey)
        tile_size = self._choose_tile_size(self._pool, spec, precision, seen=border.grown(size))
        return len(self._plan(self._pool, size, tile_size, border))

    def release(self) -> None:
        """Give memory back as soon as the calls under way have ended; the next call takes it again."""
        if not self._pool.inherited:
            self._forget(self._pool)

    def close(self) -> None:
        """Release threads and memory once the calls under way have ended; safe to call twice."""
        if self._pool.inherited:
            return
        with self._lock:
            pool = self._pool
        pool.close()
        if self._tile_cache:
            self._tile_cache.forget()

    def _retry_with_smaller_tiles(
        self, pool: SessionPool, attempt: PrecisionAttempt, progress: TileProgress | None, *, fixed_size: bool
    ) -> None:
        """Upscale an image in one precision, in smaller tiles as long as memory runs out."""
        size, border = attempt.job.size, attempt.job.border
        seen = border.grown(size)
        spec = attempt.job.graph(self._spec)
        tile_size = self._choose_tile_size(pool, spec, attempt.precision, seen=seen, fixed_size=fixed_size)
        if self._options.tile == "auto" and self._model.spec.receptive_radius is None and tile_size != seen:
            _LOG.warning(
                "%dx%d pixels need more than max_memory in one go; tiles of %s differ a little from the whole image",
                *(*size, self._model.spec.variant),
            )
        while True:
            plan = self._plan(pool, size, tile_size, border)
            often = pool.pays_to_compile(plan.tile_size, len(plan), fixed_size=fixed_size)
            chosen = replace(spec, size=plan.tile_size) if often and plan.is_even else spec
            try:
                self._run_tiles(pool, chosen, attempt, plan, progress)
            except MemoryError:  # the runtime's, or numpy's around it
                smaller = (max(plan.tile_size[0] // 2, 4 * self._halo), max(plan.tile_size[1] // 2, 4 * self._halo))
                following = self._plan(pool, size, smaller, border)
                if self._options.tile == "off" or smaller == tile_size or len(following) <= len(plan):
                    raise
                _LOG.warning("out of memory with tiles of %dx%d, trying %dx%d", *plan.tile_size, *smaller)
                tile_size = smaller
            else:
                return
            self._forget(pool)

    def _run_tiles(
        self,
        pool: SessionPool,
        spec: GraphSpec,
        attempt: PrecisionAttempt,
        plan: tiling.TilePlan,
        progress: TileProgress | None,
    ) -> None:
        if self._options.reserve_memory:
            self._options.reserve_memory(self._memory_for(pool, spec, attempt, plan))
        session = pool.get(spec, attempt.precision)
        session.prepare(plan.tile_size)  # here, because whoever waits for a build can be interrupted
        cancellation = Cancellation()
        if isinstance(session, PlaneSession) and self._tile_cache is None:
            run_tile = self._in_place(session, attempt.job, cancellation)
        else:
            run_tile = self._in_batches(session, spec, attempt, plan, cancellation)
        pending: set[Future[None]] = pool.submit(run_tile, plan)
        try:
            while pending:
                # Without a limit, waiting cannot be interrupted by Ctrl-C on Windows.
                done, pending = wait(pending, timeout=_PATIENCE, return_when=FIRST_EXCEPTION)
                while done:
                    done.pop().result()  # no name for it: its error would hold this frame, the frame the error
                if self._options.interrupt:
                    self._options.interrupt()
                if progress:
                    progress(len(plan) - len(pending), len(plan))
        finally:
            for future in pending:
                future.cancel()
            cancellation.cancel()
            wait(pending)

    def _in_batches(
        self,
        session: Session,
        spec: GraphSpec,
        attempt: PrecisionAttempt,
        plan: tiling.TilePlan,
        cancellation: Cancellation,
    ) -> Callable[[tiling.Tile], None]:
        """Return what upscales a tile: a batch is made of it, and the core of the output copied to its place."""
        job = attempt.job
        cached = self._tile_cache.of(spec, attempt.precision, plan) if self._tile_cache else None

        def run_tile(tile: tiling.Tile) -> None:
            batch = job.batch(tile)
            core = cached.find(tile, batch) if cached else None
            if core is not None:
                job.write(tile, core)
                with self._lock:
                    self.tiles_reused += 1
                return
            with session.lend(batch, cancellation) as output:
                core = job.core(tile, output)
                job.write(tile, core)
                if cached:
                    cached.keep(tile, batch, core)
            with self._lock:
                self.tiles_computed += 1

        return run_tile

    def _in_place(
        self, session: PlaneSession, job: ImageJob, cancellation: Cancellation
    ) -> Callable[[tiling.Tile], None]:
        """Return what upscales a tile where it is: its core is the piece."""
        image = job.in_place()

        def run_tile(tile: tiling.Tile) -> None:
            session.upscale(image, piece_of(tile), cancellation)
            with self._lock:
                self.tiles_computed += 1

        return run_tile

    def _multiple(self, pool: SessionPool) -> int:
        """Return what tiles begin at multiples of."""
        of_backend = 1 if self._works_in_place(pool) else pool.backend.tile_multiple
        return math.lcm(self._model.spec.size_multiple, of_backend)

    def _works_in_place(self, pool: SessionPool) -> bool:
        """Return whether tiles need no halo, and memory is known; the tile cache needs batches and their results."""
        return pool.backend.in_place and self._tile_cache is None

    def _memory_for(self, pool: SessionPool, spec: GraphSpec, attempt: PrecisionAttempt, plan: tiling.TilePlan) -> int:
        """Return roughly how many bytes the streams need for tiles."""
        streams = self._runs_at_once(pool)
        if self._works_in_place(pool):
            session = _checked_in_place(pool.get(spec, attempt.precision))
            return streams * session.working_memory(plan.tile_size, separate_detail=spec.separate_detail)
        pixel = memory.bytes_per_pixel(self._model.spec, stores_attention=pool.backend.stores_attention)
        return math.prod(plan.tile_size) * streams * pixel

    def _forget(self, pool: SessionPool) -> None:
        pool.forget()
        if self._tile_cache:
            self._tile_cache.forget()

    def _use_another_runtime(self, pool: SessionPool, error: EngineError) -> None:
        """Let another runtime take over, unless another call saw to that; raise the error if there is none."""
        with self._lock:
            if self._pool is pool:
                self._pool = pool.after(error)

    def _plan(
        self, pool: SessionPool, size: tuple[int, int], tile_size: tuple[int, int], border: Border
    ) -> tiling.TilePlan:
        multiple = self._multiple(pool)
        rows, columns = (
            tiling.cover(length, side, halo=self._halo, multiple=multiple, margin=border.margin)
            for length, side in zip(reversed(size), reversed(tile_size), strict=True)
        )
        return tiling.TilePlan(rows=rows, columns=columns)

    def _choose_tile_size(
        self,
        pool: SessionPool,
        spec: GraphSpec,
        precision: Precision,
        *,
        seen: tuple[int, int],
        fixed_size: bool = False,
    ) -> tuple[int, int]:
        """Return the size of the tiles for an image that has the size ``seen`` with the margin of its border."""
        tile = self._options.tile_size
        if tile != "auto":
            return seen if tile == "off" else tile
        if self._works_in_place(pool):
            return self._choose_piece(pool, spec, precision, seen=seen)
        of_model = self._model.spec
        backend, streams = pool.backend, self._runs_at_once(pool)
        allowed = memory.pixels_that_fit(
            of_model, self._max_memory(pool), streams=streams, stores_attention=backend.stores_attention
        )
        if of_model.receptive_radius is None and math.prod(seen) <= allowed:
            return seen
        limits_memory = self._options.max_memory is not None  # the default is about this machine's memory, not a card's
        if backend.largest_tile and of_model.receptive_radius is not None and not (limits_memory or self._tile_cache):
            fits = fixed_size and math.prod(seen) <= MOST_PIXELS
            if fits or pool.get(spec, precision).has(seen):
                return seen
            return tiling.fitting_tile(seen, backend.largest_tile, halo=self._halo, multiple=self._multiple(pool))
        return tiling.choose_tile(
            seen,
            halo=self._halo,
            streams=self._streams_of_an_image(pool),
            largest_area=min(allowed, self._largest_area(pool)),
            multiple=self._multiple(pool),
        )

    def _choose_piece(
        self, pool: SessionPool, spec: GraphSpec, precision: Precision, *, seen: tuple[int, int]
    ) -> tuple[int, int]:
        """Return the size of the tiles of a session that works in place: as large as memory allows."""
        session = _checked_in_place(pool.get(spec, precision))
        height = _LARGEST_HEIGHT
        while True:
            piece = tiling.choose_piece(
                seen,
                halo=self._halo,
                streams=self._streams_of_an_image(pool),
                largest_area=self._options.tile_area,
                largest_height=height,
            )
            needed = session.working_memory(piece, separate_detail=spec.separate_detail)
            height = max(piece[1] // 2, 4 * self._halo)
            if needed * pool.session_options.streams <= self._max_memory(pool) or height >= piece[1]:
                return piece

    def _max_memory(self, pool: SessionPool) -> int:
        """Return the bytes that a runtime may take."""
        if self._options.max_memory is not None:
            return self._options.max_memory
        return memory.default_limit(self._model.spec, on_card=pool.memory_of_card)

    def _runs_at_once(self, pool: SessionPool) -> int:
        """Return how many tiles are in memory at once: a card computes one while others are copied."""
        return pool.session_options.streams if pool.memory_of_card is None else 1

    def _streams_of_an_image(self, pool: SessionPool) -> int:
        """Return how many streams are there for each of the calls made at the same time."""
        return max(self._runs_at_once(pool) // self._options.concurrency, 1)

    def _largest_area(self, pool: SessionPool) -> float:
        """Return the most pixels that a tile shall have if memory does not matter."""
        if self._tile_cache:
            return _REUSE_AREA
        # Whole frames are the fastest: 1280x720 in three or four tiles take 12 to 18 % more CPU time, halos included.
        # On a card every tile costs its launches and copies as well.
        is_whole = self._options.concurrency > 1 or pool.memory_of_card is not None
        return min(math.inf if is_whole else (_LARGE_ENOUGH * self._halo) ** 2, self._options.tile_area)


def _checked_in_place(session: Session) -> InPlaceSession:
    """Return a session of a backend that works in place."""
    if not isinstance(session, InPlaceSession):
        raise InferenceError(f"{type(session).__name__} does not work in place", hint="set in_place to False")
    return session


def piece_of(tile: tiling.Tile) -> Piece:
    """Return a tile as the piece of an image that its core is, with the halo around it."""
    rows, columns = tile.rows, tile.columns
    return Piece(
        left=columns.core_start,
        top=rows.core_start,
        right=columns.core_end,
        bottom=rows.core_end,
        halo=(
            columns.core_start - columns.start,
            rows.core_start - rows.start,
            columns.end - columns.core_end,
            rows.end - rows.core_end,
        ),
    )
