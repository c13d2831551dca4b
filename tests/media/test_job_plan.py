from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paragon_core.errors import InputError, ParagonError, UnsupportedFormatError
from paragon_core.media.job_plan import Job, plan

if TYPE_CHECKING:
    from collections.abc import Iterable


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with images at several depths and things that are none; the working directory is its parent."""
    for name in (
        "b.png", "a.JPG", "note.txt", ".hidden.png", "sub/c.webp", "sub/deep/d.tiff", ".git/e.png", "sub/f.avif",
        "sub/.g.bmp", "empty/.keep",
    ):  # fmt: skip
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


def pairs(jobs: Iterable[Job]) -> list[tuple[str, str]]:
    return [(job.source.as_posix(), job.target.as_posix()) for job in jobs]


@pytest.mark.usefixtures("tree")
class TestPlan:
    def test_a_file_to_a_file(self) -> None:
        assert pairs(plan(["photos/b.png"], "x.webp", suffix="_2x")) == [("photos/b.png", "x.webp")]

    def test_a_file_into_a_folder(self) -> None:
        expected = [("photos/b.png", "out/b.png")]
        assert pairs(plan(["photos/b.png"], "out", suffix="_2x")) == expected
        assert pairs(plan(["photos/b.png"], "out/", suffix="_2x")) == expected
        Path("out.png").mkdir()
        assert pairs(plan(["photos/b.png"], "out.png", suffix="_2x")) == [("photos/b.png", "out.png/b.png")]
        assert pairs(plan(["photos/b.png"], "new.png/", suffix="_2x")) == [("photos/b.png", "new.png/b.png")]

    def test_beside_the_source(self) -> None:
        assert pairs(plan(["photos/a.JPG"], suffix="_2x")) == [("photos/a.JPG", "photos/a_2x.JPG")]
        jobs = plan(["photos/a.JPG"], suffix="_2x", target_format="jpeg")
        assert pairs(jobs) == [("photos/a.JPG", "photos/a_2x.JPG")]
        jobs = plan(["photos/a.JPG"], suffix="_2x", target_format="avif")
        assert pairs(jobs) == [("photos/a.JPG", "photos/a_2x.avif")]

    def test_a_folder_becomes_a_tree(self) -> None:
        expected = [
            ("photos/a.JPG", "big/a.JPG"),
            ("photos/b.png", "big/b.png"),
            ("photos/sub/c.webp", "big/sub/c.webp"),
            ("photos/sub/f.avif", "big/sub/f.avif"),
            ("photos/sub/deep/d.tiff", "big/sub/deep/d.tiff"),
        ]
        assert pairs(plan(["photos"], "big", suffix="_2x")) == expected
        next_to = [(source, target.replace("big", "photos_2x")) for source, target in expected]
        assert pairs(plan(["photos"], suffix="_2x")) == next_to
        assert pairs(plan(["photos/"], suffix="_2x")) == next_to

    def test_the_working_directory(self, monkeypatch: pytest.MonkeyPatch, tree: Path) -> None:
        monkeypatch.chdir(tree / "sub")
        assert (Path("c.webp"), tree / "sub_2x" / "c.webp") in [(t.source, t.target) for t in plan(["."], suffix="_2x")]

    def test_an_output_inside_the_input_is_not_searched(self) -> None:
        Path("photos/big").mkdir()
        Path("photos/big/b.png").touch()
        assert all("big/" not in source for source, _ in pairs(plan(["photos"], "photos/big", suffix="")))
        assert all("big/" not in source for source, _ in pairs(plan(["photos/**/*"], "photos/big", suffix="")))

    def test_patterns(self) -> None:
        assert pairs(plan(["photos/*.png"], "out", suffix="")) == [("photos/b.png", "out/b.png")]
        assert pairs(plan(["photos/*/*.web?"], "out", suffix="")) == [("photos/sub/c.webp", "out/sub/c.webp")]
        recursive = [source for source, _ in pairs(plan(["photos/**/*.[tw]*"], "out", suffix=""))]
        assert recursive == ["photos/sub/c.webp", "photos/sub/deep/d.tiff"]
        assert len(plan(["**/*"], "out", suffix="")) == 5
        assert pairs(plan(["photos/*.png"], suffix="_2x")) == [("photos/b.png", "photos/b_2x.png")]

    def test_names_that_look_like_patterns(self) -> None:
        Path("x[1].png").touch()
        Path("[2020]").mkdir()
        Path("[2020]/y.png").touch()
        assert pairs(plan(["x[1].png"], "out", suffix="")) == [("x[1].png", "out/x[1].png")]
        assert pairs(plan(["[2020]/*.png"], "out", suffix="")) == [("[2020]/y.png", "out/y.png")]

    def test_a_pattern_can_be_repeated_without_an_output(self) -> None:
        Path("photos/b_2x.png").touch()
        expected = [("photos/b.png", "photos/b_2x.png")]
        assert pairs(plan(["photos/*.png"], suffix="_2x")) == expected
        assert pairs(plan(["photos/b.png", "photos/b_2x.png"], suffix="_2x")) == expected  # expanded by the shell

    def test_each_source_once(self) -> None:
        jobs = plan(["photos/b.png", "photos", "photos/*.png", Path("photos/../photos/b.png")], "out", suffix="")
        assert [job.source.name for job in jobs].count("b.png") == 1
        assert jobs[0].source == Path("photos/b.png")

    def test_files_without_a_known_ending(self) -> None:
        assert pairs(plan(["photos/note.txt"], "out", suffix="")) == [("photos/note.txt", "out/note.png")]

    def test_dots_in_names(self) -> None:
        Path("v1.2.final.png").touch()
        assert pairs(plan(["v1.2.final.png"], suffix="_4x")) == [("v1.2.final.png", "v1.2.final_4x.png")]

    @pytest.mark.parametrize(
        ("inputs", "output", "words"),
        [
            ([], None, "no input"),
            (["missing.png"], None, "does not exist"),
            (["*.psd"], None, "no image or video matches"),
            (["missing/*.png"], None, "does not exist"),
            (["photos/empty"], None, "there is no image or video"),
            (["photos/b.png"], "photos/b.png", "would replace"),
            (["photos/b.png"], "photos", "would replace"),
            (["photos"], "photos", "would replace"),
            (["photos/b.png"], "photos/sub/../b.png", "would replace"),
            (["photos/b.png", "photos/a.JPG"], "one.png", "name of one file"),
            (["photos"], "one.png", "name of one file"),
            (["photos/*"], "one.png", "name of one file"),
            (["photos"], "photos/note.txt", "neither a folder nor an image"),
        ],
    )
    def test_refusals(self, inputs: list[str], output: str | None, words: str) -> None:
        with pytest.raises(ParagonError, match=words) as caught:
            plan(inputs, output, suffix="_2x")
        assert caught.value.hint

    def test_an_output_in_a_format_that_cannot_be_written(self) -> None:
        with pytest.raises(UnsupportedFormatError, match=r"\.psd") as caught:
            plan(["photos/b.png"], "b.psd", suffix="")
        assert ".png" in caught.value.hint

    def test_an_output_that_contradicts_the_format(self) -> None:
        with pytest.raises(InputError, match="--format asks for jpeg"):
            plan(["photos/b.png"], "x.png", suffix="", target_format="jpeg")

    def test_two_sources_with_one_target(self) -> None:
        Path("photos/b.webp").touch()
        Path("other").mkdir()
        Path("other/b.png").touch()
        with pytest.raises(InputError, match="would both become"):
            plan(["photos"], "out", suffix="", target_format="png")
        with pytest.raises(InputError, match="would both become"):
            plan(["photos", "other"], "out", suffix="")

    @pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
    def test_links(self) -> None:
        Path("photos/sub/loop").symlink_to(Path("photos").resolve())
        Path("photos/sub/same.png").symlink_to(Path("photos/b.png").resolve())
        sources = [job.source.name for job in plan(["photos"], "out", suffix="")]
        assert sorted(sources) == ["a.JPG", "b.png", "c.webp", "d.tiff", "f.avif"]
        Path("link.png").symlink_to(Path("photos/b.png").resolve())
        with pytest.raises(InputError, match="would replace"):
            plan(["photos/b.png"], "link.png", suffix="")

    @pytest.mark.skipif(sys.platform not in {"win32", "darwin"}, reason="file names that differ in case are two files")
    def test_case(self) -> None:
        with pytest.raises(InputError, match="would replace"):
            plan(["photos/b.png"], "photos/B.PNG", suffix="")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("abcäß日 .'[]-", min_size=1, max_size=12), min_size=1, max_size=8, unique=True))
def test_any_names_keep_their_place_in_the_tree(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    root = tmp_path_factory.mktemp("names")
    wanted = set()
    for name in names:
        relative = Path(name.strip(" .").replace("..", "") or "x", "image.png")
        (root / "in" / relative).parent.mkdir(parents=True, exist_ok=True)
        (root / "in" / relative).touch()
        wanted.add(relative)
    jobs = plan([root / "in"], root / "out", suffix="")
    assert {job.target.relative_to(root / "out") for job in jobs} == wanted
    assert all(job.source.relative_to(root / "in") == job.target.relative_to(root / "out") for job in jobs)
    assert plan([root / "in"], root / "out", suffix="") == jobs
