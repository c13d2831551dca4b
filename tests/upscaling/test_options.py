"""Options are one object, whichever way they are given."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from paragon_core.errors import InputError
from paragon_core.upscaling.options import RENAMED, UpscaleKeywords, UpscaleOptions
from paragon_core.upscaling.upscaler import Upscaler
from tests.random_models import MODEL


def test_type_checkers_know_every_option_and_every_old_name() -> None:
    names = {field.name for field in fields(UpscaleOptions)}
    assert set(UpscaleKeywords.__annotations__) == names | set(RENAMED)
    assert set(RENAMED.values()) <= names


def test_keywords_win_over_options() -> None:
    options = UpscaleOptions(backend="onnxruntime", streams=2, clip=False)
    with Upscaler(MODEL, options, streams=1) as upscaler:
        assert upscaler.options == replace(options, streams=1)
    with Upscaler(MODEL, backend="onnxruntime", streams=2, clip=False) as upscaler:
        assert upscaler.options == options


def test_old_names_work_with_a_warning() -> None:
    old: Any = lambda *_: None  # noqa: E731 - of no type in particular

    with (
        pytest.warns(DeprecationWarning, match="pictures_at_once is now called concurrency"),
        pytest.warns(DeprecationWarning, match="building is now called on_build_progress"),
        pytest.warns(DeprecationWarning, match="make_room is now called reserve_memory") as told,
    ):
        upscaler = Upscaler(MODEL, backend="onnxruntime", pictures_at_once=3, building=old, make_room=old)
    assert {warning.filename for warning in told} == {__file__}
    with upscaler:
        assert upscaler.options.concurrency == 3
        assert upscaler.options.on_build_progress is old
        assert upscaler.options.reserve_memory is old
        with pytest.deprecated_call(match="options.concurrency"):
            assert upscaler.pictures_at_once == 3
        with pytest.deprecated_call(match="tiles_computed"):
            assert upscaler.windows_computed == 0
        with pytest.deprecated_call(match="tiles_reused"):
            assert upscaler.windows_reused == 0


def test_unknown_keywords_are_an_error() -> None:
    with pytest.raises(TypeError, match="colour"):
        Upscaler(MODEL, colour=True)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "wrong", [{"streams": 0}, {"max_memory": 0}, {"concurrency": -1}, {"tile": 0}, {"precision": "fp8"}]
)
def test_what_is_out_of_range_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        UpscaleOptions(**wrong)
    assert caught.value.hint
