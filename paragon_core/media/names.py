"""Names of new files by a pattern."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from string import Formatter
from typing import TYPE_CHECKING, Final

from paragon_core.errors import InputError
from paragon_core.media.formats import EXTENSIONS
from paragon_core.media.video.formats import VIDEO_EXTENSIONS

if TYPE_CHECKING:
    from paragon_core.upscaling.output_size import Size

#: What a pattern may name.
FIELDS: Final = ("stem", "width", "height", "size", "model")

_SIZE_FIELDS: Final = {"width", "height"}

#: Not in file names on Windows, and in part nowhere; a name must not lead to another folder either.
_FORBIDDEN: Final = frozenset('<>:"/\\|?*')
_FIRST_PRINTABLE: Final = " "


@dataclass(frozen=True, kw_only=True)
class NamePattern:
    """The name of a result without its extension, such as ``{stem}_{width}x{height}``.

    ``{stem}`` is the source's name without its extension, ``{width}`` and ``{height}`` are the result's as viewed,
    ``{size}`` is what was asked for, such as 2x or 3840x2160, and ``{model}`` the model's name.
    """

    text: str
    """The pattern."""

    def __post_init__(self) -> None:
        """Check the pattern.

        Raises:
            InputError: it has unknown fields, formatting instructions, no name at all, or characters or an extension
                that it must not have.

        """
        hint = f'such as "{{stem}}_{{width}}x{{height}}"; fields are {", ".join(f"{{{name}}}" for name in FIELDS)}'
        try:
            parts = list(Formatter().parse(self.text))
        except ValueError as error:
            raise InputError(f"{self.text!r} is not a name pattern: {error}", hint=hint) from error
        for _, field, instructions, conversion in parts:
            if field is not None and (field not in FIELDS or instructions or conversion):
                written = "".join([field, f"!{conversion}" * bool(conversion), f":{instructions}" * bool(instructions)])
                raise InputError(f"{{{written}}} is not a field of name patterns", hint=hint)
        plain = "".join(text for text, *_ in parts)
        if wrong := sorted({letter for letter in plain if letter in _FORBIDDEN or letter < _FIRST_PRINTABLE}):
            raise InputError(
                f"a name pattern cannot contain {' '.join(map(repr, wrong))}", hint="give the folder with -o"
            )
        if not self.fields and not plain.strip(" ."):
            raise InputError(f"{self.text!r} is not the name of a file", hint=hint)
        if PurePath(self.text).suffix.lower() in {*EXTENSIONS, *VIDEO_EXTENSIONS}:
            raise InputError(
                f"a name pattern has no extension, and {self.text!r} has one",
                hint="leave it out; --format chooses the format of images",
            )

    @property
    def fields(self) -> frozenset[str]:
        """Names of the fields that it has."""
        return frozenset(field for _, field, *_ in Formatter().parse(self.text) if field is not None)

    @property
    def needs_size(self) -> bool:
        """Whether the size of each result must be known."""
        return not _SIZE_FIELDS.isdisjoint(self.fields)

    def name(self, *, stem: str, made: Size | None, size: str, model: str) -> str:
        """Return the name of one result, without its extension.

        Args:
            stem: name of the source without its extension.
            made: width and height of the result as viewed; needed if `needs_size`.
            size: what was asked for.
            model: name of the model.

        """
        width, height = made or (0, 0)
        return self.text.format(stem=stem, width=width, height=height, size=size, model=model)
