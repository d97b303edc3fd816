"""`/docs`: a page that draws `/openapi.json` in a browser, and the way to it. All its files are served from here."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

from dbyard.web.replies import Reply
from dbyard.web.routes import CachePolicy, Call, Method, Route, route

_FILES = {
    "docs.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "swagger-ui/swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


def routes() -> list[Route]:
    """The page, and one route for each of its files: no other name leads to a file."""
    root = route("/", get=Method(_lead_here, "Leads a browser to /docs", None, public=True, limited=False))
    page = route("/docs", get=_file("docs.html", "text/html; charset=utf-8", "The API for people, in a browser"))
    files = [
        route(f"/docs/{name.rpartition('/')[2]}", get=_file(name, media, "A file of /docs"))
        for name, media in _FILES.items()
    ]
    return [root, page, *files]


def _lead_here(_call: Call) -> Reply:
    return Reply(302, b"", ((b"location", b"/docs"),))


def _file(name: str, media: str, summary: str) -> Method:
    content = _read(name)
    policy = CachePolicy(f'"{hashlib.sha256(content).hexdigest()[:32]}"', _HEADERS)
    return Method(lambda _call: content, summary, None, public=True, limited=False, media=media, cache=policy)


@cache
def _read(name: str) -> bytes:
    return resources.files("dbyard.web").joinpath("static", *name.split("/")).read_bytes()
