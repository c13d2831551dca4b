"""The kernels: each program computes a tile of pixels, its taps one after the other on tensor cores.

Maps are [batch, height, width, C] in float16; weights of matrices are float16, everything else, and every sum, is
float32. Images have any strides. The grid is [tiles and parts of their result, 1, images of the batch], with ``across``
tiles side by side; parts of a tile are next to each other, so that they find its input in the cache. A tile is ``ROWS``
x ``COLUMNS`` pixels, and as many rows of each matrix: a power of two, 16 at least, like the other sides of matrices.
Loops over taps are unrolled, and `static_range` says so.

The place of a tile's first pixel takes 64 bits, and those of the others, counted from there, 32: no map is too large,
and of images, what has fewer than 2**31 samples is not.
"""

from __future__ import annotations

import triton
import triton.language as tl

#: Largest value of float16.
_LARGEST = tl.constexpr(65504.0)

#: 1.5 * 2**23: next to it, float32 has whole numbers only.
_WHOLE = tl.constexpr(12582912.0)

_ROOT_OF_HALF = tl.constexpr(0.7071067811865476)

#: Not compiled again for a size that is 1, or a multiple of 16.
_SIZES = ["height", "width", "across"]
_IMAGE = ["image_batch", "image_plane", "image_row", "image_column"]
_OUT = ["out_batch", "out_plane", "out_row", "out_column"]


@triton.jit
def _tile(
    across: tl.tensor, ROWS: tl.constexpr, COLUMNS: tl.constexpr, PARTS: tl.constexpr = 1
) -> tuple[tl.tensor, ...]:
    """Return the first row and column of this program's tile, and each pixel's distance from them."""
    tile = tl.program_id(0) // PARTS
    pixel = tl.arange(0, ROWS * COLUMNS)
    return tile // across * ROWS, tile % across * COLUMNS, pixel // COLUMNS, pixel % COLUMNS


@triton.jit
def _start(top: tl.tensor, left: tl.tensor, height: tl.tensor, width: tl.tensor) -> tl.tensor:
    """Return how many pixels of a map are before a tile's first one."""
    return (tl.program_id(2).to(tl.int64) * height + top) * width + left


@triton.jit
def _inside(row: tl.tensor, column: tl.tensor, height: tl.tensor, width: tl.tensor) -> tl.tensor:
    """Return whether pixels are in the image."""
    return (row >= 0) & (row < height) & (column >= 0) & (column < width)


@triton.jit
def _at_edge(
    top: tl.tensor, left: tl.tensor, height: tl.tensor, width: tl.tensor, ROWS: tl.constexpr, COLUMNS: tl.constexpr
) -> tl.tensor:
    """Return whether a pixel next to the tile is outside the image."""
    return (top == 0) | (left == 0) | (top + ROWS >= height) | (left + COLUMNS >= width)


@triton.jit
def _pixels(
    features: tl.tensor, y: tl.tensor, x: tl.tensor, width: tl.tensor, here: tl.tensor, C: tl.constexpr
) -> tl.tensor:
    """Return the features [pixels, C] at distances from the tile's first pixel, zeros where ``here`` is false."""
    place = ((y * width + x) * C)[:, None] + tl.arange(0, C)[None, :]
    return tl.load(features + place, mask=here[:, None], other=0.0)


@triton.jit
def _matrix(weight: tl.tensor, ROWS: tl.constexpr, columns: tl.tensor, COLUMNS: tl.constexpr) -> tl.tensor:
    """Return the chosen columns of a matrix [ROWS, COLUMNS]."""
    return tl.load(weight + (tl.arange(0, ROWS) * COLUMNS)[:, None] + columns[None, :])


@triton.jit
def _shares_outside(
    edge: tl.tensor,
    row: tl.tensor,
    column: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    columns: tl.tensor,
    COLUMNS: tl.constexpr,
) -> tl.tensor:
    """Return the sum of the taps' shares [9, COLUMNS] over those that are outside the image."""
    total = tl.zeros((row.shape[0], columns.shape[0]), dtype=tl.float32)
    for tap in tl.static_range(9):
        inside = _inside(row + (tap // 3 - 1), column + (tap % 3 - 1), height, width)
        total += tl.where(inside[:, None], 0.0, tl.load(edge + tap * COLUMNS + columns)[None, :])
    return total


@triton.jit
def _hardswish(value: tl.tensor) -> tl.tensor:
    return value * tl.minimum(tl.maximum(value + 3.0, 0.0), 6.0) * (1.0 / 6.0)


@triton.jit(do_not_specialize=[*_SIZES, *_IMAGE])
def head(
    image: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    out: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    across: tl.tensor,
    image_batch: tl.tensor,
    image_plane: tl.tensor,
    image_row: tl.tensor,
    image_column: tl.tensor,
    PLANES: tl.constexpr,
    PEAK: tl.constexpr,
    K: tl.constexpr,
    C: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """conv_in: an image of 0..``PEAK`` to features; ``weight`` is `PackedNetwork.head`."""
    top, left, y, x = _tile(across, ROWS, COLUMNS)
    image += tl.program_id(2).to(tl.int64) * image_batch
    image += top.to(tl.int64) * image_row + left.to(tl.int64) * image_column
    k = tl.arange(0, K)
    down, right = k // PLANES // 3 - 1, k // PLANES % 3 - 1
    inside = _inside((top + y)[:, None] + down[None, :], (left + x)[:, None] + right[None, :], height, width)
    inside &= (k < 9 * PLANES)[None, :]
    tap = down * image_row + right * image_column + k % PLANES * image_plane
    pixel = y * image_row + x * image_column
    patch = tl.load(image + (pixel[:, None] + tap[None, :]), mask=inside, other=0)
    c = tl.arange(0, C)
    matrix = _matrix(weight, K, c, C)
    if image.dtype.element_ty == tl.uint8:  # float16 holds bytes as they are, and not their 255th parts
        result = tl.dot(patch.to(tl.float16), matrix, out_dtype=tl.float32) * (1.0 / PEAK)
    else:
        result = tl.dot((patch.to(tl.float32) * (1.0 / PEAK)).to(tl.float16), matrix, out_dtype=tl.float32)
    result += tl.load(bias + c)[None, :]
    here = _inside(top + y, left + x, height, width)
    out += _start(top, left, height, width) * C
    tl.store(out + ((y * width + x) * C)[:, None] + c[None, :], result.to(tl.float16), mask=here[:, None])


@triton.jit(do_not_specialize=_SIZES)
def convolution(
    features: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    out: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    across: tl.tensor,
    C: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """conv_mid: features to features; ``weight`` is [9, C, C]."""
    top, left, y, x = _tile(across, ROWS, COLUMNS)
    start = _start(top, left, height, width) * C
    c = tl.arange(0, C)
    summed = tl.zeros((ROWS * COLUMNS, C), dtype=tl.float32) + tl.load(bias + c)[None, :]
    for tap in tl.static_range(9):
        down, right = y + (tap // 3 - 1), x + (tap % 3 - 1)
        inside = _inside(top + down, left + right, height, width)
        given = _pixels(features + start, down, right, width, inside, C)
        summed = tl.dot(given, _matrix(weight + tap * C * C, C, c, C), summed)
    here = _inside(top + y, left + x, height, width)
    place = start + ((y * width + x) * C)[:, None] + c[None, :]
    tl.store(out + place, summed.to(tl.float16), mask=here[:, None])


@triton.jit
def _store_residual(
    branch: tl.tensor,
    features: tl.tensor,
    group: tl.tensor,
    out: tl.tensor,
    y: tl.tensor,
    x: tl.tensor,
    width: tl.tensor,
    here: tl.tensor,
    C: tl.constexpr,
) -> None:
    """Store the sum of a branch and a block's input, and of its group's input if there is one."""
    result = branch + _pixels(features, y, x, width, here, C).to(tl.float32)
    if group is not None:
        result += _pixels(group, y, x, width, here, C).to(tl.float32)
    place = ((y * width + x) * C)[:, None] + tl.arange(0, C)[None, :]
    tl.store(out + place, result.to(tl.float16), mask=here[:, None])


@triton.jit(do_not_specialize=_SIZES)
def nano(
    features: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    edge: tl.tensor,
    project: tl.tensor,
    project_bias: tl.tensor,
    out: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    across: tl.tensor,
    C: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """A block of realtime with GELU, see `PackedNano`."""
    H: tl.constexpr = 2 * C
    top, left, y, x = _tile(across, ROWS, COLUMNS)
    start = _start(top, left, height, width) * C
    features += start
    c, h = tl.arange(0, C), tl.arange(0, H)
    summed = tl.zeros((ROWS * COLUMNS, H), dtype=tl.float32) + tl.load(bias + h)[None, :]
    for row in range(3):  # all 9 taps at once would need many registers
        down = y + (row - 1)
        for column in tl.static_range(3):
            right = x + (column - 1)
            inside = _inside(top + down, left + right, height, width)
            given = _pixels(features, down, right, width, inside, C)
            summed = tl.dot(given, _matrix(weight + (3 * row + column) * (C * H), C, h, H), summed)
    if _at_edge(top, left, height, width, ROWS, COLUMNS):
        summed -= _shares_outside(edge, top + y, left + x, height, width, h, H)
    active = 0.5 * summed * (1.0 + tl.erf(summed * _ROOT_OF_HALF))
    branch = tl.dot(active.to(tl.float16), _matrix(project, H, c, C), out_dtype=tl.float32)
    branch += tl.load(project_bias + c)[None, :]
    here = _inside(top + y, left + x, height, width)
    _store_residual(branch, features, None, out + start, y, x, width, here, C)


@triton.jit(do_not_specialize=_SIZES)
def nano_hardswish(
    features: tl.tensor,
    group: tl.tensor,
    expand: tl.tensor,
    expand_bias: tl.tensor,
    depthwise: tl.tensor,
    depthwise_bias: tl.tensor,
    project: tl.tensor,
    project_bias: tl.tensor,
    out: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    across: tl.tensor,
    C: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """A block of realtime with Hardswish, see `PackedHardswish`; ``group`` is added too, unless it is None."""
    H: tl.constexpr = 2 * C
    top, left, y, x = _tile(across, ROWS, COLUMNS)
    start = _start(top, left, height, width) * C
    features += start
    c, h = tl.arange(0, C), tl.arange(0, H)
    matrix = _matrix(expand, C, h, H)
    inner_bias = tl.load(expand_bias + h)[None, :]
    summed = tl.zeros((ROWS * COLUMNS, H), dtype=tl.float32) + tl.load(depthwise_bias + h)[None, :]
    for tap in range(9):  # not unrolled: that would need more registers than there are
        down, right = y + (tap // 3 - 1), x + (tap % 3 - 1)
        inside = _inside(top + down, left + right, height, width)
        given = _pixels(features, down, right, width, inside, C)
        expanded = _hardswish(tl.dot(given, matrix, out_dtype=tl.float32) + inner_bias)
        summed += tl.where(inside[:, None], expanded, 0.0) * tl.load(depthwise + tap * H + h)[None, :]
    active = _hardswish(summed)
    branch = tl.dot(active.to(tl.float16), _matrix(project, H, c, C), out_dtype=tl.float32)
    branch += tl.load(project_bias + c)[None, :]
    here = _inside(top + y, left + x, height, width)
    group_here = None if group is None else group + start
    _store_residual(branch, features, group_here, out + start, y, x, width, here, C)


@triton.jit(do_not_specialize=_SIZES)
def stream_mix(
    features: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    out: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    across: tl.tensor,
    C: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """The first half of a block of stream: ``mix`` of `PackedStream`."""
    top, left, y, x = _tile(across, ROWS, COLUMNS)
    start = _start(top, left, height, width) * C
    features += start
    c = tl.arange(0, C)
    summed = tl.zeros((ROWS * COLUMNS, C), dtype=tl.float32) + tl.load(bias + c)[None, :]
    for tap in tl.static_range(9):
        down, right = y + (tap // 3 - 1), x + (tap % 3 - 1)
        inside = _inside(top + down, left + right, height, width)
        given = _pixels(features, down, right, width, inside, C)
        summed = tl.dot(given, _matrix(weight + tap * C * C, C, c, C), summed)
    for far in tl.static_range(8):
        # The centre is among the near ones.
        down, right = y + 3 * ((far + far // 4) // 3 - 1), x + 3 * ((far + far // 4) % 3 - 1)
        inside = _inside(top + down, left + right, height, width)
        given = _pixels(features, down, right, width, inside, C)
        summed = tl.dot(given, _matrix(weight + (9 + far) * C * C, C, c, C), summed)
    here = _inside(top + y, left + x, height, width)
    place = start + ((y * width + x) * C)[:, None] + c[None, :]
    tl.store(out + place, summed.to(tl.float16), mask=here[:, None])


@triton.jit(do_not_specialize=_SIZES)
def stream_gate(
    features: tl.tensor,
    mixed: tl.tensor,
    weight_a: tl.tensor,
    bias_a: tl.tensor,
    edge_a: tl.tensor,
    weight_b: tl.tensor,
    bias_b: tl.tensor,
    edge_b: tl.tensor,
    project: tl.tensor,
    project_bias: tl.tensor,
    bound: float,
    out: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    across: tl.tensor,
    CLAMPED: tl.constexpr,
    CHUNK: tl.constexpr,
    C: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """The second half of a block of stream: ``features + project(a(mixed) * b(mixed))``, by ``CHUNK`` channels.

    The product is clamped to +- ``bound`` if ``CLAMPED``.
    """
    H: tl.constexpr = 2 * C
    top, left, y, x = _tile(across, ROWS, COLUMNS)
    start = _start(top, left, height, width) * C
    mixed += start
    c = tl.arange(0, C)
    at_edge = _at_edge(top, left, height, width, ROWS, COLUMNS)
    branch = tl.zeros((ROWS * COLUMNS, C), dtype=tl.float32) + tl.load(project_bias + c)[None, :]
    for first in tl.static_range(0, H, CHUNK):
        h = first + tl.arange(0, CHUNK)
        a = tl.zeros((ROWS * COLUMNS, CHUNK), dtype=tl.float32) + tl.load(bias_a + h)[None, :]
        b = tl.zeros((ROWS * COLUMNS, CHUNK), dtype=tl.float32) + tl.load(bias_b + h)[None, :]
        for row in range(3):  # all 9 taps at once would need many registers
            down = y + (row - 1)
            for column in tl.static_range(3):
                right = x + (column - 1)
                inside = _inside(top + down, left + right, height, width)
                given = _pixels(mixed, down, right, width, inside, C)
                tap = (3 * row + column) * (C * H)
                a = tl.dot(given, _matrix(weight_a + tap, C, h, H), a)
                b = tl.dot(given, _matrix(weight_b + tap, C, h, H), b)
        if at_edge:
            a -= _shares_outside(edge_a, top + y, left + x, height, width, h, H)
            b -= _shares_outside(edge_b, top + y, left + x, height, width, h, H)
        product = a * b
        if CLAMPED:  # infinite products too, but what is not a number stays so
            product = tl.where(product > bound, bound, tl.where(product < -bound, -bound, product))
        branch = tl.dot(product.to(tl.float16), _matrix(project + first * C, CHUNK, c, C), branch)
    here = _inside(top + y, left + x, height, width)
    _store_residual(branch, features + start, None, out + start, y, x, width, here, C)


@triton.jit(do_not_specialize=[*_SIZES, *_IMAGE])
def soften(
    image: tl.tensor,
    weight: tl.tensor,
    out: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    across: tl.tensor,
    image_batch: tl.tensor,
    image_plane: tl.tensor,
    image_row: tl.tensor,
    image_column: tl.tensor,
    PLANES: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """The filter before the base path: an image to one of float32 [batch, planes, height, width]; a part is a plane."""
    top, left, y, x = _tile(across, ROWS, COLUMNS, PLANES)
    plane = (tl.program_id(0) % PLANES).to(tl.int64)
    image += tl.program_id(2).to(tl.int64) * image_batch + plane * image_plane
    image += top.to(tl.int64) * image_row + left.to(tl.int64) * image_column
    summed = tl.zeros((ROWS * COLUMNS,), dtype=tl.float32)
    for tap in range(49):
        down, right = y + (tap // 7 - 3), x + (tap % 7 - 3)
        inside = _inside(top + down, left + right, height, width)
        value = tl.load(image + down * image_row + right * image_column, mask=inside, other=0).to(tl.float32)
        summed += value * tl.load(weight + tap)
    out += ((tl.program_id(2).to(tl.int64) * PLANES + plane) * height + top) * width + left
    tl.store(out + y * width + x, summed, mask=_inside(top + y, left + x, height, width))


@triton.jit
def _kind(line: tl.tensor, count: tl.tensor) -> tl.tensor:
    """Return the kind of a line of cells, see `PackedTail`."""
    return tl.where(line == -1, 0, tl.where(line == count - 1, 2, 1))


@triton.jit(do_not_specialize=[*_SIZES, *_IMAGE, *_OUT])
def tail(
    features: tl.tensor,
    image: tl.tensor,
    detail: tl.tensor,
    bias: tl.tensor,
    base: tl.tensor,
    out: tl.tensor,
    finite: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    across: tl.tensor,
    image_batch: tl.tensor,
    image_plane: tl.tensor,
    image_row: tl.tensor,
    image_column: tl.tensor,
    out_batch: tl.tensor,
    out_plane: tl.tensor,
    out_row: tl.tensor,
    out_column: tl.tensor,
    PLANES: tl.constexpr,
    SCALE: tl.constexpr,
    PEAK: tl.constexpr,
    CLIP: tl.constexpr,
    N: tl.constexpr,
    CHUNK: tl.constexpr,
    K: tl.constexpr,
    C: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
) -> None:
    """Features and the image of the base path to the result, see `PackedTail`; a part is ``CHUNK`` of its columns.

    Pixels of a tile are cells, and the first cell is one row above and one column left of the image. Both images
    have values of 0..``PEAK``, which is 1 for floats. Integers are rounded half to even and clipped, floats with
    ``CLIP`` only. ``finite`` becomes 0 if a value is not finite, and else is left alone.
    """
    PARTS: tl.constexpr = N // CHUNK
    top, left, y, x = _tile(across, ROWS, COLUMNS, PARTS)
    top -= 1
    left -= 1
    features += _start(top, left, height, width) * C
    n = tl.program_id(0) % PARTS * CHUNK + tl.arange(0, CHUNK)
    row_kind, column_kind = _kind(top + y, height), _kind(left + x, width)
    last_row, last_column = tl.minimum(top + ROWS, height) - 1, tl.minimum(left + COLUMNS, width) - 1
    summed = tl.zeros((ROWS * COLUMNS, CHUNK), dtype=tl.float32)
    for of_row in range(_kind(top, height), _kind(last_row, height) + 1):
        for of_column in range(_kind(left, width), _kind(last_column, width) + 1):
            # Inside the image this is done once. At the border every kind adds its share to the cells that are of it.
            kind = 3 * of_row + of_column
            weight = detail + kind * (16 * C * N)
            mine = (row_kind == of_row) & (column_kind == of_column)
            summed += tl.where(mine[:, None], tl.load(bias + kind * N + n)[None, :], 0.0)
            for row in range(4):  # all 16 taps at once would need many registers
                down = y + (row - 1)
                for column in tl.static_range(4):
                    right = x + (column - 1)
                    here = mine & _inside(top + down, left + right, height, width)
                    given = _pixels(features, down, right, width, here, C)
                    matrix = _matrix(weight + (4 * row + column) * (C * N), C, n, N)
                    summed = tl.dot(given, matrix, summed)
    image += tl.program_id(2).to(tl.int64) * image_batch
    image += top.to(tl.int64) * image_row + left.to(tl.int64) * image_column
    k = tl.arange(0, K)
    below, beside = k // PLANES // 4 - 1, k // PLANES % 4 - 1
    inside = _inside((top + y)[:, None] + below[None, :], (left + x)[:, None] + beside[None, :], height, width)
    inside &= (k < 16 * PLANES)[None, :]
    base_tap = below * image_row + beside * image_column + k % PLANES * image_plane
    cell = y * image_row + x * image_column
    patch = tl.load(image + (cell[:, None] + base_tap[None, :]), mask=inside, other=0)
    base_matrix = _matrix(base, K, n, N)
    if image.dtype.element_ty == tl.uint8:  # float16 holds bytes, and the weights of this path, as they are
        summed = tl.dot(patch.to(tl.float16), base_matrix, summed * PEAK)
    else:
        value = patch.to(tl.float32) * (1.0 / PEAK)
        high = value.to(tl.float16)
        summed = tl.dot(high, base_matrix, summed)
        summed = tl.dot((value - high.to(tl.float32)).to(tl.float16), base_matrix, summed) * PEAK

    inner_row, inner_column = n // (PLANES * SCALE) + 1, n // PLANES % SCALE + 1
    out_here = _inside(
        (SCALE * (top + y))[:, None] + inner_row[None, :],
        (SCALE * (left + x))[:, None] + inner_column[None, :],
        SCALE * height,
        SCALE * width,
    )
    out_here &= (n < PLANES * SCALE * SCALE)[None, :]
    out += tl.program_id(2).to(tl.int64) * out_batch
    out += top.to(tl.int64) * (SCALE * out_row) + left.to(tl.int64) * (SCALE * out_column)
    corner = SCALE * (y * out_row + x * out_column)
    places = corner[:, None] + (inner_row * out_row + inner_column * out_column + n % PLANES * out_plane)[None, :]
    nothing = tl.zeros((ROWS * COLUMNS, CHUNK), dtype=tl.int32)
    tl.store(finite + nothing, nothing.to(tl.uint8), mask=out_here & (summed * 0.0 != 0.0))
    element: tl.constexpr = out.dtype.element_ty
    if element == tl.float16:
        summed = tl.minimum(tl.maximum(summed, -_LARGEST), _LARGEST)
    if CLIP or PEAK != 1:
        summed = tl.minimum(tl.maximum(summed, 0.0), 1.0 * PEAK)
    if PEAK != 1:
        summed = (summed + _WHOLE) - _WHOLE  # half to even
    tl.store(out + places, summed.to(element), mask=out_here)
