"""A server from a container image of any registry: skopeo downloads it, its layers become a root of its own.

Nothing of the image is run but its server, and none of its settings is taken but the path of its programs. Everything
is checked by digest: the manifest by that of the recipe or by the one to which the registry resolved the tag, and the
configuration and the layers by those of the manifest.
"""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path, PurePosixPath
from typing import Annotated, TypeVar

import msgspec

from dbyard.errors import InstallationError
from dbyard.installations import layers, prefix, trees
from dbyard.installations.prefix import Package, Unpacked
from dbyard.installations.programs import Report, retry_once, run
from dbyard.recipes import ImageRecipe

MIRROR, CREDENTIALS = "DBYARD_IMAGE_MIRROR", "DBYARD_IMAGE_AUTH"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_DOCKER_HUB = "docker.io"
_NAME = re.compile(r"(http://)?([A-Za-z0-9.-]+(?::\d+)?)/([a-z0-9]+(?:[._/-]+[a-z0-9]+)*)")
_TAG, _DIGEST = re.compile(r"(\w[\w.-]{0,127})?"), re.compile(r"(sha256:[0-9a-f]{64})?")
_UNUSED = ("usr/share/man", "usr/share/info", "usr/share/locale", "var/cache/*", "var/lib/apt", "var/log/*")
_OF_THE_KERNEL = ("dev", "proc", "run", "sys", "tmp")
_STALL_SECONDS = 60.0
_MB = 1_000_000

_T = TypeVar("_T")
Digest = Annotated[str, msgspec.Meta(pattern=r"^sha256:[0-9a-f]{64}$")]


class _Platform(msgspec.Struct, frozen=True):
    os: str = ""
    architecture: str = ""


class _Blob(msgspec.Struct, frozen=True, rename="camel"):
    digest: Digest
    media_type: str = ""
    size: int = 0
    platform: _Platform = _Platform()

    @property
    def hex(self) -> str:
        return self.digest.removeprefix("sha256:")


class _Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """An image, or an index of images by platform; in OCI's words, which those of Docker's second schema equal."""

    schema_version: int
    config: _Blob | None = None
    layers: tuple[_Blob, ...] = ()
    manifests: tuple[_Blob, ...] = ()


class _Settings(msgspec.Struct, frozen=True, rename={"env": "Env"}):
    env: tuple[str, ...] | None = None


class _Configuration(msgspec.Struct, frozen=True):
    config: _Settings = _Settings()


@dataclass(frozen=True, slots=True)
class Reference:
    """An image of a registry, by tag or by digest, which goes first. `plain` means http instead of https."""

    registry: str
    path: str
    tag: str
    digest: str
    plain: bool = False

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.path}"

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"


def parse(text: str) -> Reference:
    """From `REGISTRY/PATH:TAG`, `REGISTRY/PATH@sha256:…` or both; in front of it `http://`, for a registry without TLS.

    Raises InstallationError.
    """
    name, _, digest = text.partition("@")
    base, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        base, tag = name, "" if digest else "latest"
    found = _NAME.fullmatch(base)
    names_registry = found is not None and ("." in found[2] or ":" in found[2] or found[2] == "localhost")
    if found is None or not (names_registry and _TAG.fullmatch(tag) and _DIGEST.fullmatch(digest)):
        raise InstallationError(
            f"an image is named REGISTRY/PATH:TAG or REGISTRY/PATH@sha256:…, as docker.io/library/redis:7, not {text!r}"
        )
    return Reference(found[2], found[3], tag, digest, bool(found[1]))


def unpack(
    recipe: ImageRecipe, command: str, tree: Path, scratch: Path, skopeo: Sequence[str], report: Report
) -> Unpacked:
    """Fill `tree` with all layers; `scratch` is an empty directory, `skopeo` the argv of that program.

    Raises InstallationError.
    """
    wanted = parse(recipe.reference)
    downloader = _Downloader((*skopeo, "--insecure-policy"), _mirrored(wanted), scratch / "image", report)
    manifest, digest = retry_once(downloader.fetch, str(wanted), report)
    settings = _decode((scratch / "image" / _blob(manifest.config).hex).read_bytes(), _Configuration)
    for number, layer in enumerate(manifest.layers, start=1):
        report(f"unpacking layer {number} of {len(manifest.layers)}")
        layers.apply(scratch / "image" / layer.hex, tree)
    _tidy(tree, recipe)
    package = Package(wanted.name, wanted.digest or wanted.tag, digest.removeprefix("sha256:"))
    directory = _find_program(tree, command, settings.config.env or ())
    return Unpacked(f"image {wanted}", (package,), (), whole=True, bin=directory)


def is_current(recipe: ImageRecipe, installed: Sequence[Package]) -> bool:
    """Whether it is from the image that the recipe names. Where a tag leads by now, only the registry knows."""
    wanted = parse(recipe.reference)
    return any((each.name, each.version) == (wanted.name, wanted.digest or wanted.tag) for each in installed)


class _Downloader:
    """One image on its way to a directory."""

    def __init__(self, skopeo: Sequence[str], wanted: Reference, directory: Path, report: Report) -> None:
        self._skopeo, self._wanted, self._directory, self._report = skopeo, wanted, directory, report

    def fetch(self) -> tuple[_Manifest, str]:
        """The image's manifest and digest; all its files are in the directory afterwards, each under its digest."""
        trees.remove_path(self._directory)
        digest, manifest = self._inspect(str(self._wanted))
        if self._wanted.digest and digest != self._wanted.digest:
            raise InstallationError(f"the registry answers {self._wanted} with {digest}, which was refused")
        if manifest.manifests:
            digest = self._choose(manifest).digest
            _, manifest = self._inspect(f"{self._wanted.name}@{digest}")
        config = _blob(manifest.config)
        self._refuse_other_machines(digest)
        size = sum(each.size for each in (config, *manifest.layers))
        self._report(f"downloading {self._wanted}, {size / _MB:.0f} MB")
        source, progress = f"docker://{self._wanted.name}@{digest}", _Progress(self._directory, size, self._report)
        self._run("copy", "--quiet", source, f"dir:{self._directory}", to="src-", watch=progress)
        _refuse_wrong_digest(self._directory / "manifest.json", digest)
        for blob in (config, *manifest.layers):
            _refuse_wrong_digest(self._directory / blob.hex, blob.digest)
        return manifest, digest

    def _inspect(self, reference: str) -> tuple[str, _Manifest]:
        printed = self._run("inspect", "--raw", f"docker://{reference}")
        manifest = _decode(printed.encode(), _Manifest)
        if manifest.schema_version != 2:
            raise InstallationError(f"{reference} is of an old kind of image, which was refused")
        return f"sha256:{sha256(printed.encode()).hexdigest()}", manifest

    def _refuse_other_machines(self, digest: str) -> None:
        printed = self._run("inspect", "--config", "--raw", f"docker://{self._wanted.name}@{digest}")
        found = _decode(printed.encode(), _Platform)
        _refuse_architecture(str(self._wanted), [found])

    def _choose(self, index: _Manifest) -> _Blob:
        wanted = _here()
        found = [each for each in index.manifests if each.platform == wanted]
        if not found:
            _refuse_architecture(str(self._wanted), [each.platform for each in index.manifests])
        return found[0]

    def _run(self, command: str, *arguments: str, to: str = "", watch: Callable[[], object] | None = None) -> str:
        """Which file holds the logins is told, and never what is in it."""
        options = []
        if credentials := os.environ.get(CREDENTIALS):
            options += [f"--{to}authfile" if to else "--authfile", credentials]
        if self._wanted.plain:
            options.append(f"--{to}tls-verify=false")
        try:
            answer = _Progress(self._directory, 0, self._report)
            return run([*self._skopeo, command, *options, *arguments], watch=watch or answer)
        except InstallationError as error:
            raise InstallationError(_explain(str(error))) from error


def _explain(said: str) -> str:
    """Skopeo's reason without its clock and its level, and what to do about a login."""
    found = re.search(r'level=fatal msg="(.*)"', said)
    reason = found[1].replace('\\"', '"') if found else said
    if re.search(r"unauthorized|authentication required|denied", reason):
        reason += f"; name a file with the registry's login, as `skopeo login` writes it, in {CREDENTIALS}"
    return reason


def _mirrored(reference: Reference) -> Reference:
    """With the machine's mirror of Docker Hub, if there is one, instead of that: nothing asks Docker Hub then."""
    mirror = os.environ.get(MIRROR)
    if not mirror or reference.registry != _DOCKER_HUB:
        return reference
    found = parse(f"{mirror.rstrip('/')}/{reference.path}")
    return Reference(found.registry, found.path, reference.tag, reference.digest, found.plain)


def _here() -> _Platform:
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise InstallationError(f"images are for {', '.join(ARCHITECTURES)}, but this machine is {machine}")
    return _Platform("linux", ARCHITECTURES[machine])


def _refuse_architecture(image: str, there: Sequence[_Platform]) -> None:
    wanted = _here()
    if wanted not in there:
        names = sorted({f"{each.os}/{each.architecture}" for each in there if each.os != "unknown"})
        raise InstallationError(
            f"{image} is for {', '.join(names)}, but this machine is {wanted.os}/{wanted.architecture}"
        )


class _Progress:
    """Tells how much has arrived; raises InstallationError when for too long nothing has, for skopeo waits for ever."""

    def __init__(self, directory: Path, total: int, report: Report) -> None:
        self._directory, self._total, self._report = directory, total, report
        self._here, self._since = 0, time.monotonic()

    def __call__(self) -> None:
        here, now = sum(_size(path) for path in self._directory.glob("*")), time.monotonic()
        if here != self._here:
            self._here, self._since = here, now
            self._report(f"{here / _MB:.0f} of {self._total / _MB:.0f} MB")
        elif now - self._since > _STALL_SECONDS:
            raise InstallationError(f"nothing came for {_STALL_SECONDS:.0f} seconds")


def _size(path: Path) -> int:
    """Skopeo renames its files meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _blob(found: _Blob | None) -> _Blob:
    if found is None:
        raise InstallationError("the registry's manifest names no configuration and was refused")
    return found


def _refuse_wrong_digest(path: Path, digest: str) -> None:
    with path.open("rb") as file:
        found = file_digest(file, "sha256").hexdigest()
    if digest != f"sha256:{found}":
        raise InstallationError(f"what was downloaded as {digest} is sha256:{found} and was refused")


def _decode(content: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InstallationError(f"the registry's answer is no image: {error}") from error


def _tidy(tree: Path, recipe: ImageRecipe) -> None:
    """Without what the machine gives every program, what nobody reads, and names that are dbyard's own."""
    trees.remove(tree, (*_OF_THE_KERNEL, *_UNUSED, *recipe.prune, prefix.MANIFEST))
    if not (tree / "usr").is_dir() or (tree / "usr").is_symlink():
        raise InstallationError("the image has no directory /usr: its server cannot run in a sandbox")
    if not any((tree / path / "setpriv").exists() for path in ("usr/bin", "bin")):
        raise InstallationError("the image has no setpriv (of util-linux), by which the sandbox drops its rights")
    trees.make_links_relative(tree)


def _find_program(tree: Path, command: str, environment: Sequence[str]) -> str | None:
    """The directory, of those in the image's own PATH, that has the server's program; None if none has it."""
    path = next((each.removeprefix("PATH=") for each in environment if each.startswith("PATH=")), "")
    for directory in path.split(":"):
        relative = str(PurePosixPath(directory.lstrip("/")))
        if directory.startswith("/") and ".." not in directory and (tree / relative / command).is_file():
            return relative
    return None
