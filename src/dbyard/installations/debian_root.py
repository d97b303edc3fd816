"""A server from any release of Debian: its packages with all that they need, libc included, as a root of its own.

The tree depends on nothing of this machine but the kernel: a sandbox shows its `usr` as `/usr`. No package is
configured and no system service appears. The machine says where Debian is mirrored, and the archive's own key what is
Debian's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from dbyard.errors import InstallationError
from dbyard.installations import debian, trees
from dbyard.installations.prefix import Package, Unpacked
from dbyard.installations.programs import Report, run
from dbyard.recipes import DebianRootRecipe

_OPTIONS = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg"
_MIRROR, _SECURITY = "http://deb.debian.org/debian", "http://deb.debian.org/debian-security"
BASE = ("coreutils", "dash", "grep", "libc-bin", "sed", "tar", "util-linux")
"""What every server is started with, what programs that prepare its first files call, and what backups are read by."""
_MERGED = ("bin", "sbin", "lib", "lib64")
_PRUNED = ("usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian", "usr/share/bug")


def unpack(recipe: DebianRootRecipe, tree: Path, scratch: Path, apt: Path, report: Report) -> Unpacked:
    """Fill `tree`; `scratch` is an empty directory, `apt` the parent of apt's states, one for each release."""
    wanted = debian.Wanted((*recipe.packages, *BASE), sections=None, sources=_sources(recipe.suites))
    archives = debian.download(wanted, scratch / "archives", apt / recipe.suites[0], report)
    report(f"unpacking {len(archives)} packages")
    for name in _MERGED:
        (tree / "usr" / name).mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")
    for archive in archives:
        _extract(archive, tree, scratch)
    if recipe.locales:
        report(f"compiling {len(recipe.locales)} locales")
        _compile_locales(recipe.locales, tree)
    trees.remove(tree, (*_PRUNED, *recipe.prune))
    trees.keep_licences(tree / "usr" / "share" / "doc")
    for link, target in recipe.links:
        _link(tree / link, target)
    for path, line in recipe.added_lines:
        with (tree / path).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    packages = (*(debian.package(archive) for archive in archives), *edits(recipe))
    main = next(each for each in packages if each.name == recipe.packages[0])
    return Unpacked(f"Debian {recipe.suites[0]}: {main.name} {main.version}", packages, (), whole=True)


def edits(recipe: DebianRootRecipe) -> tuple[Package, ...]:
    """What was made of the tree beside unpacking, listed as a package: another one makes another installation."""
    edited = [sorted(each) for each in (recipe.links, recipe.added_lines, recipe.locales)]
    return (Package("edits", "1", hashlib.sha256(msgspec.json.encode(edited)).hexdigest()),) if any(edited) else ()


def _sources(suites: Sequence[str]) -> str:
    """Lines of a sources.list: the machine's own mirrors, other releases."""
    found = run(["apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI)", "Created-By: Packages"])
    mirrors = dict(line.split("|", 1) for line in reversed(found.splitlines()))
    debian_, security = mirrors.get("Debian", _MIRROR), mirrors.get("Debian-Security", _SECURITY)
    uris = {suite: security if suite.endswith("-security") else debian_ for suite in suites}
    return "".join(f"deb [{_OPTIONS}] {uri} {suite} main\n" for suite, uri in uris.items())


def _extract(archive: Path, tree: Path, scratch: Path) -> None:
    """By way of a tree of its own, in which `bin` and the like are where they are here, and no link leads out."""
    root = scratch / "root"
    run(["dpkg-deb", "-x", archive, root])
    for name in _MERGED:
        if (root / name).is_symlink():
            (root / name).unlink()
        elif (root / name).is_dir():
            (root / "usr").mkdir(exist_ok=True)
            debian.merge(root / name, root / "usr" / name)
    trees.make_links_relative(root)
    debian.merge(root, tree)


def _compile_locales(names: Iterable[str], tree: Path) -> None:
    """By the tree's own program and libraries: what a locale looks like compiled is an affair of its libc."""
    (loader,) = tree.glob("usr/lib/*/ld-linux*.so.*")
    sources, program = f"I18NPATH={tree / 'usr' / 'share' / 'i18n'}", tree / "usr" / "bin" / "localedef"
    started: list[str | Path] = ["env", sources, loader, "--library-path", loader.parent, program]
    (tree / "usr" / "lib" / "locale").mkdir(exist_ok=True)
    for name in names:
        run([*started, "--no-archive", f"--prefix={tree}", "-i", name, "-f", "UTF-8", f"{name}.UTF-8"])


def _link(path: Path, target: str) -> None:
    """What the package's own script would have linked."""
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    if not path.exists():
        raise InstallationError(f"{path} would lead to {target}, which no package has")
