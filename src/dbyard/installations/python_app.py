"""A server written in Python: wheels from PyPI, each pinned by its digest, in a separate environment.

The system's Python runs it, because every uid of the machine can reach that one. The platform never imports any of it:
its licence and its packages stay apart from ours.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from dbyard.errors import InstallationError
from dbyard.installations import wheel
from dbyard.installations.prefix import Package, Unpacked
from dbyard.installations.programs import Report, retry_once, run
from dbyard.recipes import PythonRecipe

PYTHON = Path("/usr/bin/python3")

# For `--version` and for use by hand; the platform starts the module directly, without a shell.
_PROGRAM = """\
#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")
export PYTHONPATH="$root/lib"
if [ "$1" = --version ]; then
    {python} -s -c "import {module}" && echo "{product}"
else
    exec {python} -s -m {module} "$@"
fi
"""


def unpack(recipe: PythonRecipe, command: str, tree: Path, scratch: Path, report: Report) -> Unpacked:
    """Fill `tree` with `lib`, which is for PYTHONPATH, and `bin/COMMAND`; `scratch` is an empty directory."""
    _refuse_other_python(recipe)
    python = wheel.python_with_pip(scratch)
    report(f"downloading {len(recipe.packages)} packages from PyPI")
    archives = retry_once(lambda: _download(recipe, python, scratch / "wheels"), recipe.product, report)
    packages = tuple(_check(recipe, archives))
    for archive in archives:
        report(f"unpacking {archive.name}")
        wheel.extract(archive, tree / "lib")
    _compile(tree / "lib")
    _write_program(recipe, tree / "bin" / command)
    return Unpacked(f"PyPI {recipe.packages[0][0].replace('==', ' ')}", packages, ())


def _refuse_other_python(recipe: PythonRecipe) -> None:
    try:
        found = run([PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip()
    except InstallationError as error:
        raise InstallationError(f"{recipe.product} needs the system's Python: {error}") from error
    if found != recipe.python:
        raise InstallationError(f"{recipe.product} is pinned for Python {recipe.python}, but {PYTHON} is {found}")


def _download(recipe: PythonRecipe, python: Path, directory: Path) -> list[Path]:
    shutil.rmtree(directory, ignore_errors=True)
    options = ["--no-deps", "--only-binary", ":all:", "--python-version", recipe.python]
    options += ["--disable-pip-version-check", "--quiet", "--dest", str(directory)]
    run([python, "-m", "pip", "download", *options, *(pinned for pinned, _ in recipe.packages)])
    return sorted(directory.glob("*.whl"))


def _check(recipe: PythonRecipe, archives: list[Path]) -> Iterator[Package]:
    """Every archive is compared before the first one is unpacked."""
    digests = dict(recipe.packages)
    for archive in archives:
        name, version = archive.name.split("-")[:2]
        name = name.replace("_", "-").lower()
        digest = sha256(archive.read_bytes()).hexdigest()
        wheel.refuse_wrong_digest(archive, digest, digests.get(f"{name}=={version}", ""))
        yield Package(name, version, digest)


def _compile(library: Path) -> None:
    """Compile now, because servers cannot write there; by hash, because a copy of the tree changes file times."""
    run([PYTHON, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-x", "/tests?/", library])


def _write_program(recipe: PythonRecipe, path: Path) -> None:
    path.parent.mkdir()
    path.write_text(_PROGRAM.format(python=PYTHON, module=recipe.module, product=recipe.product.replace("-", " ")))
    path.chmod(0o755)
