"""What a recipe states before anything is installed: the server's source and the pinned files."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard.installations import images, maven
from dbyard.installations.debian_root import BASE, edits
from dbyard.installations.prefix import Package
from dbyard.recipes import (
    DebianRecipe,
    DebianRootRecipe,
    GoRecipe,
    ImageRecipe,
    MavenRecipe,
    PythonRecipe,
    Recipe,
    SharedRecipe,
    WheelRecipe,
)


def origin(recipe: Recipe) -> str:
    """The source for display. `Installation.source` also has the versions."""
    match recipe:
        case DebianRecipe(packages=packages):
            return f"Debian {packages[0]}"
        case DebianRootRecipe(suites=suites, packages=packages):
            return f"Debian {suites[0]}: {packages[0]}"
        case WheelRecipe() | PythonRecipe():
            main = pinned(recipe)[0]
            return f"PyPI {main.name} {main.version}"
        case MavenRecipe():
            main = pinned(recipe)[0]
            return f"Maven {main.name}:{main.version}"
        case GoRecipe():
            return f"Go module {recipe.module} {recipe.release}"
        case SharedRecipe(technology=technology):
            return f"the server of {technology}"
        case ImageRecipe(reference=reference):
            return f"image {reference}"


def pinned(recipe: Recipe) -> tuple[Package, ...]:
    """The files that the catalogue pins by digest, the server's own first; without Debian's packages."""
    match recipe:
        case WheelRecipe():
            return (Package(recipe.distribution, recipe.version, recipe.sha256),)
        case PythonRecipe():
            return tuple(_python_package(*each) for each in recipe.packages)
        case MavenRecipe():
            return maven.pinned(recipe)
        case GoRecipe():
            return (Package(recipe.module, recipe.release, recipe.sum),)
        case DebianRecipe() | DebianRootRecipe() | ImageRecipe() | SharedRecipe():
            return ()


def digest(recipe: Recipe, installed: Sequence[Package]) -> str | None:
    """The digest of the server's own file, with its kind; None if unknown, as for Debian before the download."""
    if isinstance(recipe, ImageRecipe):
        main = next(iter(installed), None)
    elif isinstance(recipe, DebianRecipe | DebianRootRecipe):
        main = next((each for each in installed if each.name == recipe.packages[0]), None)
    else:
        main = next(iter(pinned(recipe)), None)
    if main is None:
        return None
    return main.sha256 if main.sha256.startswith("h1:") else f"sha256:{main.sha256}"


def is_current(recipe: Recipe, installed: Sequence[Package]) -> bool:
    """Whether the installed packages include all that the recipe pins now; of a whole root, what it names and edits."""
    if isinstance(recipe, DebianRootRecipe):
        unpacked = {*recipe.packages, *BASE} <= {each.name for each in installed}
        return unpacked and set(edits(recipe)) <= set(installed)
    if isinstance(recipe, ImageRecipe):
        return images.is_current(recipe, installed)
    return set(pinned(recipe)) <= set(installed)


def _python_package(pinned: str, digest: str) -> Package:
    name, _, version = pinned.partition("==")
    return Package(name, version, digest)
