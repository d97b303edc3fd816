"""Run once, when a server has been installed: `python -m dbyard.engines.elasticsearch.prepare BIN LIBRARIES...`.

It starts the server, uses it a little and stops it, so that the classes which it has loaded lie in an archive that
later starts map instead of reading, checking and linking them anew: that is most of a start.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from dbyard.engines import elasticsearch
from dbyard.engines.elasticsearch.render import archive
from dbyard.engines.elasticsearch.session import log_in
from dbyard.errors import NotReady
from dbyard.model import Address, Certificate, Credentials, Desired, Layout, Plan, RenderInput, Restriction, User

_NOBODY = 65534
_START_SECONDS = 180.0
_STOP_SECONDS = 60.0
_PLAN = Plan("", "", "", "", "", memory_mb=512, disk_mb=1024, connections=100, cpu=2.0, position=1)
_SECRET = "prepare"  # noqa: S105 - of a server that lives for seconds and holds nothing


def main(bin_directory: Path, libraries: list[str]) -> None:
    with tempfile.TemporaryDirectory() as work:
        layout = _layout(Path(work), bin_directory)
        _dump_base(layout, libraries)
        server = _start(layout, libraries)
        try:
            _use(server, layout)
        finally:
            server.terminate()
            server.wait(_STOP_SECONDS)
        shutil.copyfile(layout.run / "classes.jsa", archive(layout))


def _layout(work: Path, bin_directory: Path) -> Layout:
    data, conf, log, run = places = [work / name for name in ("data", "conf", "log", "run")]
    for path in (work, *places):
        path.mkdir(exist_ok=True)
        if os.geteuid() == 0 and _is_passable():
            os.chown(path, _NOBODY, _NOBODY)
    root = bin_directory.parent
    return Layout(
        "127.0.0.1", _free_port(), _free_port(), data, conf, log, run, bin_directory, root, full_version=root.name
    )


def _dump_base(layout: Layout, libraries: list[str]) -> None:
    """Debian would make the archive of Java's own classes when it configures the package."""
    command = [str(layout.bin / "java"), "-Xshare:dump"]
    subprocess.run(command, env=_environment(libraries), check=True, stdout=subprocess.DEVNULL)


def _start(layout: Layout, libraries: list[str]) -> subprocess.Popen[bytes]:
    """As somebody else: the server refuses to run as root."""
    spec = elasticsearch.render(RenderInput("prepare", 1, _PLAN, 0), layout, _credentials())
    for file in spec.files:
        file.path.write_bytes(file.content.encode("utf-8", "surrogateescape"))
    uses, makes = (f"-XX:{name}=" for name in ("SharedArchiveFile", "ArchiveClassesAtExit"))
    argv = [f"{makes}{layout.run / 'classes.jsa'}" if each.startswith(uses) else each for each in spec.server.argv]
    env = {**_environment(libraries), **spec.server.env}
    with (layout.log / "output.log").open("wb") as output:  # thousands of lines about classes that cannot be kept
        return subprocess.Popen([*_become_nobody(), *argv], cwd=layout.run, env=env, stdout=output, stderr=output)


def _become_nobody() -> list[str]:
    """Where nobody else may pass / it stays root for the kernel, and is told that it is somebody else."""
    if os.geteuid() != 0:
        return []
    if _is_passable():
        return ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    return ["unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}"]


def _is_passable() -> bool:
    return bool(os.stat("/").st_mode & stat.S_IXOTH)


def _use(server: subprocess.Popen[bytes], layout: Layout) -> None:
    address, credentials = Address(layout.host, layout.port), _credentials()
    _await_ready(server, layout, credentials)
    desired = Desired(credentials.database, (User(credentials.user, credentials.password),), Restriction.NONE, _PLAN)
    elasticsearch.configure(address, credentials.admin_password, desired)
    with log_in(address, credentials.user, credentials.password, _STOP_SECONDS) as session:
        session.ask("PUT", "/books/_doc/1?refresh=true", {"title": "A first document", "pages": 1})
        session.ask("POST", "/books/_search", {"query": {"match": {"title": "first"}}})
    elasticsearch.stats(address, credentials)


def _await_ready(server: subprocess.Popen[bytes], layout: Layout, credentials: Credentials) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return elasticsearch.ping(Address(layout.host, layout.port), credentials)
        except NotReady:
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the server does not start:\n{_last_words(layout)}")
        time.sleep(0.1)


def _last_words(layout: Layout) -> str:
    """The cause among all that it printed and logged."""
    lines = [
        line for path in sorted(layout.log.glob("*.log")) for line in path.read_text(errors="replace").splitlines()
    ]
    lines = [line for line in lines if "[warning][cds]" not in line]
    return "\n".join([line for line in lines if "Exception" in line][-3:] or lines[-3:])


def _credentials() -> Credentials:
    return Credentials(_SECRET, "tenant", _SECRET, "prepare", _certificate())


def _certificate() -> Certificate:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "prepare")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, SHA256())
    )
    text = certificate.public_bytes(Encoding.PEM).decode()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Certificate(text, secret, text)


def _environment(libraries: list[str]) -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "LD_LIBRARY_PATH": ":".join(libraries)}


def _free_port() -> int:
    """The first of two in a row."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
