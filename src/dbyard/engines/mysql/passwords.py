"""What the server keeps of a password: neither it nor its log ever sees the password itself."""

from __future__ import annotations

import hashlib


def password_hash(password: str) -> str:
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()
