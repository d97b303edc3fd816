"""`/docs`: all that the page needs comes from here, may be kept, and may do nothing else."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from dbyard.web.api import docs

FILES = [route.path for route in docs.routes() if route.path != "/"]
STATIC = Path(docs.__file__).parents[1] / "static"


class TestPage:
    def test_refers_to_what_answers_here_and_to_nothing_else(self, anonymous: TestClient) -> None:
        page = anonymous.get("/docs")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        found = set(re.findall(r'(?:src|href)="([^"]*)"', page.text)) - {"data:,"}
        assert found == {*FILES, "/openapi.json"} - {"/docs"}
        kinds = {path: anonymous.get(path).headers["content-type"].partition(";")[0] for path in found}
        assert kinds == {
            path: {"css": "text/css", "js": "text/javascript", "json": "application/json"}[path.rpartition(".")[2]]
            for path in found
        }

    def test_names_no_other_host(self) -> None:
        for name in ("docs.html", "docs.js", "docs.css"):
            assert "//" not in (STATIC / name).read_text().replace("\n// ", "\n")
        style = (STATIC / "swagger-ui" / "swagger-ui.css").read_text()
        assert "@import" not in style
        assert [each for each in re.findall(r"url\(([^)]{5})", style) if each.strip("\"'")[:4] != "data"] == []

    def test_has_no_code_or_style_in_itself(self, anonymous: TestClient) -> None:
        page = anonymous.get("/docs").text
        assert not re.search(r"<style|style=|\son\w+=|<script>|javascript:", page)

    @pytest.mark.parametrize("path", FILES)
    def test_may_load_from_here_only(self, anonymous: TestClient, path: str) -> None:
        headers = anonymous.get(path).headers
        policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
        assert policy.pop("img-src") == "'self' data:"
        assert set(policy.values()) <= {"'self'", "'none'"}
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff"


class TestRoot:
    @pytest.mark.parametrize("header", [{}, {"Accept": "text/html"}, {"Authorization": "Bearer wrong"}])
    def test_leads_to_the_page(self, anonymous: TestClient, header: dict[str, str]) -> None:
        answer = anonymous.get("/", headers=header, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (302, "/docs")
        assert anonymous.get("/", headers=header).headers["content-type"].startswith("text/html")


class TestFiles:
    @pytest.mark.parametrize("path", FILES)
    def test_are_kept_by_their_content(self, anonymous: TestClient, path: str) -> None:
        first = anonymous.get(path)
        etag = first.headers["etag"]
        assert etag == f'"{hashlib.sha256(first.content).hexdigest()[:32]}"'
        assert first.headers["cache-control"] == "no-cache"
        for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            again = anonymous.get(path, headers={"If-None-Match": given})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        assert anonymous.get(path, headers={"If-None-Match": '"other"'}).content == first.content
        assert anonymous.head(path).headers["content-length"] == str(len(first.content))

    @pytest.mark.parametrize(
        "name",
        [
            "LICENSE", "docs.html", "swagger-ui/LICENSE", "../docs.py", "..%2Fdocs.py", "%2e%2e/docs.py",
            "....//docs.py", "docs.js%00", "docs.js/", "/etc/passwd", "%2Fetc%2Fpasswd", "..\\docs.py",
        ],
    )  # fmt: skip
    def test_are_no_others(self, api: TestClient, name: str) -> None:
        assert api.get(f"/docs/{name}").status_code == 404

    def test_bring_their_licence(self) -> None:
        directory = STATIC / "swagger-ui"
        assert "Apache License" in (directory / "LICENSE").read_text()
        assert {file.name for file in directory.iterdir()} == {
            "LICENSE", "NOTICE", "README.md", "swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt",
            "swagger-ui.css",
        }  # fmt: skip
