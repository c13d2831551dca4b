"""From the contents of a report on results to one HTML file that loads nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from paragon_core.report.encoded_images import ALL_BYTES, WHOLE_BYTES, crops, data_url, encode_map, whole
from paragon_core.report.heat import RAMP, full_heat, heat_map
from paragon_core.report.html import asset, definitions, document, filled, machine, text
from paragon_core.report.plot import plot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paragon_core.quality.comparison import Comparison, MeanComparison
    from paragon_core.report.contents import Contents, Version
    from paragon_core.report.encoded_images import EncodedImage, EncodedImages
    from paragon_core.report.places import Place

#: Longest side of a heat map in pixels.
_MAP_SIDE: Final = 960
#: How much of the viewer's width a crop takes when it is shown there.
_SHARE_OF_CROP: Final = 3.0
_MOST_ZOOM: Final = 32.0


def render(contents: Contents) -> str:
    """Return the page."""
    maps = _maps(contents)
    taken = sum(len(each.data) for _, each in maps)
    shown = whole(contents.versions, most_bytes=WHOLE_BYTES - taken)
    taken += sum(len(each.data) for each in shown.images)
    content = filled(
        "results.html",
        viewer=_viewer(contents, shown, maps),
        numbers=_numbers(contents),
        crops=_crops(contents, taken),
        frames=_frames(contents),
        files=_files(contents),
        models=_models(contents),
        remarks=_remarks(contents),
        machine=machine(contents.machine),
    )
    return document(title=contents.title, subtitle=_subtitle(contents), content=content, script=asset("page.js"))


def _subtitle(contents: Contents) -> str:
    height, width = contents.versions[0].pixels.shape[:2]
    words = f"{width} x {height} pixels"
    if contents.series is not None:
        words += f", {contents.series.total} frames, of which {len(contents.series.indices)} were compared"
    return words


def _maps(contents: Contents) -> list[tuple[str, EncodedImage]]:
    """Return heat maps by the names of what they are of."""
    heats = {each.name: each.heat for each in contents.versions if each.heat is not None}
    if not heats:
        return []
    full = full_heat(list(heats.values()))
    height, width = contents.versions[0].pixels.shape[:2]
    share = min(_MAP_SIDE / max(width, height), 1.0)
    size = max(int(width * share), 1), max(int(height * share), 1)
    return [
        (name, encode_map(heat_map(heat, full=full, width=size[0], height=size[1]))) for name, heat in heats.items()
    ]


def _viewer(contents: Contents, shown: EncodedImages, maps: Sequence[tuple[str, EncodedImage]]) -> str:
    height, width = contents.versions[0].pixels.shape[:2]
    images = [(each.name, image) for each, image in zip(contents.versions, shown.images, strict=True)]
    images += [(f"Heat map of {name}", image) for name, image in maps]
    left, right = 1, 2
    views = "".join(
        f'<figure class="view" data-index="{index}"><img src="{image.url}" alt="{text(name)}" width="{width}" '
        f'height="{height}" data-pixels="{image.size[0]}" draggable="false"><figcaption>{text(name)}</figcaption>'
        "</figure>"
        for index, (name, image) in enumerate(images)
    )
    how = f"Images of {width} x {height} pixels, shown {shown.words}"
    frame = ""
    if contents.shown_frame is not None:
        index, seconds = contents.shown_frame
        frame = f" Frame {index}, at {seconds:.3f} s: the one that differs most."
    legend = _heat_legend(contents) if maps else ""
    return (
        filled(
            "viewer.html",
            lefts=_choices(images, left),
            rights=_choices(images, right),
            views=views,
            how=f"{how}. The crops below are not resized.{frame}",
        )
        + legend
    )


def _choices(images: Sequence[tuple[str, object]], chosen: int) -> str:
    return "".join(
        f'<option value="{index}"{" selected" if index == chosen else ""}>{text(name)}</option>'
        for index, (name, _) in enumerate(images)
    )


def _heat_legend(contents: Contents) -> str:
    full = full_heat([each.heat for each in contents.versions if each.heat is not None])
    stops = "".join(
        f'<stop offset="{number / (len(RAMP) - 1):.2f}" stop-color="rgb({red},{green},{blue})"/>'
        for number, (red, green, blue) in enumerate(RAMP)
    )
    return (
        '<p class="heat-legend">Heat maps: no difference '
        '<svg viewBox="0 0 120 12" preserveAspectRatio="none" aria-hidden="true"><defs><linearGradient id="ramp">'
        f'{stops}</linearGradient></defs><rect width="120" height="12" fill="url(#ramp)"/></svg> '
        f"{full:g} levels of 255 or more, in the channel that differs most. Where a map is smaller than the image, "
        "each of its pixels shows the largest difference below it.</p>"
    )


def _numbers(contents: Contents) -> str:
    measured = [(each, each.comparison) for each in contents.versions if each.comparison is not None]
    if not measured:
        return ""
    best = max(comparison.psnr_y for _, comparison in measured)
    rows = "".join(_row(version, comparison, is_best=comparison.psnr_y == best) for version, comparison in measured)
    mean = "" if contents.series is None else ", mean over the frames that were compared"
    return (
        '<section aria-labelledby="numbers-heading"><h2 id="numbers-heading">Compared with the reference</h2>'
        f'<div class="scroll" role="region" aria-label="Figures" tabindex="0"><table><thead><tr>'
        '<th scope="col">Image</th><th scope="col">PSNR-Y</th><th scope="col">SSIM</th><th scope="col">PSNR of RGB</th>'
        f'<th scope="col">Largest difference</th></tr></thead><tbody>{rows}</tbody></table></div>'
        f"<p>Luma as in published tables, without leaving a border out{mean}. Bold: the highest PSNR-Y.</p></section>"
    )


def _row(version: Version, comparison: Comparison | MeanComparison, *, is_best: bool) -> str:
    cells = (
        _decibels(comparison.psnr_y),
        "-" if comparison.ssim is None else f"{comparison.ssim:.4f}",
        _decibels(comparison.psnr_rgb),
        f"{comparison.max_difference:.4g} of 255",
    )
    marked = ' class="best"' if is_best else ""
    return f'<tr{marked}><th scope="row">{text(version.name)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _decibels(value: float) -> str:
    return "infinite" if math.isinf(value) else f"{value:.2f} dB"


def _crops(contents: Contents, taken: int) -> str:
    """Return the crops, which get the bytes that are left."""
    if not contents.places:
        return "<section><h2>Where they differ most</h2><p>They do not differ.</p></section>"
    thumbnails = [] if contents.series is None else [each for row in contents.series.rows for each in row.thumbnails]
    most_bytes = ALL_BYTES - taken - sum(len(each.data) for each in thumbnails)
    encoded = crops(contents.versions, contents.places, most_bytes=most_bytes)
    count = len(contents.versions)
    groups = (
        _crop_group(number, place, contents.versions, encoded.images[number * count : (number + 1) * count])
        for number, place in enumerate(contents.places)
    )
    quality = "lossless" if encoded.quality is None else f"WebP of quality {encoded.quality}"
    return (
        f"<section><h2>Where they differ most</h2><p>Places where {contents.places_by}, pixel for pixel at twice the "
        f"size, {quality}.</p>{''.join(groups)}</section>"
    )


def _crop_group(number: int, place: Place, versions: Sequence[Version], images: Sequence[EncodedImage]) -> str:
    height, width = versions[0].pixels.shape[:2]
    figures = "".join(
        f'<figure><img class="crop" src="{image.url}" alt="{text(version.name)}, place {number + 1}" '
        f'width="{2 * image.size[0]}" height="{2 * image.size[1]}">'
        f"<figcaption>{text(version.name)}</figcaption></figure>"
        for version, image in zip(versions, images, strict=True)
    )
    across, down = place.left + place.width / 2, place.top + place.height / 2
    zoom = min(max(width / (place.width * _SHARE_OF_CROP), 1.0), _MOST_ZOOM)
    where = f"column {place.left}, row {place.top}"
    return (
        f'<div class="place"><h3>Place {number + 1}: {where}</h3><button type="button" class="go" '
        f'data-x="{across / width:.5f}" data-y="{down / height:.5f}" data-zoom="{zoom:.3f}">'
        f'Show place {number + 1} above</button><div class="scroll" role="region" aria-label="Crops of place '
        f'{number + 1}" tabindex="0"><div class="row">{figures}</div></div></div>'
    )


def _frames(contents: Contents) -> str:
    series = contents.series
    if series is None:
        return ""
    rows = "".join(
        f'<div class="place"><h3>{number}. Frame {row.index} at {row.seconds:.3f} s: {_decibels(row.psnr_y)}</h3>'
        f'<div class="scroll" role="region" aria-label="Frame {row.index}" tabindex="0"><div class="row">'
        + "".join(
            f'<figure><img src="{data_url(each.data)}" alt="{text(each.name)}, frame {row.index}" '
            f'width="{each.size[0]}" height="{each.size[1]}">'
            f"<figcaption>{text(each.name)}</figcaption></figure>"
            for each in row.thumbnails
        )
        + "</div></div></div>"
        for number, row in enumerate(series.rows, 1)
    )
    which = "every frame" if len(series.indices) == series.total else f"{len(series.indices)} of {series.total} frames"
    return (
        f"<section><h2>Frame by frame</h2><p>PSNR-Y of {which}, compared with {text(series.against)}. Numbers mark "
        f'the frames below, which differ most.</p><div class="scroll" role="region" aria-label="Plot" tabindex="0">'
        f"{plot(series)}</div>{rows}</section>"
    )


def _files(contents: Contents) -> str:
    parts = []
    for each in contents.files:
        inside = (
            f"<details><summary>Text in the file</summary>{definitions(each.text.items())}</details>"
            if each.text
            else ""
        )
        parts.append(f'<div class="card"><h3>{text(each.role)}</h3>{definitions(each.facts.items())}{inside}</div>')
    return f'<div class="cards">{"".join(parts)}</div>'


def _models(contents: Contents) -> str:
    cards = "".join(f'<div class="card"><h3>Model</h3>{definitions(each.items())}</div>' for each in contents.models)
    whose = "As named for this report." if contents.models else "No model was named for this report."
    notes = "".join(f"<li>{text(note)}</li>" for note in contents.notes)
    return (
        f"<p>{whose} The files do not record the model, its settings or its speed.</p>"
        + (f'<div class="cards">{cards}</div>' if cards else "")
        + (f"<h3>Notes</h3><ul>{notes}</ul>" if notes else "")
    )


def _remarks(contents: Contents) -> str:
    items = "".join(f"<li>{text(remark)}</li>" for remark in contents.remarks)
    return f"<h3>Not as the files have it</h3><ul>{items}</ul>" if items else ""
