"""Errors as replies: always JSON, and nothing of what is inside the platform."""

from __future__ import annotations

import msgspec

from dbyard.errors import Invalid, RequestError
from dbyard.web.replies import JSON, Reply, headers_for

INTERNAL_ERROR = "Internal error occured, we're on it!"


def reply_to(error: RequestError) -> Reply:
    content = {"errors": error.fields} if isinstance(error, Invalid) else {"error": str(error), **error.extra}
    extra = tuple((name.lower().encode(), value.encode()) for name, value in error.headers.items())
    return Reply(error.status, msgspec.json.encode(content), headers_for(JSON) + extra)


def internal_error() -> Reply:
    return Reply(500, msgspec.json.encode({"error": INTERNAL_ERROR}), headers_for(JSON))
