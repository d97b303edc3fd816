"""The output of `dbyard engines`: a table that fits a terminal, a page per server, or JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from dbyard import installations
from dbyard.installations import addons, prefix, sources
from dbyard.model import Installation, Version

Row = dict[str, object]

_WIDTH = 100
_LABEL = 12
_HEADERS = ("TECHNOLOGY", "VERSION", "", "SERVER", "LICENCE", "INSTALLED", "FROM")


def row(version: Version) -> Row:
    """Everything about a version, as `--json` prints it."""
    found = installations.find(version.technology, version.version)
    recipe = installations.resolve_shared(version).recipe
    packages = prefix.read_packages(found.root) if found else ()
    return {
        "technology": version.technology,
        "version": version.version,
        "full_version": found.full_version if found else None,
        "default": version.default,
        "on_request": version.on_request,
        "server": version.server,
        "licence": version.licence,
        "source": found.source if found else sources.origin(recipe),
        "digest": sources.digest(recipe, packages),
        "path": str(found.bin) if found else None,
        "shared_with": _other(version),
        "addons": _addons(version, found),
        "older": [each.full_version for each in _older(version, found)],
        "packages": [{"name": each.name, "version": each.version, "digest": each.sha256} for each in packages],
        "works_with": version.works_with,
        "lacks": version.lacks,
        "notice": version.notice,
        "install": None if found and not installations.needs_install(version) else command(version),
    }


def command(version: Version) -> str:
    return f"dbyard engines install {version.technology}{'' if version.default else f'@{version.version}'}"


def table(versions: Sequence[Version]) -> str:
    lines = [_HEADERS, *(_cells(each) for each in versions)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def advice(versions: Sequence[Version]) -> str:
    """The next commands, printed below the table."""
    lacking = [each for each in versions if not each.on_request and installations.needs_install(each)]
    install = [f"`dbyard engines install` installs {', '.join(_name(each) for each in lacking)}."] if lacking else []
    more = "`dbyard engines show NAME[@VERSION]` shows the rest: path, digest, compatibility."
    return "\n".join([*install, more])


def page(version: Version) -> str:
    """Everything about one version, as text."""
    heading = f"{version.technology} {version.version}{f' ({kind})' if (kind := _kind(version)) else ''}"
    fields = [line for label, text in _fields(version) if text for line in _field(label, text)]
    return "\n".join([heading, *fields])


def _fields(version: Version) -> Iterator[tuple[str, str]]:
    shown = row(version)
    found = installations.find(version.technology, version.version)
    yield "server", version.server
    yield "licence", version.licence
    yield "installed", f"{found.full_version}, {_size(found)}" if found else "no"
    yield "path", str(found.bin) if found else ""
    yield "source", str(shown["source"])
    yield "digest", str(shown["digest"] or "")
    yield "shared with", str(shown["shared_with"] or "")
    yield (
        "add-ons",
        ", ".join(f"{name}: {'installed' if has else 'no'}" for name, has in _addons(version, found).items()),
    )
    yield "older", ", ".join(each.full_version for each in _older(version, found))
    yield "works with", version.works_with
    yield "lacks", version.lacks
    yield "notice", version.notice
    yield "install", str(shown["install"] or "")


def _field(label: str, text: str) -> list[str]:
    margin = " " * (_LABEL + 2)
    lines = textwrap.wrap(text, _WIDTH - len(margin), break_long_words=False, break_on_hyphens=False)
    return [f"  {label:<{_LABEL}}{lines[0]}", *(f"{margin}{line}" for line in lines[1:])]


def _cells(version: Version) -> tuple[str, ...]:
    """The cells of a row; the full version without the program's name, which has its own column."""
    found = installations.find(version.technology, version.version)
    recipe = installations.resolve_shared(version).recipe
    state = found.full_version.rpartition("-")[2] if found else "no"
    origin = found.source if found else sources.origin(recipe)
    origin = "PATH" if origin.startswith("/") else origin
    server = installations.title(version)
    return version.technology, version.version, _kind(version), server, version.licence, state, origin.split()[0]


def _kind(version: Version) -> str:
    if version.default:
        return "default"
    return "on request" if version.on_request else ""


def _other(version: Version) -> str | None:
    """The technology whose server this one shares."""
    other = installations.resolve_shared(version).technology
    return other if other != version.technology else None


def _addons(version: Version, found: Installation | None) -> dict[str, bool]:
    """What its server may have beside, and whether it has."""
    there = addons.find_installed(version, prefix.read_packages(found.root)) if found else []
    return {each.name: each.name in there for each in addons.list_addons(version)}


def _older(version: Version, found: Installation | None) -> list[Installation]:
    return [each for each in installations.list_managed(version) if found and each.root != found.root]


def _name(version: Version) -> str:
    return version.technology if version.default else f"{version.technology}@{version.version}"


def _size(installation: Installation) -> str:
    if installation.root == Path("/usr"):
        return "the system's own"
    total = sum(path.lstat().st_blocks * 512 for path in installation.root.rglob("*") if path.is_file())
    return f"{total / 1_000_000:.0f} MB"
