"""The exception tree: what catches what, and that nothing is lost on the way between processes."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from paragon_core import errors
from paragon_core.errors import (
    AssumptionWarning,
    BackendUnavailableError,
    InputError,
    OutOfMemoryError,
    ParagonError,
    UnreadableCheckpointError,
    UnsupportedArchitectureError,
    as_lines,
)
from paragon_core.models.checkpoint import read_checkpoint

ALL = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ParagonError)
]  # in alphabetical order


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_errors_survive_pickling(kind: type[ParagonError], protocol: int) -> None:
    error = kind("what is wrong", hint="what to do")
    if isinstance(error, UnsupportedArchitectureError):
        error.missing, error.unexpected = ("a", "b"), ("c",)
    for again in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301
        assert type(again) is kind
        assert (str(again), again.args, again.hint) == ("what is wrong", ("what is wrong",), "what to do")
        assert vars(again) == vars(error)


@pytest.mark.parametrize("kind", ALL)
def test_errors_say_what_they_are_told_and_need_no_hint(kind: type[ParagonError]) -> None:
    error = kind("50 % of it: {} and \u2192")
    assert str(error) == "50 % of it: {} and \u2192"
    assert error.hint == ""
    assert kind.__doc__
    with pytest.raises(kind, match="of it"):
        raise error


def test_errors_come_back_from_another_process() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        error = pool.submit(read_checkpoint, "no such file.pth").exception()
    assert isinstance(error, UnreadableCheckpointError)
    assert str(error) == "there is no file no such file.pth"
    assert error.hint


def test_tree_in_the_documentation_is_the_tree() -> None:
    """Rebuild the parents from the drawing: a line's parent is the last line that is one step less indented."""
    assert errors.__doc__
    drawn: dict[str, str] = {}
    above: dict[int, str] = {}
    for line in errors.__doc__.splitlines():
        if match := re.fullmatch(r"    ([│├└─ ]*)(\w+Error)\b(.*)", line):
            depth = len(match[1]) // 4
            above[depth] = match[2]
            drawn[match[2]] = above.get(depth - 1, "Exception")
            kind = getattr(errors, match[2])
            builtin = re.search(r"\((\w+Error)\)", match[3])
            others = [base.__name__ for base in kind.__bases__ if not issubclass(base, ParagonError)]
            assert others == ([builtin[1]] if builtin else ["Exception"] * (depth == 0))
            for attribute in re.findall(r"\.(\w+)", match[3]):
                assert getattr(kind("x"), attribute) == ()
    real = {kind.__name__: kind.__bases__[0].__name__ for kind in ALL}
    assert drawn == real


def test_builtin_names_catch_them() -> None:
    for kind, builtin in (
        (UnreadableCheckpointError, OSError),
        (BackendUnavailableError, ImportError),
        (OutOfMemoryError, MemoryError),
        (InputError, ValueError),
    ):
        with pytest.raises(builtin, match="wrong"):
            raise kind("wrong", hint="do")


def test_assumptions_warn_and_do_not_fail() -> None:
    assert issubclass(AssumptionWarning, UserWarning)
    assert not issubclass(AssumptionWarning, ParagonError)


def test_scripts_print_an_error_and_its_hint() -> None:
    assert as_lines(InputError("what is wrong", hint="what to do")) == "error: what is wrong\nhint: what to do\n"
    assert as_lines(InputError("what is wrong")) == "error: what is wrong\n"
