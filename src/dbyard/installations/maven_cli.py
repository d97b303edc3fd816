"""The Maven client: the machine's own, or Debian's, unpacked for one run and started by the Java being installed.

Each run has a repository of its own, so no user's `~/.m2` is read or written.
"""

from __future__ import annotations

import re
import shutil
import ssl
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.utils import CryptographyDeprecationWarning

from dbyard.errors import InstallationError
from dbyard.installations import debian
from dbyard.installations.programs import Report, run

_PACKAGES = debian.Wanted(("maven",), sections=frozenset({"java"}))
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_LAUNCHER = "org.codehaus.plexus.classworlds.launcher.Launcher"
_PASSWORD = "changeit"  # noqa: S105 - Java requires a password; the store holds public certificates only


def client(
    java: Path, packages: Sequence[str], libraries: Sequence[Path], scratch: Path, apt: Path, report: Report
) -> list[str | Path]:
    """The first part of an argv. Without a Maven on PATH, `java`, which came with Debian's `packages`, runs Debian's.

    `scratch` must exist for as long as Maven runs.
    """
    repository = f"-Dmaven.repo.local={scratch / 'repository'}"
    if found := _find():
        return [found, repository]
    report("fetching Maven from Debian for this installation only")
    for archive in debian.download(replace(_PACKAGES, beside=tuple(packages)), scratch / "client", apt, report):
        run(["dpkg-deb", "-x", archive, scratch / "root"])
    home, settings = scratch / "root/usr/share/maven", scratch / "root/etc/maven"
    options = [
        f"-Dclassworlds.conf={settings / 'm2.conf'}",
        f"-Dmaven.conf={settings}",
        f"-Dmaven.home={home}",
        f"-Dmaven.multiModuleProjectDirectory={scratch}",
        *_trust(java, scratch),
    ]
    environment = f"LD_LIBRARY_PATH={':'.join(map(str, libraries))}"
    boot = home / "boot" / "plexus-classworlds-2.x.jar"
    return ["env", environment, java, "-classpath", boot, *options, _LAUNCHER, repository]


def _find() -> str | None:
    return shutil.which("mvn")


def _trust(java: Path, scratch: Path) -> list[str]:
    """The machine's trusted certificates in a form that Java reads: Debian writes that file when it configures Java."""
    if (java.resolve().parents[1] / "lib" / "security" / "cacerts").exists():
        return []
    file = ssl.get_default_verify_paths().cafile
    if file is None:
        raise InstallationError("this machine trusts no certificates (as root: apt-get install ca-certificates)")
    known = _certificates(Path(file).read_bytes())
    entries = [pkcs12.PKCS12Certificate(each, f"{number}".encode()) for number, each in enumerate(known)]
    store = scratch / "cacerts.p12"
    store.write_bytes(pkcs12.serialize_java_truststore(entries, BestAvailableEncryption(_PASSWORD.encode())))
    store_options = {"": store, "Type": "PKCS12", "Password": _PASSWORD}
    return [f"-Djavax.net.ssl.trustStore{name}={value}" for name, value in store_options.items()]


def _certificates(text: bytes) -> Iterator[x509.Certificate]:
    """Trust stores often contain certificates that break a rule of the standard: skip the unreadable ones silently."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        for found in _CERTIFICATE.finditer(text):
            with suppress(ValueError):
                yield x509.load_pem_x509_certificate(found[0])
