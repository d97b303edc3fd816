"""Building servers from Go modules: a real Go on a module made here, so no network is needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from dbyard import catalogue, installations
from dbyard.errors import InstallationError
from dbyard.installations import golang
from dbyard.model import Version
from dbyard.recipes import GoRecipe

MODULE = "example.org/toy"
PROGRAM = """\
package main

import "os"

var version = "none"

func main() {
	os.Stdout.WriteString("InfluxDB v" + version + "\\n")
}
"""


def has_go() -> bool:
    try:
        return golang._find(lambda _: None) is not None
    except InstallationError:
        return False


needs_go = pytest.mark.skipif(not has_go(), reason="needs Go 1.24 or newer on PATH")


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module in the files of a proxy, and a machine that is told to use no other."""
    for path in (tmp_path, *tmp_path.parents[:-2]):
        if path.stat().st_uid == os.geteuid():
            path.chmod(path.stat().st_mode | 0o711)
    directory = tmp_path / "proxy" / MODULE / "@v"
    directory.mkdir(parents=True)
    manifest = f"module {MODULE}\n\ngo 1.17\n"
    (directory / "list").write_text("v1.8.99\n")
    (directory / "v1.8.99.info").write_text('{"Version": "v1.8.99"}')
    (directory / "v1.8.99.mod").write_text(manifest)
    with zipfile.ZipFile(directory / "v1.8.99.zip", "w") as archive:
        archive.writestr(f"{MODULE}@v1.8.99/go.mod", manifest)
        archive.writestr(f"{MODULE}@v1.8.99/cmd/influxd/main.go", PROGRAM)
    monkeypatch.setenv("GOPROXY", f"file://{tmp_path / 'proxy'}")
    monkeypatch.setenv("GOSUMDB", "off")
    monkeypatch.setenv("DBYARD_ENGINES", str(tmp_path / "engines"))
    return directory


@pytest.fixture
def toy(proxy: Path, tmp_path: Path) -> Version:
    """What stands in for InfluxDB 1.8."""
    real = catalogue.load().version("influxdb", "1.8")
    assert isinstance(real.recipe, GoRecipe)
    environment = {**os.environ, "GOPATH": str(tmp_path / "path"), "GOFLAGS": "-modcacherw"}
    told = subprocess.check_output(
        ["go", "mod", "download", "-json", f"{MODULE}@v1.8.99"], env=environment, cwd=tmp_path
    )
    recipe = structs.replace(real.recipe, module=MODULE, release="1.8.99", sum=json.loads(told)["Sum"])
    return replace(real, recipe=recipe)


@needs_go
class TestUnpack:
    def test_a_program_that_knows_its_version(self, toy: Version) -> None:
        lines: list[str] = []
        installed = installations.install(toy, lines.append)
        assert installed == installations.find("influxdb", "1.8")
        assert (installed.full_version, installed.source) == ("1.8.99", f"Go module {MODULE} 1.8.99")
        assert [path.name for path in installed.bin.iterdir()] == ["influxd"]
        assert lines[1:3] == [
            "InfluxDB 1.8: building influxd",
            f"InfluxDB 1.8: 1.8.99 is in {installed.root}",
        ]

    def test_another_module_is_refused_and_nothing_stays(self, toy: Version, tmp_path: Path) -> None:
        assert isinstance(toy.recipe, GoRecipe)
        other = replace(toy, recipe=structs.replace(toy.recipe, sum=f"h1:{'A' * 43}="))
        with pytest.raises(InstallationError, match="is not the module that the catalogue pins and was refused"):
            installations.install(other, lambda _: None)
        assert list((tmp_path / "engines" / "influxdb").iterdir()) == []

    def test_a_missing_module_is_tried_twice_and_named(self, toy: Version, proxy: Path) -> None:
        shutil.rmtree(proxy)
        lines: list[str] = []
        with pytest.raises(InstallationError, match=rf"{MODULE} 1\.8\.99 could not be downloaded: .* To continue"):
            installations.install(toy, lines.append)
        assert sum("retrying once" in line for line in lines) == 1


class TestFind:
    @pytest.mark.parametrize(("told", "found"), [("go1.24.1", True), ("go1.19.8", False), ("devel go1.30-a", True)])
    def test_only_a_go_that_is_new_enough(
        self, told: str, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = tmp_path / "go"
        program.write_text(f"#!/bin/sh\necho go version {told} linux/amd64\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        assert golang._find(lambda _: None) == (program if found else None)

    def test_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert golang._find(lambda _: None) is None
