from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paragon_core.engines import IMAGES, Profile, choose, fitting_tile_size, profiles_for
from paragon_core.errors import InputError

sides = st.integers(1, 3000)
sizes = st.tuples(sides, sides)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    widths, heights = (sorted(draw(st.lists(sides, min_size=3, max_size=3))) for _ in range(2))
    minimum, optimum, maximum = zip(widths, heights, strict=True)
    if draw(st.booleans()):
        return Profile.static(optimum, batch=draw(st.integers(1, 2)))
    return Profile(minimum=minimum, optimum=optimum, maximum=maximum, batch=draw(st.integers(1, 2)))


def distance(profile: Profile, size: tuple[int, int]) -> float:
    return sum(abs(math.log(side / best)) for side, best in zip(size, profile.optimum, strict=True))


@given(st.lists(profiles()), sizes)
def test_an_exact_engine_comes_before_the_nearest_that_covers_and_none_is_chosen_that_does_not(
    there: list[Profile], size: tuple[int, int]
) -> None:
    chosen = choose(there, size)
    fitting = [profile for profile in there if profile.covers(size)]
    if chosen is None:
        assert fitting == []
    elif Profile.static(size) in there:
        assert chosen == Profile.static(size)
    else:
        assert distance(chosen, size) == min(distance(profile, size) for profile in fitting)
    assert choose(reversed(there), size) == chosen


@given(profiles(), sizes)
def test_a_profile_covers_what_lies_between_its_ends(profile: Profile, size: tuple[int, int]) -> None:
    inside = all(low <= side <= high for low, side, high in zip(profile.minimum, size, profile.maximum, strict=True))
    assert profile.covers(size, batch=profile.batch) == inside
    assert not profile.covers(size, batch=profile.batch + 1)


@given(profiles())
def test_json_and_back(profile: Profile) -> None:
    assert Profile.from_json(profile.as_json()) == profile


@given(profiles(), profiles())
def test_different_profiles_have_different_names(one: Profile, other: Profile) -> None:
    assert (one == other) == (one.name == other.name)


def test_names_are_for_people() -> None:
    assert Profile.static((1920, 1080)).name == "1920x1080"
    assert Profile.static((640, 360), batch=4).name == "640x360_b4"
    assert IMAGES.name == "64x64-1280x720-1932x1932"


@pytest.mark.parametrize(
    ("minimum", "optimum", "maximum", "batch"),
    [
        ((0, 1), (1, 1), (1, 1), 1),
        ((2, 2), (1, 2), (4, 4), 1),
        ((2, 2), (4, 4), (4, 3), 1),
        ((2, 2), (4, 4), (2**14 + 1, 4), 1),
        ((2, 2), (4, 4), (4, 4), 0),
        ((2, 2), (4, 4), (4, 4), 1000),
    ],
)
def test_impossible_profiles_are_refused(
    minimum: tuple[int, int], optimum: tuple[int, int], maximum: tuple[int, int], batch: int
) -> None:
    with pytest.raises(InputError) as caught:
        Profile(minimum=minimum, optimum=optimum, maximum=maximum, batch=batch)
    assert caught.value.hint


@given(profiles(), sizes)
def test_tiles_fit_the_engine_and_the_image(profile: Profile, size: tuple[int, int]) -> None:
    found = fitting_tile_size(size, profile)
    assert all(side <= high for side, high in zip(found, profile.maximum, strict=True))
    if profile.covers(size, batch=profile.batch):
        assert found == size


def test_what_is_larger_than_the_engine_goes_through_it_in_tiles() -> None:
    assert fitting_tile_size((4000, 1000), IMAGES) == (1932, 1000)


@given(st.lists(st.tuples(st.integers(1, 20000), st.integers(1, 20000)), min_size=1))
def test_every_image_of_a_folder_gets_an_engine_whole_or_in_tiles(there: list[tuple[int, int]]) -> None:
    planned = profiles_for(there)
    assert len(planned) <= 5
    for size in there:
        served = choose(planned, size) or choose(planned, fitting_tile_size(size, IMAGES))
        tiny = min(size) < 64  # next to a large side: padded, or built when it comes
        assert served is not None or tiny


def test_a_few_sizes_get_an_engine_each_and_many_share_one() -> None:
    few = [(640, 480), (1920, 1080), (640, 480)]
    assert profiles_for(few) == (Profile.static((640, 480)), Profile.static((1920, 1080)))
    assert profiles_for([*few, (9000, 6000)]) == (*profiles_for(few), IMAGES)
    many = [(100 + 10 * index, 100) for index in range(9)] + [(800, 600)] * 2 + [(32, 5000)]
    assert profiles_for(many) == (Profile(minimum=(32, 64), optimum=(800, 600), maximum=IMAGES.maximum),)
