"""A server assembled from Maven artifacts, a Java runtime from Debian, and files that this package adds.

`assemblies/NAME/artifacts.toml` lists the artifacts and their target directories; `assemblies/NAME/tree` is copied over
them. Maven itself downloads, so the machine's mirrors, proxies and keys (`settings.xml`) apply; every file is checked.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from dbyard.errors import InstallationError
from dbyard.installations import debian, maven_cli
from dbyard.installations.prefix import Package, Unpacked
from dbyard.installations.programs import Report, retry_once, run
from dbyard.recipes import DebianRecipe, MavenRecipe

_ASSEMBLIES = Path(__file__).parent / "assemblies"
# "[INFO] Downloaded from central: https://repo/…/jcodings-1.0.61.jar (1.7 MB at 4.2 MB/s)"
_FETCHED = re.compile(r"Downloaded from \S+ \S+/(\S+) \((\S+ \S+) at ")
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of a Maven repository, and its target directory in the tree."""

    group: str
    name: str
    version: str
    type: str
    sha256: str
    into: str

    @property
    def title(self) -> str:
        return f"{self.group}:{self.name}:{self.version}"

    @property
    def file(self) -> str:
        return f"{self.name}-{self.version}.{self.type}"


def unpack(recipe: MavenRecipe, tree: Path, scratch: Path, apt: Path, report: Report) -> Unpacked:
    """Fill `tree`; `scratch` is an empty directory, `apt` the directory of apt's state, shared by all installs."""
    artifacts = _read(recipe.assembly)
    main = artifacts[0]
    files = scratch / "maven"
    for directory in ("debian", "client"):
        (scratch / directory).mkdir()
    java = debian.unpack(DebianRecipe(recipe.packages, recipe.bin), tree, scratch / "debian", apt, report)
    program = _link_java(tree, recipe)
    libraries = [tree / each for each in java.libraries]
    maven = maven_cli.client(program, recipe.packages, libraries, scratch / "client", apt, report)
    report(f"downloading {len(artifacts)} artifacts from Maven Central")
    retry_once(lambda: _download(artifacts, maven, files, report), main.title, report)
    for artifact in artifacts:
        _refuse_wrong_digest(files / artifact.into / artifact.file, artifact)
    report(f"unpacking {len(artifacts)} artifacts")
    for artifact in artifacts:
        _unpack_artifact(files / artifact.into / artifact.file, artifact, tree / artifact.into)
    shutil.copytree(_ASSEMBLIES / recipe.assembly / "tree", tree, dirs_exist_ok=True)
    return Unpacked(f"Maven {main.title}, {java.source}", (*pinned(recipe), *java.packages), java.libraries)


def pinned(recipe: MavenRecipe) -> tuple[Package, ...]:
    """The artifacts, the server's own first."""
    return tuple(Package(f"{each.group}:{each.name}", each.version, each.sha256) for each in _read(recipe.assembly))


def prepare(recipe: MavenRecipe, partial: Path, final: Path, libraries: Sequence[str], report: Report) -> None:
    """Run the recipe's last step on the tree under its final path, because the files that it writes may contain it."""
    report("starting the server once, so that later starts are quick")
    if final.is_symlink():  # left by a killed install
        final.unlink()
    final.symlink_to(partial.name)
    try:
        run([sys.executable, "-m", recipe.prepare, final / recipe.bin, *(final / each for each in libraries)])
    finally:
        final.unlink()


def _read(assembly: str) -> list[Artifact]:
    directories = tomllib.loads((_ASSEMBLIES / assembly / "artifacts.toml").read_text())
    return [_artifact(each, digest, into) for into, files in directories.items() for each, digest in files.items()]


def _artifact(coordinates: str, digest: str, into: str) -> Artifact:
    group, name, version, kind = coordinates.split(":")
    return Artifact(group, name, version, kind, digest, into)


def _download(artifacts: Sequence[Artifact], maven: Sequence[str | Path], directory: Path, report: Report) -> None:
    """One run of Maven for all artifacts, without their dependencies."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    (directory / "pom.xml").write_text(_project(artifacts, directory))
    on_line = _progress(artifacts, report)
    run([*maven, "-B", "--strict-checksums", "-f", directory / "pom.xml", f"{_PLUGIN}:copy"], directory, on_line)


def _progress(artifacts: Sequence[Artifact], report: Report) -> Report:
    """Turns each line in which Maven reports a downloaded artifact into a line of progress."""
    awaited, fetched = {artifact.file for artifact in artifacts}, itertools.count(1)

    def on_line(line: str) -> None:
        found = _FETCHED.search(line)
        if found and found[1] in awaited:
            report(f"{next(fetched)} of {len(artifacts)}: {found[1]} ({found[2]})")

    return on_line


def _project(artifacts: Sequence[Artifact], directory: Path) -> str:
    group, name, version = _PLUGIN.split(":")
    items = "".join(_item(artifact, directory) for artifact in artifacts)
    return f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>dbyard</groupId><artifactId>assembly</artifactId><version>1</version><packaging>pom</packaging>
  <build><plugins><plugin>
    <groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>
    <configuration><artifactItems>{items}
    </artifactItems></configuration>
  </plugin></plugins></build>
</project>
"""


def _item(artifact: Artifact, directory: Path) -> str:
    fields = {
        "groupId": artifact.group,
        "artifactId": artifact.name,
        "version": artifact.version,
        "type": artifact.type,
        "outputDirectory": str(directory / artifact.into),
    }
    text = "".join(f"<{field}>{escape(value, quote=False)}</{field}>" for field, value in fields.items())
    return f"\n      <artifactItem>{text}</artifactItem>"


def _refuse_wrong_digest(file: Path, artifact: Artifact) -> None:
    digest = sha256(file.read_bytes()).hexdigest() if file.exists() else "missing"
    if digest != artifact.sha256:
        raise InstallationError(
            f"{artifact.file} is not the file that is pinned and was refused: "
            f"its SHA-256 is {digest}, expected is {artifact.sha256}"
        )


def _unpack_artifact(file: Path, artifact: Artifact, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if artifact.type != "zip":
        file.rename(directory / file.name)
        return
    try:
        with ZipFile(file) as archive:
            archive.extractall(directory)
    except BadZipFile as error:
        raise InstallationError(f"{artifact.file} is not a zip archive: {error}") from error
    # A distribution has one top directory, named after itself; a plugin has none.
    top = directory / file.stem
    if top.is_dir():
        for entry in top.iterdir():
            entry.rename(directory / entry.name)
        top.rmdir()


def _link_java(tree: Path, recipe: MavenRecipe) -> Path:
    """Make the link that Debian's alternatives would make."""
    found = [path for path in sorted(tree.glob("lib/jvm/java-*/bin/java")) if not path.parents[1].is_symlink()]
    if not found:
        raise InstallationError(f"{recipe.packages[0]} contains no Java, which the server needs")
    (tree / "bin").mkdir(exist_ok=True)
    link = tree / "bin" / "java"
    link.symlink_to(os.path.relpath(found[0], tree / "bin"))
    return link
