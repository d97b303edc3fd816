"""An installed tree as a container image: one layer in an OCI layout, which skopeo and every registry take.

The same tree always gives the same digest: files are in order, belong to root, and have no times.
"""

from __future__ import annotations

import gzip
import io
import json
import platform
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from dbyard.errors import InstallationError
from dbyard.installations import bundles, files, prefix
from dbyard.installations.images import ARCHITECTURES
from dbyard.installations.programs import Report
from dbyard.model import Installation, Version

USER = 65532
"""Who the server runs as, unless the one who runs it says another; it owns `/data`."""
_USERS = f"root:x:0:0:root:/root:/bin/sh\ndbyard:x:{USER}:{USER}:dbyard:/data:/bin/false\n"
_GROUPS = f"root:x:0:\ndbyard:x:{USER}:\n"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LEVEL = 6
_MEDIA = "application/vnd.oci.image"
_EPOCH = "1970-01-01T00:00:00Z"


def write(version: Version, installation: Installation, directory: Path, report: Report) -> str:
    """Write the layout `directory`, which must be empty or missing; returns the image's digest.

    Raises InstallationError for a server that needs this machine's libraries.
    """
    if not installation.whole:
        raise InstallationError(
            f"{installation.technology} {installation.full_version} needs libraries of this machine: only a server"
            " with a whole root can be made an image"
        )
    bundles.refuse_filled(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        digest = _fill(version, installation, partial, report)
        partial.chmod(0o755)
        if directory.is_dir():
            directory.rmdir()
        prefix.publish(partial, directory)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return digest


def _fill(version: Version, installation: Installation, directory: Path, report: Report) -> str:
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    report(f"packing {installation.technology} {installation.full_version} from {installation.root}")
    layer, content = _write_layer(installation.root, blobs)
    configuration = _put(blobs, "config.v1+json", _configure(version, installation, content))
    manifest = _put(
        blobs,
        "manifest.v1+json",
        {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}.manifest.v1+json",
            "config": configuration,
            "layers": [layer],
            "annotations": _labels(version, installation),
        },
    )
    named = {**manifest, "annotations": {"org.opencontainers.image.ref.name": installation.full_version}}
    _write_json(directory / "index.json", {"schemaVersion": 2, "manifests": [named]})
    _write_json(directory / "oci-layout", {"imageLayoutVersion": "1.0.0"})
    return str(manifest["digest"])


def _write_layer(root: Path, blobs: Path) -> tuple[dict[str, object], str]:
    """Its descriptor, and the digest of what is compressed."""
    path = blobs / "layer"
    with path.open("wb") as file:
        compressed = _Hashed(file)
        with gzip.GzipFile("", "wb", _LEVEL, compressed, mtime=0) as packed:
            plain = _Hashed(packed)
            with tarfile.open(fileobj=plain, mode="w|", format=tarfile.PAX_FORMAT) as archive:
                _add_tree(archive, root)
    path.rename(blobs / compressed.hex)
    return _descriptor("layer.v1.tar+gzip", compressed.hex, compressed.size), plain.hex


class _Hashed(io.RawIOBase):
    """A file to write to, which counts and hashes what passes."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self._file, self._digest, self.size = file, sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._digest.update(data)
        self.size += len(data)
        return self._file.write(data)

    @property
    def hex(self) -> str:
        return self._digest.hexdigest()


def _add_tree(archive: tarfile.TarFile, root: Path) -> None:
    ours = {"data", "tmp", "etc/passwd", "etc/group"}
    paths = [path for path in files.walk(root) if str(path.relative_to(root)) not in ours]
    if not (root / "etc").is_dir():
        _add(archive, _member("etc", tarfile.DIRTYPE, 0o755))
    for path in paths:
        member = archive.gettarinfo(path, str(path.relative_to(root)))
        if member.isreg() or member.islnk():
            member.type, member.linkname, member.size = tarfile.REGTYPE, "", path.lstat().st_size
            with path.open("rb") as file:
                _add(archive, member, file)
        else:
            _add(archive, member)
    _add(archive, _member("data", tarfile.DIRTYPE, 0o700, USER), owner=USER)
    _add(archive, _member("tmp", tarfile.DIRTYPE, 0o1777))
    for name, text in (("etc/passwd", _USERS), ("etc/group", _GROUPS)):
        _add(archive, _member(name, tarfile.REGTYPE, 0o644, size=len(text)), io.BytesIO(text.encode()))


def _member(name: str, kind: bytes, mode: int, owner: int = 0, size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.uid, member.gid, member.size = kind, mode, owner, owner, size
    return member


def _add(archive: tarfile.TarFile, member: tarfile.TarInfo, content: IO[bytes] | None = None, owner: int = 0) -> None:
    member.uid = member.gid = owner
    member.uname = member.gname = ""
    member.mtime = 0
    archive.addfile(member, content)


def _configure(version: Version, installation: Installation, layer: str) -> dict[str, object]:
    directory = f"/{installation.bin.relative_to(installation.root)}"
    return {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "created": _EPOCH,
        "config": {
            "User": f"{USER}:{USER}",
            "Env": [f"PATH={directory}:{_PATH}", "LANG=C.UTF-8"],
            # A server needs settings before it may run: without any, the image only says what it is.
            "Cmd": [f"{directory}/{version.command}", version.version_argument],
            "WorkingDir": "/data",
            "Labels": _labels(version, installation),
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        "history": [{"created": _EPOCH, "created_by": f"dbyard engines image, from {installation.source}"}],
    }


def _labels(version: Version, installation: Installation) -> dict[str, str]:
    return {
        "org.opencontainers.image.title": version.server,
        "org.opencontainers.image.version": installation.full_version,
        "org.opencontainers.image.licenses": version.licence,
        "io.dbyard.technology": installation.technology,
        "io.dbyard.version": installation.version,
        "io.dbyard.source": installation.source,
    }


def _put(blobs: Path, kind: str, document: Mapping[str, object]) -> dict[str, object]:
    content = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    name = sha256(content).hexdigest()
    (blobs / name).write_bytes(content)
    return _descriptor(kind, name, len(content))


def _descriptor(kind: str, name: str, size: int) -> dict[str, object]:
    return {"mediaType": f"{_MEDIA}.{kind}", "digest": f"sha256:{name}", "size": size}


def _write_json(path: Path, document: Mapping[str, object]) -> None:
    path.write_text(json.dumps(document, sort_keys=True, separators=(",", ":")))
