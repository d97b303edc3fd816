"""The whole description played against a running platform with real servers: right and wrong requests, in any order."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbyard.model import engines_home
from tests.e2e.platforms import Platform, platform

ROOT = Path(__file__).parents[2]
SPARED = "DBYARD_TEST_SPARED"
"""Where `tests.e2e.spared` finds the token and the account of the run, by every name that a path may have for them."""
SECONDS = 25
"""For requests that are made up; those that walk along the edges of the schema come on top."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that can start Redis, and nothing that takes long."""
    with platform() as made:
        engines = made.home.parent / "engines"
        engines.mkdir()
        for name in ("redis", "bubblewrap"):
            (engines / name).symlink_to(engines_home() / name)
        yield made.start(DBYARD_ENGINES=str(engines))


def play(served: Platform, *options: str, **environment: str) -> None:
    """Schemathesis with a random seed, which it prints."""
    seed = random.SystemRandom().randrange(2**32)
    program = str(Path(sys.executable).with_name("st"))
    config = ("--config-file", str(ROOT / "schemathesis.toml"))
    argv = [program, *config, "run", f"{served.url}/openapi.json", "--seed", str(seed), "--no-color", *options]
    env = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.e2e.spared", "PYTHONPATH": str(ROOT), SPARED: "", **environment}
    done = subprocess.run(argv, cwd=served.home.parent, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {seed}\n{done.stdout}\n{done.stderr}\n{served.log()}"
    assert "Traceback" not in served.log()


def test_with_a_token(served: Platform) -> None:
    with served.client() as client:
        spared = f"{client.list_tokens()[0].id} {client.list_projects()[0].owner.id} admin"
    token = (served.home / "admin-token").read_text().strip()
    play(served, "--header", f"Authorization: Bearer {token}", "--max-time", str(SECONDS), **{SPARED: spared})


def test_without_a_token(served: Platform) -> None:
    play(served, "--max-examples", "3", "--phases", "coverage,fuzzing")


def test_what_was_done_is_told_in_one_chain(served: Platform) -> None:
    argv = [sys.executable, "-m", "dbyard", "audit", "verify", "--home", str(served.home)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1]) > 1
