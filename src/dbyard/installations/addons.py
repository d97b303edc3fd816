"""What a whole root may have beside its server, for who asks for it. Newer installations keep it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from msgspec import structs

from dbyard.errors import InstallationError
from dbyard.installations import prefix
from dbyard.installations.prefix import Package
from dbyard.model import Installation, Version
from dbyard.recipes import DebianAddon, DebianRootRecipe


def merge(version: Version, newest: Installation | None, wanted: Sequence[str] = ()) -> Version:
    """The version with what is wanted, and what databases of the newest installation may use already.

    Raises InstallationError for a name that it does not know.
    """
    known = list_addons(version)
    if unknown := [name for name in wanted if name not in {each.name for each in known}]:
        has = f"it has {', '.join(each.name for each in known)}" if known else "it has none"
        raise InstallationError(f"{version.server} has no add-on {unknown[0]}: {has}")
    if not isinstance(version.recipe, DebianRootRecipe):
        return version
    there = find_installed(version, prefix.read_packages(newest.root)) if newest else []
    return replace(version, recipe=_merge(version.recipe, [each for each in known if each.name in (*wanted, *there)]))


def list_addons(version: Version) -> tuple[DebianAddon, ...]:
    return version.recipe.addons if isinstance(version.recipe, DebianRootRecipe) else ()


def find_installed(version: Version, packages: Iterable[Package]) -> list[str]:
    """The names of those whose packages are among these."""
    names = {each.name for each in packages}
    return [each.name for each in list_addons(version) if names.issuperset(each.packages)]


def _merge(recipe: DebianRootRecipe, addons: Sequence[DebianAddon]) -> DebianRootRecipe:
    """Each of their parts once, however often this is done."""
    return structs.replace(
        recipe,
        packages=tuple(dict.fromkeys((*recipe.packages, *(each for addon in addons for each in addon.packages)))),
        links=tuple(dict.fromkeys((*recipe.links, *(each for addon in addons for each in addon.links)))),
        added_lines=tuple(
            dict.fromkeys((*recipe.added_lines, *(line for addon in addons for line in addon.added_lines)))
        ),
    )
