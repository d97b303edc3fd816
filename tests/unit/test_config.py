"""Settings: which source takes precedence, and which values are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbyard.config import Config, load
from dbyard.errors import ConfigError


def write(directory: Path, text: str) -> Path:
    path = directory / "dbyard.toml"
    path.write_text(text)
    return path


class TestLoad:
    def test_defaults(self, tmp_path: Path) -> None:
        assert load(environ={}, home=tmp_path) == Config(home=tmp_path)

    def test_command_line_over_environment_over_file(self, tmp_path: Path) -> None:
        file = write(tmp_path, 'listen = "127.0.0.1:1001"\nworkers = 1\nspares = 1\n')
        environ = {"DBYARD_WORKERS": "2", "DBYARD_SPARES": "2"}
        found = load(file, environ=environ, home=tmp_path, spares=3)
        assert (found.listen, found.workers, found.spares) == ("127.0.0.1:1001", 2, 3)

    def test_an_absent_option_changes_nothing(self, tmp_path: Path) -> None:
        assert load(environ={"DBYARD_WORKERS": "2"}, home=tmp_path, workers=None).workers == 2

    def test_public_url_has_no_final_slash(self, tmp_path: Path) -> None:
        found = load(environ={"DBYARD_PUBLIC_URL": "https://db.example.org/yard/"}, home=tmp_path)
        assert found.public_url == "https://db.example.org/yard"

    def test_home_is_absolute(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert load(environ={"DBYARD_HOME": "here"}).home == tmp_path / "here"

    @pytest.mark.parametrize(
        ("text", "networks"),
        [
            ("[]", ()),
            ('["127.0.0.1", "10.0.0.0/8"]', ("127.0.0.1", "10.0.0.0/8")),
            ('" ::1 , 192.0.2.7,"', ("::1", "192.0.2.7")),
        ],
    )
    def test_trusted_proxies(self, tmp_path: Path, text: str, networks: tuple[str, ...]) -> None:
        file = write(tmp_path, f"trusted_proxies = {text}\n")
        assert load(file, environ={}, home=tmp_path).trusted_proxies == networks

    @pytest.mark.parametrize(
        ("listen", "address"),
        [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:80", ("::1", 80)), ("localhost:0", ("localhost", 0))],
    )
    def test_address(self, listen: str, address: tuple[str, int]) -> None:
        assert Config(Path("/h"), listen=listen).address == address


class TestRefusals:
    @pytest.mark.parametrize("value", ["*", "localhost", "127.0.0.1:80", "10.0.0.1/8", "127.0.0.1 10.0.0.1"])
    def test_trusted_proxies(self, tmp_path: Path, value: str) -> None:
        with pytest.raises(ConfigError, match="trusted_proxies must be addresses or networks"):
            load(environ={"DBYARD_TRUSTED_PROXIES": value}, home=tmp_path)

    @pytest.mark.parametrize(
        "listen", ["", "7878", ":7878", "localhost", "localhost:", "localhost:x", "localhost:65536"]
    )
    def test_listen(self, tmp_path: Path, listen: str) -> None:
        with pytest.raises(ConfigError, match="listen must be HOST:PORT"):
            load(environ={}, home=tmp_path, listen=listen)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("workers", "0"),
            ("workers", "65"),
            ("workers", "many"),
            ("workers", "-1"),
            ("workers", "1.5"),
            ("workers", ""),
            ("spares", "1001"),
            ("rate_limit", "-1"),
            ("running_spares", "101"),
            ("first_port", "80"),
            ("last_port", "65536"),
        ],
    )
    def test_numbers(self, tmp_path: Path, name: str, value: str) -> None:
        with pytest.raises(ConfigError, match=f"{name} must be a whole number"):
            load(environ={f"DBYARD_{name.upper()}": value}, home=tmp_path)

    @pytest.mark.parametrize(
        "url",
        ["ftp://host", "host", "http://", "http://h:0", "http://h:x", "http://h/?a", "http://u:p@h", "http://é", "/"],
    )
    def test_public_url(self, tmp_path: Path, url: str) -> None:
        with pytest.raises(ConfigError, match="public_url must"):
            load(environ={"DBYARD_PUBLIC_URL": url}, home=tmp_path)

    def test_public_url_has_a_dot_for_the_clients_that_count_on_it(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"127\.0\.0\.1, not localhost"):
            load(environ={}, home=tmp_path, public_url="http://localhost:7878")

    @pytest.mark.parametrize("region", ["", "-", "a b", "Osc", "a-", "x" * 65])
    def test_region(self, tmp_path: Path, region: str) -> None:
        with pytest.raises(ConfigError, match="region must be"):
            load(environ={"DBYARD_REGION": region}, home=tmp_path)

    def test_a_boolean_is_no_number(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="workers must be a whole number"):
            load(write(tmp_path, "workers = true"), environ={}, home=tmp_path)

    def test_ports_in_the_wrong_order(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="first_port 3000 is above last_port 2000"):
            load(environ={"DBYARD_FIRST_PORT": "3000", "DBYARD_LAST_PORT": "2000"}, home=tmp_path)

    def test_a_setting_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="worker"):
            load(write(tmp_path, "worker = 1"), environ={}, home=tmp_path)

    def test_a_file_that_is_no_toml(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"dbyard\.toml"):
            load(write(tmp_path, "workers = "), environ={}, home=tmp_path)

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="missing"):
            load(tmp_path / "missing.toml", environ={}, home=tmp_path)

    @given(st.text())
    def test_whatever_the_text_it_is_an_address_or_refused(self, text: str) -> None:
        try:
            host, port = load(environ={}, home="/h", listen=text).address
        except ConfigError:
            return
        assert host or text
        assert 0 <= port <= 65535
