"""Finds and installs database servers, several versions side by side, shared by all homes of this machine.

`$DBYARD_ENGINES/<technology>/<full version>/` is the prefix of one server: a tree like /usr with a manifest. A prefix
never changes; a newer version, or the same version from other packages, gets its own prefix. Servers of the system are
recognised too, but managed ones come first: no system upgrade replaces them under a running database.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from dbyard import catalogue, roots
from dbyard.errors import InstallationError, Invalid
from dbyard.installations import (
    addons,
    bundles,
    debian,
    debian_root,
    files,
    golang,
    images,
    maven,
    prefix,
    python_app,
    sources,
    wheel,
)
from dbyard.installations.bundles import Bundle
from dbyard.installations.prefix import Unpacked
from dbyard.installations.programs import Report
from dbyard.installations.versions import PROBE_UID, ask_version, follows, matches, version_key
from dbyard.model import Installation, Version, engines_home
from dbyard.recipes import (
    DebianRecipe,
    DebianRootRecipe,
    GoRecipe,
    ImageRecipe,
    MavenRecipe,
    PythonRecipe,
    SharedRecipe,
    WheelRecipe,
)

_SYSTEM = Path("/usr")
_PARTIAL = ".partial-"


def find(technology: str, version: str, full_version: str | None = None, *, whole: bool = True) -> Installation | None:
    """The newest installation of this version, managed ones before the system's; cheap enough for every request.

    With `full_version`, as an instance has recorded it, that one. If it was removed, a newer one, never an older.
    Without `whole` those count that run without a sandbox.
    """
    try:
        wanted = catalogue.load().version(technology, version)
    except Invalid:
        return None
    if isinstance(wanted.recipe, SharedRecipe):
        found = find(wanted.recipe.technology, version, full_version, whole=whole)
        return replace(found, technology=technology) if found else None
    candidates = (each for each in _candidates(wanted) if whole or not each.whole)
    if full_version is None:
        return next(candidates, None)
    newer: Installation | None = None
    for each in candidates:
        if each.full_version == full_version:
            return each
        newer = newer or (each if version_key(each.full_version) > version_key(full_version) else None)
    return newer


def installed_at(technology: str, version: str) -> float | None:
    """When the newest installation of this version was put on this machine, in Unix seconds; None if there is none."""
    found = find(technology, version)
    return found.bin.stat().st_mtime if found else None


def list_managed(version: Version) -> list[Installation]:
    """The installations of this version in DBYARD_ENGINES, newest first."""
    wanted = resolve_shared(version)
    return [each for each in list_all_managed(wanted.technology) if each.version == wanted.version]


def list_all_managed(technology: str) -> list[Installation]:
    """All of a technology in DBYARD_ENGINES, newest first, also versions that have left the catalogue."""
    found = [each for path in (engines_home() / technology).glob("[!.]*") if (each := prefix.read(path))]
    return sorted(found, key=lambda each: version_key(each.root.name), reverse=True)


def needs_install(version: Version) -> bool:
    """Whether it is not installed, or the managed installation is not the one that the catalogue names now.

    One from an image is what somebody has asked for by name, and stays.
    """
    found = find(version.technology, version.version)
    if found is None or found.source.startswith("image "):
        return found is None
    wanted = _with_possible_recipe(resolve_shared(version))
    return found.root.is_relative_to(engines_home()) and not _is_current(found, wanted)


def resolve_shared(version: Version) -> Version:
    """The version whose server this one uses: itself, unless its recipe is shared."""
    recipe = version.recipe
    if isinstance(recipe, SharedRecipe):
        return resolve_shared(catalogue.load().version(recipe.technology, version.version))
    return version


def list_installed() -> list[Installation]:
    """The result of `find` for every version of the catalogue."""
    versions = (version for technology in catalogue.load().technologies.values() for version in technology.versions)
    return [found for version in versions if (found := find(version.technology, version.version))]


def find_tool(command: str) -> Path | None:
    """A program that the platform itself uses (`bwrap`), from PATH or from DBYARD_ENGINES."""
    if found := shutil.which(command):
        return Path(found)
    wanted = next((each for each in catalogue.load().tools.values() if each.command == command), None)
    managed = list_managed(wanted) if wanted else []
    return managed[0].bin / command if managed else None


def install(
    version: Version,
    report: Report,
    *,
    upgrade: bool = False,
    bundle: Bundle | None = None,
    with_addons: Sequence[str] = (),
) -> Installation:
    """Install what the catalogue names beside older installations; `report` gets a line before each slow step.

    `upgrade` also looks for newer Debian packages; with `bundle` nothing is downloaded. Where the recipe cannot be
    followed, the version's fallback is, unless add-ons are wanted, which it does not have. Concurrent installs are
    safe, and an install may be killed at any moment. Raises InstallationError.
    """
    if with_addons:
        return _install_as_said(addons.merge(version, None, with_addons), report, upgrade, bundle)
    version = _with_possible_recipe(version)
    if version.fallback is None or bundle is not None:
        return _install_as_said(version, report, upgrade, bundle)
    try:
        return _install_as_said(version, report, upgrade, None)
    except InstallationError as error:
        report(f"{title(version)}: {error}; {sources.origin(version.fallback)} takes its place")
        return _install_as_said(replace(version, recipe=version.fallback), report, upgrade, None)


def _install_as_said(version: Version, report: Report, upgrade: bool, bundle: Bundle | None) -> Installation:
    if isinstance(version.recipe, SharedRecipe):
        shared = install(resolve_shared(version), report, upgrade=upgrade, bundle=bundle)
        return replace(shared, technology=version.technology)
    home = engines_home()
    if isinstance(version.recipe, ImageRecipe) and bundle is None and (found := next(_find_system(version), None)):
        return found

    if isinstance(version.recipe, DebianRootRecipe | ImageRecipe) and bundle is None and not has_sandbox():
        raise InstallationError(f"{title(version)} runs in a sandbox only, and there is none on this machine")

    def report_titled(line: str) -> None:
        report(f"{title(version)}: {line}")

    try:
        prefix.make_home(home)
        with _locked(version, lambda: report_titled("waiting for another install of it to finish")):
            newest = next(iter(list_managed(version)), None)
            version = addons.merge(version, newest)
            if newest and not upgrade and _is_current(newest, version):
                return newest
            return _install(version, home, report_titled, newest, bundle)
    except OSError as error:
        raise InstallationError(f"{version.server} could not be installed in {home}: {error}") from error


def _with_possible_recipe(version: Version) -> Version:
    """With its fallback instead, where the recipe's servers need a sandbox and there is none."""
    if version.fallback is None or not isinstance(version.recipe, DebianRootRecipe):
        return version
    return version if has_sandbox() else replace(version, recipe=version.fallback, fallback=None)


def has_sandbox() -> bool:
    """Whether servers that bring a whole root along run here."""
    bubblewrap = find_tool("bwrap")
    return bubblewrap is not None and roots.works(bubblewrap)


def uninstall(installation: Installation, users_of: Callable[[Installation], Sequence[str]]) -> None:
    """Remove a managed installation. Raises InstallationError if `users_of` lists any user of it."""
    root = installation.root
    with _locked(installation):
        if not root.is_dir():
            return
        refuse_used(installation, users_of(installation))
        gone = root.with_name(f"{_PARTIAL}{installation.version}-removed-{root.name}")
        root.rename(gone)
        if late := users_of(installation):  # a server was started between the check and the rename
            gone.rename(root)
            refuse_used(installation, late)
        shutil.rmtree(gone)


def title(version: Version) -> str:
    """The server's name without the part in brackets."""
    return version.server.partition(" (")[0]


def refuse_used(installation: Installation, users: Sequence[str]) -> None:
    """Raise InstallationError if there are users."""
    if users:
        raise InstallationError(
            f"{installation.technology} {installation.full_version} in {installation.root} is in use:"
            f" {', '.join(users)}"
        )


@contextmanager
def _locked(what: Version | Installation, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of this version. Partial trees found under the lock were left by killed installs: remove them."""
    with prefix.locked(engines_home() / ".locks" / f"{what.technology}-{what.version}", waiting):
        for abandoned in (engines_home() / what.technology).glob(f"{_PARTIAL}{what.version}-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        yield


def _is_current(installation: Installation, version: Version) -> bool:
    version = addons.merge(version, installation)
    return sources.is_current(version.recipe, prefix.read_packages(installation.root))


def _candidates(version: Version) -> Iterator[Installation]:
    """Best first. The system comes last, because asking it may start its program."""
    yield from list_managed(version)
    yield from _find_system(version)


def _find_system(version: Version) -> Iterator[Installation]:
    for program in _programs(version):
        if program.exists() and matches(
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
        case ImageRecipe(variable=variable) if variable:
            if found := os.environ.get(variable) or shutil.which(version.command):
                yield Path(found).resolve()


@lru_cache
def _system_version(program: Path, argument: str, _changed: int) -> str:
    try:
        return ask_version(program, argument)
    except InstallationError:
        return ""


def _install(
    version: Version, home: Path, report: Report, newest: Installation | None, bundle: Bundle | None
) -> Installation:
    directory = home / version.technology
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    # A fresh name: child processes of a killed install may still write to its partial tree.
    partial = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{version.version}-", dir=directory))
    try:
        root = _build(version, partial, report, newest, bundle)
        if root is None and newest is not None:
            report(f"{newest.full_version} is installed and is the newest")
            return newest
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # after a success it has been renamed
    installed = prefix.read(root) if root else None
    if installed is None:
        raise InstallationError(f"{root} was installed but its manifest cannot be read")
    report(f"{installed.full_version} is in {root}")
    return installed


def _build(
    version: Version, partial: Path, report: Report, newest: Installation | None, bundle: Bundle | None
) -> Path | None:
    """The prefix of the new installation; None if it equals the newest one."""
    with tempfile.TemporaryDirectory(dir=partial.parent, prefix=f"{partial.name}-") as scratch:
        unpacked = _unpack(version, partial, Path(scratch), report, bundle)
    if newest and set(unpacked.packages) == set(prefix.read_packages(newest.root)):
        return None
    prefix.make_readable(partial)
    installation = _describe(version, unpacked, partial, report)
    final = prefix.free_path(partial.parent / installation.full_version)
    if isinstance(version.recipe, MavenRecipe):
        maven.prepare(version.recipe, partial, final, unpacked.libraries, report)
    files.write(partial)
    prefix.write(installation, unpacked.packages)
    prefix.publish(partial, final)
    return final


def _unpack(version: Version, tree: Path, scratch: Path, report: Report, bundle: Bundle | None) -> Unpacked:
    if bundle is not None:
        if (archive := bundle.archive(version)) is None:
            raise InstallationError(f"{version.server} is not in {bundle.directory}")
        return bundles.unpack(bundle, archive, tree, report)
    apt = engines_home() / ".apt"
    match version.recipe:
        case DebianRecipe() as recipe:
            return debian.unpack(recipe, tree, scratch, apt, report)
        case DebianRootRecipe() as recipe:
            return debian_root.unpack(recipe, tree, scratch, apt, report)
        case PythonRecipe() as recipe:
            return python_app.unpack(recipe, version.command, tree, scratch, report)
        case MavenRecipe() as recipe:
            return maven.unpack(recipe, tree, scratch, apt, report)
        case GoRecipe() as recipe:
            return golang.unpack(recipe, version.command, tree, scratch, report)
        case WheelRecipe() as recipe:
            return wheel.unpack(recipe, tree, scratch, report)
        case ImageRecipe() as recipe:
            _enter(tree)  # before anything is downloaded in vain
            return images.unpack(recipe, version.command, tree, scratch, _find_skopeo(report), report)
        case SharedRecipe():
            raise InstallationError(f"{version.server} cannot be installed")


def _find_skopeo(report: Report) -> list[str]:
    """The argv of skopeo, which is installed with the first image."""
    if found := shutil.which("skopeo"):
        return [found]
    installed = install(catalogue.load().tools["skopeo"], report)
    libraries = ":".join(map(str, installed.libraries))
    return ["env", f"LD_LIBRARY_PATH={libraries}", str(installed.bin / "skopeo")]


def _describe(version: Version, unpacked: Unpacked, root: Path, report: Report) -> Installation:
    """Ask the server for its version, which also proves that it runs on this machine."""
    directory = root / (unpacked.bin or version.recipe.bin)
    libraries = tuple(root / each for each in unpacked.libraries)
    program, entering = directory / version.command, _enter(root) if unpacked.whole else []
    if entering:
        program = Path("/") / program.relative_to(root)
    full = ask_version(program, version.version_argument, libraries, entering)
    if not matches(version, full):
        if not follows(version, full):
            raise InstallationError(f"{unpacked.source} is version {full}, but {version.server} was requested")
        report(
            f"warning: {unpacked.source} is newer than this release of dbyard knows, and is taken as {version.version}"
        )
    if isinstance(version.recipe, PythonRecipe):
        full = version.recipe.product
    return Installation(
        version.technology, version.version, full, directory, libraries, root, unpacked.source, unpacked.whole
    )


def _enter(root: Path) -> list[str]:
    bubblewrap = find_tool("bwrap")
    if bubblewrap is None:
        raise InstallationError("it runs in a sandbox only, and there is none: `dbyard engines install bubblewrap`")
    return roots.enter(bubblewrap, root, PROBE_UID if os.geteuid() == 0 else None)
