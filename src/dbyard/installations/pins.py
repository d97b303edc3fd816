"""What recipes say of themselves before anything is installed: where a server comes from, and which files are it."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard.installations import maven
from dbyard.installations.places import Package
from dbyard.model import (
    DebianRecipe,
    FoundRecipe,
    GoRecipe,
    MavenRecipe,
    PythonRecipe,
    Recipe,
    SharedRecipe,
    WheelRecipe,
)


def origin(recipe: Recipe) -> str:
    """For people; an installation tells its versions as well."""
    match recipe:
        case DebianRecipe(packages=packages):
            return f"Debian {packages[0]}"
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
        case FoundRecipe(variable=variable):
            return f"this machine: PATH or {variable}"


def pinned(recipe: Recipe) -> tuple[Package, ...]:
    """The files that the catalogue names by digest, the server's own first. Debian's are not among them."""
    match recipe:
        case WheelRecipe():
            return (Package(recipe.distribution, recipe.version, recipe.sha256),)
        case PythonRecipe():
            return tuple(_python_package(*each) for each in recipe.packages)
        case MavenRecipe():
            return maven.pinned(recipe)
        case GoRecipe():
            return (Package(recipe.module, recipe.release, recipe.sum),)
        case _:
            return ()


def digest(recipe: Recipe, installed: Sequence[Package]) -> str | None:
    """Of the server's own file, with the kind of digest; None while nobody knows: Debian's before it is fetched."""
    if isinstance(recipe, DebianRecipe):
        main = next((each for each in installed if each.name == recipe.packages[0]), None)
    else:
        main = next(iter(pinned(recipe)), None)
    if main is None:
        return None
    return main.sha256 if main.sha256.startswith("h1:") else f"sha256:{main.sha256}"


def is_met(recipe: Recipe, installed: Sequence[Package]) -> bool:
    """Whether what is installed is what the recipe names now."""
    return set(pinned(recipe)) <= set(installed)


def _python_package(pinned: str, digest: str) -> Package:
    name, _, version = pinned.partition("==")
    return Package(name, version, digest)
