# SPDX-License-Identifier: 0BSD
"""Start SecantusDB with what its own command line does not offer: `serve.py LOG ADMIN CONNECTIONS [its arguments]`.

A program of its own, run by the server's Python beside the server's packages; dbyard never imports it.
"""

import functools
import os
import sys

from secantus import cli, commands, connreg, server

PLATFORM = 16
PER_LOGIN = 3  # a client has up to two more, which watch the server and never log in


class Connections(connreg.ConnectionRegistry):  # type: ignore[misc]
    """Everybody but the admin may log in so many times at once: it always gets in."""

    def __init__(self, admin: str, limit: int) -> None:
        super().__init__()
        self._admin = f"{admin}@admin"
        self._limit = limit

    def authenticate(self, conn_id: int, user: str) -> None:
        super().authenticate(conn_id, user)
        logged_in = [each.user for each in self.snapshot() if each.user not in (None, self._admin)]
        if user != self._admin and len(logged_in) > self._limit:
            self.kill(conn_id)


def main() -> int:
    log, admin, connections = sys.argv[1:4]
    del sys.argv[1:4]
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    limit = int(connections)
    server.ConnectionRegistry = functools.partial(Connections, admin, limit)
    cli.SecantusDBServer = functools.partial(cli.SecantusDBServer, max_connections=limit * PER_LOGIN + PLATFORM)
    # It asks nobody's rights for this command, which writes to any database: now it wants those of an admin.
    commands._COMMAND_ACTIONS["bulkWrite"] = (commands.A_FSYNC, commands.SCOPE_CLUSTER)
    return int(cli.main())


if __name__ == "__main__":
    sys.exit(main())
