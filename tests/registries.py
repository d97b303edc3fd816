"""A real registry of container images on loopback, Debian's docker-registry, and images to put into it."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import os
import platform
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest

from dbyard import catalogue, installations
from dbyard.errors import InstallationError
from dbyard.installations.images import ARCHITECTURES
from dbyard.model import Installation, Version
from dbyard.recipes import DebianRecipe

USER, PASSWORD = "puller", "a-password-of-the-test"
_HASH = "$2y$05$nUAtzquM7yYRf50QS4uD6eRx/LGFneJag2tYsuwu5vc044usYxet2"
HERE = ARCHITECTURES.get(platform.machine(), "amd64")
OTHER = "arm64" if HERE == "amd64" else "amd64"
_START_SECONDS = 20
_REGISTRY = Version(
    "docker-registry",
    "2",
    "Docker's registry",
    "Apache-2.0",
    "docker-registry",
    DebianRecipe(("docker-registry",), "bin"),
    default=True,
)
_INDEX = "application/vnd.oci.image.index.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@cache
def _tool(version: Version) -> Installation:
    """From Debian, beside the machine's servers."""
    try:
        return installations.install(version, lambda _: None)
    except InstallationError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{version.server} cannot be had: {error}")


def tools() -> tuple[Installation, Installation]:
    """The registry and skopeo; to be called before a test sets DBYARD_ENGINES."""
    return _tool(_REGISTRY), _tool(catalogue.load().tools["skopeo"])


@dataclass
class Registry:
    """One that runs. `files` are its blobs, as it keeps them."""

    port: int
    directory: Path
    process: subprocess.Popen[bytes]
    login: bool

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def push(self, layout: Path, name: str, tag: str) -> str:
        """The digest under which it is there now: of the index, if it is one."""
        skopeo = tools()[1]
        libraries = ":".join(map(str, skopeo.libraries))
        login = ["--dest-creds", f"{USER}:{PASSWORD}"] if self.login else []
        digest = layout / "pushed"
        subprocess.run(
            [
                str(skopeo.bin / "skopeo"),
                "--insecure-policy",
                "copy",
                "--all",
                *login,
                "--dest-tls-verify=false",
                "--digestfile",
                str(digest),
                f"oci:{layout}",
                f"docker://{self.host}/{name}:{tag}",
            ],
            env={"LD_LIBRARY_PATH": libraries, "PATH": os.defpath, "HOME": str(layout)},
            check=True,
            capture_output=True,
        )
        return digest.read_text().strip()

    def blob(self, digest: str) -> Path:
        name = digest.removeprefix("sha256:")
        return self.directory / "docker" / "registry" / "v2" / "blobs" / "sha256" / name[:2] / name / "data"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def serving(directory: Path, *, login: bool = False) -> Iterator[Registry]:
    """An empty registry; with `login` it asks for USER and PASSWORD."""
    program = tools()[0].bin / "docker-registry"
    directory.mkdir()
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(directory)}},
        "http": {"addr": f"127.0.0.1:{port}", "secret": "of the test"},
    }
    if login:
        (directory / "users").write_text(f"{USER}:{_HASH}\n")
        settings["auth"] = {"htpasswd": {"realm": "test", "path": str(directory / "users")}}
    configuration = directory / "registry.json"
    configuration.write_text(json.dumps(settings))  # JSON is YAML
    process = subprocess.Popen([program, "serve", configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    registry = Registry(port, directory, process, login)
    try:
        _await_answer(registry)
        yield registry
    finally:
        registry.stop()


def _await_answer(registry: Registry) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and registry.process.poll() is None:
        with suppress(OSError), closing(http.client.HTTPConnection("127.0.0.1", registry.port, timeout=1)) as asked:
            asked.request("GET", "/v2/")
            if asked.getresponse().status in (200, 401):
                return
        time.sleep(0.02)
    pytest.fail("the registry does not answer")


# ---- images to put into it --------------------------------------------------------------------------------------


def entry(name: str, content: bytes | str = b"", mode: int = 0o644, **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """A member of a layer: a file, or what `fields` of a TarInfo (`type`, `linkname`) say."""
    member = tarfile.TarInfo(name)
    content = content.encode() if isinstance(content, str) else content
    member.mode, member.size = mode, len(content)
    for field, value in fields.items():
        setattr(member, field, value)
    return member, content


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.SYMTYPE, linkname=target)


def write_layer(path: Path, entries: Sequence[tuple[tarfile.TarInfo, bytes]]) -> Path:
    """A layer by itself."""
    path.write_bytes(gzip.compress(_tar(entries), mtime=0))
    return path


def write_image(
    directory: Path,
    layers: Sequence[Sequence[tuple[tarfile.TarInfo, bytes]]],
    *,
    architectures: Sequence[str] = (HERE,),
    environment: Sequence[str] = ("PATH=/usr/local/bin:/usr/bin",),
) -> list[str]:
    """An OCI layout of an image, or of an index if it is for several machines; the digests of its layers."""
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "blobs" / "sha256").mkdir(parents=True)
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    tars = [_tar(each) for each in layers]
    blobs = [_put(directory, _LAYER, gzip.compress(tar, mtime=0)) for tar in tars]
    manifests = []
    for architecture in architectures:
        rootfs = {"type": "layers", "diff_ids": [f"sha256:{sha256(tar).hexdigest()}" for tar in tars]}
        known = {"architecture": architecture, "os": "linux", "config": {"Env": list(environment)}, "rootfs": rootfs}
        config = _put(directory, "application/vnd.oci.image.config.v1+json", json.dumps(known).encode())
        manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": blobs}
        put = _put(directory, _MANIFEST, json.dumps(manifest).encode())
        manifests.append({**put, "platform": {"architecture": architecture, "os": "linux"}})
    index: Mapping[str, object] = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}
    top = [_put(directory, _INDEX, json.dumps(index).encode())] if len(manifests) > 1 else manifests
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": top}))
    return [str(each["digest"]) for each in blobs]


def _tar(entries: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for member, content in entries:
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def _put(directory: Path, kind: str, content: bytes) -> dict[str, object]:
    digest = sha256(content).hexdigest()
    (directory / "blobs" / "sha256" / digest).write_bytes(content)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}
