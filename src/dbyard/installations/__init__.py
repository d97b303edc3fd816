"""Finds database servers on this machine and installs them, several versions side by side, one place for all homes.

`$DBYARD_ENGINES/<technology>/<full version>/` is one server: a prefix like /usr with a manifest. It is never changed in
place. Servers of the system are recognised too, but ours come first: nobody upgrades them under a running database.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from dbyard import catalogue
from dbyard.errors import InstallationError, Invalid
from dbyard.installations import application, debian, golang, maven, places, wheel
from dbyard.installations.places import Unpacked
from dbyard.installations.programs import Report
from dbyard.model import (
    DebianRecipe,
    FoundRecipe,
    GoRecipe,
    Installation,
    MavenRecipe,
    PythonRecipe,
    SharedRecipe,
    Version,
    WheelRecipe,
    engines_home,
)

_SYSTEM = Path("/usr")
_STRANGER = 222222
_PATIENCE = 30.0


def find(technology: str, version: str) -> Installation | None:
    """The newest installation of this version, ours before the system's; cheap enough for every request."""
    try:
        wanted = catalogue.load().version(technology, version)
    except Invalid:
        return None
    if isinstance(wanted.recipe, SharedRecipe):
        found = find(wanted.recipe.technology, version)
        return replace(found, technology=technology) if found else None
    return _find_ours(wanted) or _find_system(wanted)


def list_installed() -> list[Installation]:
    """What `find` gives for every version of the catalogue."""
    versions = (version for technology in catalogue.load().technologies.values() for version in technology.versions)
    return [found for version in versions if (found := find(version.technology, version.version))]


def tool(command: str) -> Path | None:
    """A program that the platform itself wants (`bwrap`): on PATH, or ours."""
    if found := shutil.which(command):
        return Path(found)
    wanted = next((each for each in catalogue.load().tools.values() if each.command == command), None)
    ours = _find_ours(wanted) if wanted else None
    return ours.bin / command if ours else None


def install(version: Version, report: Report) -> Installation:
    """Ours, installed if it is not there; `report` gets a line before each slow step.

    Safe against other installs at once and against a kill at any moment. Raises InstallationError.
    """
    if isinstance(version.recipe, SharedRecipe):
        shared = install(catalogue.load().version(version.recipe.technology, version.version), report)
        return replace(shared, technology=version.technology)
    home = engines_home()
    if isinstance(version.recipe, FoundRecipe):
        return _find_system(version) or _refuse_to_install(version, version.recipe.variable)
    try:
        places.make(home)
        with places.locked(home / ".locks" / f"{version.technology}-{version.version}"):
            return _find_ours(version) or _install(version, home, report)
    except OSError as error:
        raise InstallationError(f"{version.server} could not be installed in {home}: {error}") from error


def _refuse_to_install(version: Version, variable: str) -> NoReturn:
    raise InstallationError(
        f"{version.server} is not there, and dbyard has nowhere to get it from: install it as its makers say,"
        f" so that {version.command} is on the platform's PATH, or name the program in {variable}"
    )


def _find_ours(version: Version) -> Installation | None:
    found = [each for path in (engines_home() / version.technology).glob("[!.]*") if (each := places.read(path))]
    fitting = [each for each in found if each.version == version.version]
    return max(fitting, key=lambda each: _numbers(each.full_version), default=None)


def _find_system(version: Version) -> Installation | None:
    for program in _candidates(version):
        if program.exists() and _is(
            version, full := _system_version(program, version.version_argument, program.stat().st_mtime_ns)
        ):
            directory = program.parent
            if isinstance(version.recipe, DebianRecipe):
                return Installation(version.technology, version.version, full, directory, (), _SYSTEM, "system")
            root = directory.parent if directory.name in ("bin", "sbin") else directory
            named = f"{version.command}-{full}"
            return Installation(version.technology, version.version, named, directory, (), root, str(program))
    return None


def _candidates(version: Version) -> Iterator[Path]:
    match version.recipe:
        case DebianRecipe(bin=bin):
            yield from (directory / version.command for directory in (_SYSTEM / bin, _SYSTEM / "sbin"))
        case FoundRecipe(variable=variable):
            if found := os.environ.get(variable) or shutil.which(version.command):
                yield Path(found).resolve()


@lru_cache
def _system_version(program: Path, argument: str, _changed: int) -> str:
    try:
        return _ask_version(program, argument, ())
    except InstallationError:
        return ""


def _install(version: Version, home: Path, report: Report) -> Installation:
    title = version.server
    place = home / version.technology
    partial = place / f".partial-{version.version}"
    shutil.rmtree(partial, ignore_errors=True)  # left by an install that was killed
    partial.mkdir(parents=True)
    place.chmod(0o755)
    try:
        root = _fill(version, partial, home, lambda line: report(f"{title}: {line}"))
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    installed = places.read(root)
    if installed is None:
        raise InstallationError(f"{root} has just been installed and cannot be read")
    report(f"{title}: {installed.full_version} is in {root}")
    return installed


def _fill(version: Version, partial: Path, home: Path, report: Report) -> Path:
    with tempfile.TemporaryDirectory(dir=partial) as scratch:
        unpacked = _unpack(version, partial, Path(scratch), home, report)
    places.open_to_all(partial)
    installation = _describe(version, unpacked, partial)
    final = partial.parent / installation.full_version
    if isinstance(version.recipe, MavenRecipe):
        maven.prepare(version.recipe, partial, final, unpacked.libraries, report)
    places.write(installation, unpacked.packages)
    places.publish(partial, final)
    return final


def _unpack(version: Version, tree: Path, scratch: Path, home: Path, report: Report) -> Unpacked:
    match version.recipe:
        case DebianRecipe() as recipe:
            return debian.unpack(recipe, tree, scratch, home / ".apt", report)
        case PythonRecipe() as recipe:
            return application.unpack(recipe, version.command, tree, scratch, report)
        case MavenRecipe() as recipe:
            return maven.unpack(recipe, tree, scratch, home / ".apt", report)
        case GoRecipe() as recipe:
            return golang.unpack(recipe, version.command, tree, scratch, report)
        case WheelRecipe() as recipe:
            return wheel.unpack(recipe, tree, scratch, report)
    raise InstallationError(f"{version.server} cannot be installed")


def _describe(version: Version, unpacked: Unpacked, root: Path) -> Installation:
    """Asks the server itself what it is, which also proves that it runs here."""
    directory = root / version.recipe.bin
    libraries = tuple(root / each for each in unpacked.libraries)
    full = _ask_version(directory / version.command, version.version_argument, libraries)
    if not _is(version, full):
        raise InstallationError(f"{unpacked.source} is {full}, and {version.server} was asked for")
    if isinstance(version.recipe, PythonRecipe):
        full = version.recipe.product
    return Installation(version.technology, version.version, full, directory, libraries, root, unpacked.source)


def _ask_version(program: Path, argument: str, libraries: tuple[Path, ...]) -> str:
    """As a stranger to us, because servers run as such."""
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    if libraries:
        environment["LD_LIBRARY_PATH"] = ":".join(map(str, libraries))
    uid = _STRANGER if os.geteuid() == 0 and places.is_open(Path("/")) else None
    try:
        done = subprocess.run(
            [program, argument],
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallationError(f"{program} does not run on this machine: {error}") from error
    found = re.search(r"\d+(\.\d+)+", done.stdout.replace(str(program), ""))
    if done.returncode != 0 or found is None:
        raise InstallationError(f"{program} does not run on this machine: {(done.stderr or done.stdout).strip()}")
    return found.group()


def _is(version: Version, full: str) -> bool:
    return full.startswith(f"{version.version}.")


def _numbers(full: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", full))
