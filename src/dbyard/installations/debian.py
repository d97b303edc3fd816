"""A server from Debian: its packages and the libraries that they need, unpacked into one tree.

apt runs with a separate state that has no installed package, so every machine and every user gets the same packages;
sources, proxies and keys are the machine's. No package is configured and no system service appears.
"""

from __future__ import annotations

import itertools
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

from dbyard.errors import InstallationError
from dbyard.installations.prefix import Package, Unpacked, locked
from dbyard.installations.programs import Report, retry_once, run
from dbyard.recipes import DebianRecipe

LISTS_STAY_FRESH = 900.0
# "Get:3 http://mirror bookworm/main amd64 libssl3 amd64 3.0.22-1 [2,040 kB]"; a flat repository names no architectures
_FETCHED = re.compile(r"Get:\d+ (.+) (\S+) \[([^\]]+)\]$")
# Where the top directories of packages go in a tree that is one prefix, like /usr itself.
_PREFIX = {"usr/sbin": "bin", "sbin": "bin", "bin": "bin", "lib": "lib", "usr": "."}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Packages to download with their dependencies in `sections`, without those of the packages `beside`.

    With `sections` None it is all that a machine without any package needs. `sources` are lines of a sources.list,
    empty for the machine's own.
    """

    packages: tuple[str, ...]
    sections: frozenset[str] | None = frozenset({"libs"})
    beside: tuple[str, ...] = ()
    sources: str = ""


def unpack(recipe: DebianRecipe, tree: Path, scratch: Path, apt: Path, report: Report) -> Unpacked:
    """Fill `tree`; `scratch` is an empty directory, `apt` the directory of apt's state, shared by all installs."""
    archives = download(Wanted(recipe.packages), scratch / "archives", apt, report)
    report(f"unpacking {len(archives)} packages")
    for archive in archives:
        run(["dpkg-deb", "-x", archive, scratch / "root"])
    for source, target in _PREFIX.items():
        merge(scratch / "root" / source, tree / target)
    _copy_linked_settings(scratch / "root", tree)
    if (tree / "bin").is_dir():
        (tree / "sbin").symlink_to("bin")  # for scripts that expect Debian's path of a server
    packages = tuple(package(archive) for archive in archives)
    main = next(each for each in packages if each.name == recipe.packages[0])
    return Unpacked(f"Debian {main.name} {main.version}", packages, _library_directories(tree))


def download(wanted: Wanted, directory: Path, apt: Path, report: Report) -> list[Path]:
    """The archives, in a new directory; apt has checked their digests and signatures."""
    main = wanted.packages[0]
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise InstallationError(f"{main} comes from Debian, but this machine has no apt-get or dpkg-deb")
    return retry_once(lambda: _download(wanted, directory, apt, report), main, report)


def _download(wanted: Wanted, directory: Path, apt: Path, report: Report) -> list[Path]:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    with locked(apt / "lock"):
        configuration = _configure(apt, wanted.sources)
        _refresh(apt, configuration, report)
    try:
        names = _needed_packages(configuration, wanted)
        report(f"downloading {len(names)} packages from Debian")
        on_line = _progress(names, report)
        run(["apt-get", "-c", configuration, "-q", "download", *names], directory, on_line)
    except InstallationError:
        # The lists may be older than the mirror: the next attempt reads new ones.
        (apt / "refreshed").unlink(missing_ok=True)
        raise
    return sorted(directory.glob("*.deb"))


def _progress(names: Sequence[str], report: Report) -> Report:
    """Turns each line in which apt names a download into a line of progress."""
    fetched = itertools.count(1)

    def on_line(line: str) -> None:
        if found := _FETCHED.match(line):
            name = next((word for word in reversed(found[1].split()) if word in names), "a package")
            report(f"{next(fetched)} of {len(names)}: {name} {found[2]} ({found[3]})")

    return on_line


def _configure(apt: Path, sources: str) -> Path:
    """Applied after the machine's configuration: its hooks and state would make the result depend on this machine."""
    for directory in ("state/lists/partial", "cache/archives/partial"):
        (apt / directory).mkdir(parents=True, exist_ok=True)
    text = f"""\
#clear APT::Update;
#clear DPkg;
Dir::State "{apt}/state";
Dir::State::status "{apt}/status";
Dir::Cache "{apt}/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
"""
    if sources:
        text += f'Dir::Etc::sourcelist "{apt}/sources.list";\nDir::Etc::sourceparts "/dev/null";\n'
        _write_if_changed(apt / "sources.list", sources)
    _write_if_changed(apt / "status", "")
    _write_if_changed(apt / "apt.conf", text)
    return apt / "apt.conf"


def _write_if_changed(path: Path, text: str) -> None:
    """Other installs read it at the same time, and apt re-reads its lists when a file's time has changed."""
    if not path.exists() or path.read_text() != text:
        new = path.with_name(f"{path.name}.new")
        new.write_text(text)
        new.rename(path)


def _refresh(apt: Path, configuration: Path, report: Report) -> None:
    stamp = apt / "refreshed"
    if stamp.exists() and 0 <= time.time() - stamp.stat().st_mtime < LISTS_STAY_FRESH:
        return
    report("reading Debian's package lists")
    run(["apt-get", "-c", configuration, "-q", "update"])
    run(["apt-cache", "-c", configuration, "gencaches"])  # once, for all installs that read the lists at the same time
    stamp.touch()


def _needed_packages(configuration: Path, wanted: Wanted) -> list[str]:
    """Names of the packages to download; dependencies of essential packages are on every Debian."""
    if wanted.sections is None:
        return sorted(_resolve(configuration, wanted.packages))
    there = _resolve(configuration, ["?essential", *wanted.beside])
    needed = _resolve(configuration, wanted.packages) - there
    found = _sections(configuration, needed | set(wanted.packages))
    more = sorted(name for name, section in found if section in wanted.sections)
    return [*wanted.packages, *(name for name in more if name not in wanted.packages)]


def _resolve(configuration: Path, packages: Sequence[str]) -> set[str]:
    """Names of all packages that an installation on an empty machine would download."""
    printed = run(["apt-get", "-c", configuration, "-q", "-y", "--print-uris", "install", *packages])
    return set(re.findall(r"^'[^']+' ([^_ ]+)_", printed, re.MULTILINE))


def _sections(configuration: Path, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    printed = run(["apt-cache", "-c", configuration, "show", "--no-all-versions", *names])
    for paragraph in printed.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Section): (\S+)$", paragraph, re.MULTILINE))
        if fields:
            yield fields["Package"], fields.get("Section", "")


def merge(source: Path, target: Path) -> None:
    """Move what is in a directory into another one, directory by directory."""
    if not source.is_dir():
        return
    target.mkdir(exist_ok=True)
    for entry in source.iterdir():
        destination = target / entry.name
        if destination.is_dir() and entry.is_dir() and not entry.is_symlink():
            merge(entry, destination)
        else:
            entry.rename(destination)
    source.rmdir()


def _copy_linked_settings(root: Path, tree: Path) -> None:
    """Replace links into /etc by copies of the packaged files: the machine's own /etc is never changed."""
    for path in list(tree.rglob("*")):
        if path.is_symlink() and (target := path.readlink()).is_relative_to("/etc"):
            packaged = root / target.relative_to("/")
            if packaged.is_file():
                path.unlink()
                shutil.copyfile(packaged, path)


def package(archive: Path) -> Package:
    name, version, _architecture = unquote(archive.stem).split("_")
    return Package(name, version, sha256(archive.read_bytes()).hexdigest())


def _library_directories(tree: Path) -> tuple[str, ...]:
    return tuple(sorted(str(path.relative_to(tree)) for path in tree.glob("lib/*-linux-gnu*") if path.is_dir()))
