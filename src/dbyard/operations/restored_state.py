"""A state file that is older than the servers of its home, as after it was put back from a backup.

What has changed since then (passwords, plans) is not known, so every server is brought to what the state says. Until
that is done no URL is given, which might be wrong. What was revoked since then is valid again: nothing here can know.
"""

from __future__ import annotations

import logging

from dbyard.model import InstanceState, OperationKind
from dbyard.operations import Context
from dbyard.store import credentials, database_users, instances, operations

log = logging.getLogger(__name__)

_FIRST_STEP = "stop"
"""Of a `configure`: the server gets the plan's limits and settings at its next start, and then its password."""
_GONE = "its directory is missing: the state is older than its end"


def reconcile(context: Context) -> None:
    """Have every server that should run started again with the plan and the password of the state.

    One that has no files here, as of a database that was deleted since then, is down.
    """
    now = context.now()
    log.warning(
        "tokens that were revoked and collaborators who were removed since the state was kept have their access again:"
        " revoke and remove them once more"
    )
    with context.store.tx() as connection:
        for instance in instances.list_should_run(connection):
            if context.runtime.status(instance.id).state is InstanceState.ABSENT:
                instances.set_down(connection, instance.id, now, _GONE)
                log.error("database %s: %s", instance.database_id, _GONE)
                continue
            credentials.set_pending(connection, instance.database_id)
            database_users.set_all_pending(connection, instance.database_id)
            if operations.exclusive_of(connection, instance.database_id) is None:
                kind = OperationKind.CONFIGURE
                operations.insert(
                    connection, instance.database_id, kind, now, step=_FIRST_STEP, instance_id=instance.id
                )
                log.warning("database %s is brought to the plan and the password of the state", instance.database_id)
