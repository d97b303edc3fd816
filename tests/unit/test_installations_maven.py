"""Assembling servers: toy artifacts, a toy Java from a Debian repository made here, and a Maven that copies files."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dbyard import installations
from dbyard.errors import InstallationError
from dbyard.installations import maven, maven_cli
from dbyard.model import Installation, Version
from dbyard.recipes import MavenRecipe
from tests.unit.conftest import Repository

pytestmark = pytest.mark.skipif(
    not (shutil.which("apt-get") and shutil.which("dpkg-deb")), reason="needs apt and dpkg-deb"
)
MAVEN = """\
#!{python}
import re, shutil, sys
from pathlib import Path
if not any(each.startswith("-Dmaven.repo.local=/") for each in sys.argv):
    sys.exit("it would write to a user's home")
pom = Path(sys.argv[sys.argv.index("-f") + 1]).read_text()
for item in re.findall("<artifactItem>(.*?)</artifactItem>", pom):
    fields = dict(re.findall("<(.*?)>(.*?)</", item))
    name = "{{artifactId}}-{{version}}.{{type}}".format(**fields)
    if not Path("{central}", name).exists():
        print("[INFO] Scanning")
        print("[ERROR] Failed to execute goal: Could not transfer " + name + ": no network")
        print("[ERROR] [Help 1] http://example.org")
        sys.exit(1)
    Path(fields["outputDirectory"]).mkdir(parents=True, exist_ok=True)
    shutil.copy(Path("{central}", name), fields["outputDirectory"])
    print("[INFO] Downloaded from central: https://example.org/" + name + " (2 kB at 1 kB/s)")
"""
JAR = b"a jar"
JAVA = "usr/lib/jvm/java-17-toy-amd64/bin/java"


@pytest.fixture
def central(tmp_path: Path) -> Path:
    directory = tmp_path / "central"
    directory.mkdir()
    (directory / "toysearch-2.19.4.jar").write_bytes(JAR)
    return directory


@pytest.fixture
def client(central: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The machine's Maven."""
    program = MAVEN.format(python=sys.executable, central=central)
    mvn = tmp_path / "programs" / "mvn"
    mvn.parent.mkdir()
    mvn.write_text(program)
    mvn.chmod(0o755)
    monkeypatch.setenv("PATH", str(mvn.parent), prepend=os.pathsep)
    return program


@pytest.fixture
def toy(engines: Path, client: str, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Version:
    """What stands in for OpenSearch: one jar, a script of ours, and a last step that leaves a file."""
    repository.add("toy-jre", {JAVA: "#!/bin/sh\n"}, section="java")
    assemblies = tmp_path / "assemblies"
    (assemblies / "toy" / "tree" / "bin").mkdir(parents=True)
    program = assemblies / "toy" / "tree" / "bin" / "opensearch"
    program.write_text("#!/bin/sh\necho Version: 2.19.4\n")
    program.chmod(0o755)
    digest = hashlib.sha256(JAR).hexdigest()
    artifacts = f'["share/lib"]\n"org.example:toysearch:2.19.4:jar" = "{digest}"\n'
    (assemblies / "toy" / "artifacts.toml").write_text(artifacts)
    (tmp_path / "toyprepare.py").write_text(
        "import sys; from pathlib import Path\nPath(sys.argv[1], 'prepared').write_text(sys.argv[1])\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(maven, "_ASSEMBLIES", assemblies)
    recipe = MavenRecipe("toy", ("toy-jre",), "toyprepare")
    return Version("opensearch", "2.19", "OpenSearch 2.19", "Apache-2.0", "opensearch", recipe, True)


def install(version: Version) -> tuple[Installation, list[str]]:
    lines: list[str] = []
    return installations.install(version, lines.append), lines


def left_in(engines: Path) -> list[str]:
    return [path.name for path in (engines / "opensearch").iterdir()]


class TestInstall:
    def test_a_tree_of_artifacts_java_and_files_of_ours(self, engines: Path, toy: Version) -> None:
        installed, lines = install(toy)
        assert (installed.full_version, installed.root) == ("2.19.4", engines / "opensearch" / "2.19.4")
        assert (installed.root / "share" / "lib" / "toysearch-2.19.4.jar").read_bytes() == JAR
        assert (installed.bin / "java").resolve() == (installed.root / JAVA.removeprefix("usr/")).resolve()
        assert (installed.bin / "prepared").read_text() == str(installed.bin)  # which was not there yet
        assert "OpenSearch 2.19: 1 of 1: toysearch-2.19.4.jar (2 kB)" in lines
        assert left_in(engines) == ["2.19.4"]

    def test_twice_is_once(self, toy: Version) -> None:
        first, _ = install(toy)
        assert install(toy) == (first, [])

    def test_another_digest_is_refused_and_nothing_stays(self, engines: Path, toy: Version, central: Path) -> None:
        (central / "toysearch-2.19.4.jar").write_bytes(b"another jar")
        with pytest.raises(
            InstallationError, match=r"toysearch-2\.19\.4\.jar is not the file that is pinned and was ref"
        ):
            install(toy)
        assert left_in(engines) == []

    def test_no_network_in_the_middle(self, engines: Path, toy: Version, central: Path) -> None:
        (central / "toysearch-2.19.4.jar").unlink()
        lines: list[str] = []
        words = r"toysearch:2\.19\.4 could not be downloaded: mvn failed: \[ERROR\] Failed .*: no network\. To continue"
        with pytest.raises(InstallationError, match=words):
            installations.install(toy, lines.append)
        assert sum("retrying once" in line for line in lines) == 1
        assert left_in(engines) == []

    def test_no_java_in_the_package(self, engines: Path, toy: Version, repository: Repository) -> None:
        repository.add("toy-jre", {"usr/share/doc/toy-jre/README": ""}, section="java", version="7.0.99-2")
        with pytest.raises(InstallationError, match="toy-jre contains no Java, which the server needs"):
            install(toy)
        assert left_in(engines) == []

    def test_a_last_step_that_fails(self, engines: Path, toy: Version, tmp_path: Path) -> None:
        (tmp_path / "toyprepare.py").write_text("import sys; sys.exit('the server does not start')\n")
        with pytest.raises(InstallationError, match="the server does not start"):
            install(toy)
        assert left_in(engines) == []

    def test_killed_in_the_last_step(self, engines: Path, toy: Version, tmp_path: Path) -> None:
        prepare = (tmp_path / "toyprepare.py").read_text()
        (tmp_path / "toyprepare.py").write_text("import os; os.kill(os.getppid(), 9)\n")
        program = f"""
            from pathlib import Path
            from dbyard import installations
            from dbyard.installations import maven
            from dbyard.model import Version
            from dbyard.recipes import MavenRecipe
            maven._ASSEMBLIES = Path({str(tmp_path / "assemblies")!r})
            installations.install({toy!r}, lambda _: None)
        """
        killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program)])
        assert killed.returncode == -signal.SIGKILL
        assert "2.19.4" in left_in(engines)
        assert installations.find("opensearch", "2.19") is None
        (tmp_path / "toyprepare.py").write_text(prepare)
        installed, _ = install(toy)
        assert (installed.root.name, left_in(engines)) == ("2.19.4", ["2.19.4"])


class TestClient:
    def test_where_the_machine_has_none_debians_is_run_by_the_java_that_comes(
        self, engines: Path, toy: Version, client: str, repository: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(maven_cli, "_find", lambda: None)
        repository.add("toy-jre", {JAVA: client}, section="java", version="7.0.99-2")
        repository.add("maven", {"usr/share/maven/bin/mvn": ""}, depends="toy-jre, maven-core", section="java")
        repository.add("maven-core", {"usr/share/java/maven-core.jar": ""}, section="java")
        installed, lines = install(toy)
        assert "OpenSearch 2.19: fetching Maven from Debian for this installation only" in lines
        fetched = [line.split()[5] for line in lines if " of 2: " in line]
        assert sorted(fetched) == ["maven", "maven-core"]
        assert not (installed.root / "share" / "maven").exists()
        assert left_in(engines) == ["2.19.4"]
