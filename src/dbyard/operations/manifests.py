"""The manifest of an instance: what the state knows of its database, sealed, beside the instance itself.

A state that was lost is rebuilt from the manifests; see `rebuilt_state`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from dbyard.errors import ConfigError
from dbyard.secrets import Box
from dbyard.store.database_rows import Row, Rows


@dataclass(frozen=True, slots=True)
class Manifest:
    """The rows of a database, as of the time `at`, in the schema of that number."""

    schema: int
    at: float
    rows: Rows

    @property
    def database(self) -> Row:
        (found,) = self.rows["database"]
        return found


def seal(box: Box, instance_id: str, manifest: Manifest) -> str:
    """As a text that opens for that instance alone."""
    value = {"schema": manifest.schema, "at": manifest.at, "rows": manifest.rows}
    text = json.dumps(value, default=_encode)
    return base64.b64encode(box.seal(text, table="instance", column="manifest", row=instance_id)).decode()


def unseal(box: Box, instance_id: str, sealed: str) -> Manifest:
    """Raises ConfigError under another master key, or for what is none."""
    try:
        text = box.open(base64.b64decode(sealed), table="instance", column="manifest", row=instance_id)
    except ValueError as error:
        raise ConfigError(f"the manifest of instance {instance_id} is damaged: {error}") from error
    value = json.loads(text, object_hook=_decode)
    return Manifest(value["schema"], value["at"], value["rows"])


def _encode(value: object) -> object:
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    raise TypeError(f"a state holds no {type(value).__name__}")


def _decode(value: dict[str, object]) -> object:
    return base64.b64decode(str(value["bytes"])) if set(value) == {"bytes"} else value
