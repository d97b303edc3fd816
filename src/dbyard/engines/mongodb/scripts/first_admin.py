# SPDX-License-Identifier: 0BSD
"""Make the admin of a new SecantusDB, while nothing listens yet: the order is JSON on standard input.

A program of its own, run by the server's Python beside the server's packages; dbyard never imports it.
"""

import json
import sys

from secantus.auth import SCRAM_SHA_256, derive_credentials
from secantus.storage import Storage

# The least that clients accept: the password is random, so that more would only slow down every login of the admin.
ITERATIONS = 4096


def main() -> None:
    order = json.load(sys.stdin)
    user = order["user"]
    secret = derive_credentials(order["password"], mechanism=SCRAM_SHA_256, username=user, iterations=ITERATIONS)
    record = {
        "_id": f"admin.{user}",
        "user": user,
        "db": "admin",
        "credentials": secret.to_doc(),
        "roles": [{"role": "root", "db": "admin"}],
        "mechanisms": [SCRAM_SHA_256],
    }
    storage = Storage(order["path"], cache_size="32M")
    storage.add_user("admin", user, record)
    storage.close()


if __name__ == "__main__":
    main()
