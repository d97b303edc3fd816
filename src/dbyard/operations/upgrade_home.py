"""What homes of earlier versions need beyond their schema, once, when the platform starts."""

from __future__ import annotations

from dbyard.model import Certificate
from dbyard.operations import Context
from dbyard.operations.target import seal_certificate
from dbyard.store import instances


def move_certificates(context: Context) -> None:
    """Certificates were a database's, their keys sealed for its credential; now they are the instance's own."""
    with context.store.read() as reading:
        found = instances.list_moving_certificates(reading)
    if not found:
        return
    with context.store.tx() as connection:
        for instance_id, database_id, certificate, key in found:
            plain = context.box.open(key, table="credential", column="private_key", row=database_id)
            issued = Certificate(certificate, plain, context.authority.pem)
            instances.set_certificate(connection, instance_id, seal_certificate(context, instance_id, issued))
        instances.forget_moving_certificates(connection)
