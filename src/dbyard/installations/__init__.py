"""Finds database servers on this machine and installs them, several versions side by side, one place for all homes.

`$DBYARD_ENGINES/<technology>/<full version>/` is one server: a prefix like /usr with a manifest. It is never changed in
place: what is newer, or made of other packages, goes beside it. Servers of the system are recognised too, but ours come
first: nobody upgrades them under a running database.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NoReturn

from dbyard import catalogue
from dbyard.errors import InstallationError, Invalid
from dbyard.installations import application, debian, golang, maven, packs, pins, places, wheel
from dbyard.installations.packs import Pack
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
_PARTIAL = ".partial-"
_STRANGER = 222222
_PATIENCE = 30.0


def find(technology: str, version: str, full_version: str | None = None) -> Installation | None:
    """The newest installation of this version, ours before the system's; cheap enough for every request.

    With `full_version`, which an instance has recorded, that one; where it is gone, a newer one but never an older.
    """
    try:
        wanted = catalogue.load().version(technology, version)
    except Invalid:
        return None
    if isinstance(wanted.recipe, SharedRecipe):
        found = find(wanted.recipe.technology, version, full_version)
        return replace(found, technology=technology) if found else None
    if full_version is None:
        return next(_candidates(wanted), None)
    newer: Installation | None = None
    for each in _candidates(wanted):
        if each.full_version == full_version:
            return each
        newer = newer or (each if _numbers(each.full_version) > _numbers(full_version) else None)
    return newer


def list_ours(version: Version) -> list[Installation]:
    """The installations of this version in our place, the newest first."""
    wanted = real(version)
    return [each for each in list_placed(wanted.technology) if each.version == wanted.version]


def list_placed(technology: str) -> list[Installation]:
    """All of a technology in our place, the newest first, those included that nobody can ask for any more."""
    found = [each for path in (engines_home() / technology).glob("[!.]*") if (each := places.read(path))]
    return sorted(found, key=lambda each: _numbers(each.root.name), reverse=True)


def is_lacking(version: Version) -> bool:
    """Whether an install has something to do: nothing is there, or ours is not what the catalogue names now."""
    found = find(version.technology, version.version)
    if found is None:
        return True
    return found.root.is_relative_to(engines_home()) and not _is_what_is_named(found, real(version))


def real(version: Version) -> Version:
    """The version whose server this one has, which is itself unless it is shared."""
    recipe = version.recipe
    if isinstance(recipe, SharedRecipe):
        return real(catalogue.load().version(recipe.technology, version.version))
    return version


def list_installed() -> list[Installation]:
    """What `find` gives for every version of the catalogue."""
    versions = (version for technology in catalogue.load().technologies.values() for version in technology.versions)
    return [found for version in versions if (found := find(version.technology, version.version))]


def tool(command: str) -> Path | None:
    """A program that the platform itself wants (`bwrap`): on PATH, or ours."""
    if found := shutil.which(command):
        return Path(found)
    wanted = next((each for each in catalogue.load().tools.values() if each.command == command), None)
    ours = list_ours(wanted) if wanted else []
    return ours[0].bin / command if ours else None


def install(version: Version, report: Report, *, upgrade: bool = False, pack: Pack | None = None) -> Installation:
    """Ours as the catalogue names it, beside older ones; `report` gets a line before each slow step.

    `upgrade` looks for newer Debian packages as well; with `pack` it comes from there, and nothing is downloaded.
    Safe against other installs at once and against a kill at any moment. Raises InstallationError.
    """
    if isinstance(version.recipe, SharedRecipe):
        shared = install(real(version), report, upgrade=upgrade, pack=pack)
        return replace(shared, technology=version.technology)
    home = engines_home()
    if isinstance(version.recipe, FoundRecipe):
        return next(_find_system(version), None) or _refuse_to_install(version, version.recipe.variable)

    def tell(line: str) -> None:
        report(f"{title(version)}: {line}")

    try:
        places.make(home)
        with _locked(version, lambda: tell("another install of it is at work; waiting for its end")):
            newest = next(iter(list_ours(version)), None)
            if newest and not upgrade and _is_what_is_named(newest, version):
                return newest
            return _install(version, home, tell, newest, pack)
    except OSError as error:
        raise InstallationError(f"{version.server} could not be installed in {home}: {error}") from error


def uninstall(installation: Installation, users_of: Callable[[Installation], Sequence[str]]) -> None:
    """Remove one of ours. Raises InstallationError when `users_of` tells who uses it."""
    root = installation.root
    with _locked(installation):
        if not root.is_dir():
            return
        refuse_used(installation, users_of(installation))
        gone = root.with_name(f"{_PARTIAL}{installation.version}-removed-{root.name}")
        root.rename(gone)
        if late := users_of(installation):  # a server that was started while we looked
            gone.rename(root)
            refuse_used(installation, late)
        shutil.rmtree(gone)


def title(version: Version) -> str:
    """The server's name without what its brackets explain."""
    return version.server.partition(" (")[0]


def refuse_used(installation: Installation, users: Sequence[str]) -> None:
    """Raises InstallationError when there are users."""
    if users:
        raise InstallationError(
            f"{installation.technology} {installation.full_version} in {installation.root} is in use:"
            f" {', '.join(users)}"
        )


@contextmanager
def _locked(what: Version | Installation, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Whoever holds it is the only one at work on this version, so what others left half done is rubbish."""
    with places.locked(engines_home() / ".locks" / f"{what.technology}-{what.version}", waiting):
        for rubbish in (engines_home() / what.technology).glob(f"{_PARTIAL}{what.version}-*"):
            shutil.rmtree(rubbish, ignore_errors=True)
        yield


def _refuse_to_install(version: Version, variable: str) -> NoReturn:
    raise InstallationError(
        f"{version.server} is not there, and dbyard has nowhere to get it from: install it as its makers say,"
        f" so that {version.command} is on the platform's PATH, or name the program in {variable}"
    )


def _is_what_is_named(installation: Installation, version: Version) -> bool:
    return pins.is_met(version.recipe, places.read_packages(installation.root))


def _candidates(version: Version) -> Iterator[Installation]:
    """The best first; the system is asked last, because that may start its program."""
    yield from list_ours(version)
    yield from _find_system(version)


def _find_system(version: Version) -> Iterator[Installation]:
    for program in _programs(version):
        if program.exists() and _is(
            version, full := _system_version(program, version.version_argument, program.stat().st_mtime_ns)
        ):
            directory = program.parent
            if isinstance(version.recipe, DebianRecipe):
                yield Installation(version.technology, version.version, full, directory, (), _SYSTEM, "system")
                continue
            root = directory.parent if directory.name in ("bin", "sbin") else directory
            named = f"{version.command}-{full}"
            yield Installation(version.technology, version.version, named, directory, (), root, str(program))


def _programs(version: Version) -> Iterator[Path]:
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


def _install(
    version: Version, home: Path, report: Report, newest: Installation | None, pack: Pack | None
) -> Installation:
    place = home / version.technology
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o755)
    # A name that nobody had before: what a killed install started may still write to its own.
    partial = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{version.version}-", dir=place))
    try:
        root = _fill(version, partial, report, newest, pack)
        if root is None and newest is not None:
            report(f"{newest.full_version} is there, and the newest")
            return newest
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # which has another name when all went well
    installed = places.read(root) if root else None
    if installed is None:
        raise InstallationError(f"{root} has just been installed and cannot be read")
    report(f"{installed.full_version} is in {root}")
    return installed


def _fill(
    version: Version, partial: Path, report: Report, newest: Installation | None, pack: Pack | None
) -> Path | None:
    """Where it has been put; None when it is the same as the newest one."""
    with tempfile.TemporaryDirectory(dir=partial.parent, prefix=f"{partial.name}-") as scratch:
        unpacked = _unpack(version, partial, Path(scratch), report, pack)
    if newest and set(unpacked.packages) == set(places.read_packages(newest.root)):
        return None
    places.open_to_all(partial)
    installation = _describe(version, unpacked, partial)
    final = places.free(partial.parent / installation.full_version)
    if isinstance(version.recipe, MavenRecipe):
        maven.prepare(version.recipe, partial, final, unpacked.libraries, report)
    places.write(installation, unpacked.packages)
    places.publish(partial, final)
    return final


def _unpack(version: Version, tree: Path, scratch: Path, report: Report, pack: Pack | None) -> Unpacked:
    if pack is not None:
        if (archive := pack.archive(version)) is None:
            raise InstallationError(f"{version.server} is not in {pack.directory}")
        return packs.unpack(pack, archive, tree, report)
    apt = engines_home() / ".apt"
    match version.recipe:
        case DebianRecipe() as recipe:
            return debian.unpack(recipe, tree, scratch, apt, report)
        case PythonRecipe() as recipe:
            return application.unpack(recipe, version.command, tree, scratch, report)
        case MavenRecipe() as recipe:
            return maven.unpack(recipe, tree, scratch, apt, report)
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
