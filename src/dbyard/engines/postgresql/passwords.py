"""What the server keeps of a password (RFC 5803): neither it nor its log ever sees the password itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

# RFC 7677's least for a password that people choose, and what clients insist on. The admin's password is 256 random
# bits, which more rounds do not protect better: one round makes its log-ins 2 ms quicker.
_TENANT_ROUNDS = 4096
_ADMIN_ROUNDS = 1


def tenant_verifier(password: str) -> str:
    return _scram_verifier(password, os.urandom(16), _TENANT_ROUNDS)


def admin_verifier(password: str) -> str:
    """The same for the same password, so that rendering is pure."""
    salt = hashlib.sha256(b"salt " + password.encode()).digest()[:16]
    return _scram_verifier(password, salt, _ADMIN_ROUNDS)


def _scram_verifier(password: str, salt: bytes, rounds: int) -> str:
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    client_key, server_key = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
    stored_key = hashlib.sha256(client_key).digest()
    parts = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${rounds}:{parts[0]}${parts[1]}:{parts[2]}"
