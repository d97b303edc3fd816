"""What the platform does for the owner of its home."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest

from dbyard import daemon, secrets, state_mark
from dbyard.errors import ConfigError
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.store import Store


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """That of a platform which was started once and does not run."""
    home = tmp_path / "home"
    (home / "state").mkdir(parents=True)
    secrets.load_or_make_key(home / "master.key")
    (home / "ca").mkdir()
    for name in ("ca.key", "ca.crt"):
        (home / "ca" / name).write_text("\n")
    store = Store(home / "state" / "dbyard.db")
    store.close()
    return home


def test_a_full_disk_does_not_keep_a_token_from_its_owner(
    service: Service,
    token: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(_home: Path, _store: Store) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(state_mark, "note", refuse)
    (tmp_path / ".admin-token-wanted").touch()
    with caplog.at_level(logging.ERROR):
        assert daemon._look_after_home(tmp_path, service.store) > 1.0
    assert not (tmp_path / ".admin-token-wanted").exists()
    made = (tmp_path / "admin-token").read_text(encoding="ascii").strip()
    assert made != token
    assert authentication.authenticate(service, made).account.admin
    (said,) = caplog.records
    assert said.getMessage() == f"the home {tmp_path} cannot be written: No space left on device"
    assert said.exc_info is None


def test_the_home_of_another_user_gets_no_files_of_this_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = home.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    before = sorted(home.rglob("*"))
    with pytest.raises(ConfigError, match=f"belongs to the user with uid {owner}: run this as that user"):
        daemon.replace_admin_token(home)
    assert set(home.rglob("*")) - set(before) <= {home / "lock"}
