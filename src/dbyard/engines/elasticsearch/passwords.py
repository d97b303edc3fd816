"""What a server keeps of a password."""

from __future__ import annotations

import hashlib

import bcrypt

ROUNDS = 4
"""A random password of 190 bits cannot be searched, however quick a guess is; each first login waits for it."""


def hash_password(password: str, kind: str = "2b") -> str:
    """The same for the same password, so that files that hold it need not change."""
    salt = hashlib.sha256(f"salt {password}".encode()).hexdigest()[:21] + "."  # the last character holds two bits only
    return bcrypt.hashpw(password.encode(), f"${kind}${ROUNDS:02}${salt}".encode()).decode()
