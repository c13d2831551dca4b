"""Start processes that build, write, load and evict engines, and kill them at random moments.

Arguments: the cache's folder, how many pairs of processes to kill, the seed, and a file that stands for an engine.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from paragon_core.engines import BuildProgress, EngineCache, Profile
from tests.engines.engine_files import content, key, loading

assert sys.platform != "win32"  # for the type checker: from here on, POSIX only

KEY = key()
PROFILES = [Profile.static((64 * number, 64)) for number in range(1, 6)]
SIZE = 200_000


def right(profile: Profile, engine: bytes) -> bytes:
    """Return what an engine has to hold: something of its own, and a real engine if there is one."""
    return content(KEY, profile, SIZE) + engine


def work(cache: EngineCache, contents: dict[Profile, bytes], chance: random.Random, wrong: Path) -> NoReturn:
    """Use engines until killed."""
    while True:
        profile = chance.choice(PROFILES)

        def build(progress: BuildProgress, profile: Profile = profile) -> bytes:
            time.sleep(chance.uniform(0, 0.003))
            progress(0.5, "building")
            return contents[profile]

        if cache.get_or_build(KEY, profile, build, loading) != contents[profile]:
            wrong.touch()


def main(folder: Path, rounds: int, seed: int, engine: bytes) -> dict[str, int]:
    """Kill, and count what was found afterwards."""
    contents = {profile: right(profile, engine) for profile in PROFILES}
    by_name = {profile.name: data for profile, data in contents.items()}
    cache = EngineCache(folder, max_bytes=len(contents[PROFILES[0]]) * 5 // 2)
    wrong = folder.with_name("wrong")
    chance = random.Random(seed)  # noqa: S311 - no secret
    found = {"whole": 0, "unfinished": 0, "wrong": 0}
    for _ in range(rounds):
        children = []
        for _ in range(2):
            seed = chance.getrandbits(32)
            child = os.fork()
            if child == 0:
                work(cache, contents, random.Random(seed), wrong)  # noqa: S311
            children.append(child)
        time.sleep(chance.uniform(0, 0.2))
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            _, status = os.waitpid(child, 0)
            found["wrong"] += not os.WIFSIGNALED(status)
        for entry in cache.entries():
            if cache.verify(entry):
                found["unfinished"] += 1
            else:
                found["whole"] += 1
                found["wrong"] += entry.files.engine.read_bytes() != by_name[entry.files.name]
    found["wrong"] += wrong.exists()
    for profile in PROFILES:
        data = cache.get_or_build(KEY, profile, lambda _, profile=profile: contents[profile], loading)  # type: ignore[misc]
        found["wrong"] += data != contents[profile]
    found["stray"] = sum(1 for _ in folder.rglob("*.part"))
    cache.prune(max_bytes=0)
    found["left"] = len(cache.entries())
    return found


if __name__ == "__main__":
    content_of_file = Path(sys.argv[4]).read_bytes() if len(sys.argv) > 4 else b""
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), content_of_file)))  # noqa: T201
