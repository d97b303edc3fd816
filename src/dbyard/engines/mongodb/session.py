"""Talking to a server as its admin. pymongo is imported with the first word, while the server starts up anyway."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from dbyard.engines.mongodb.mongod import REPLICA_SET, SYSTEM_USER, system_key
from dbyard.engines.mongodb.names import ADMIN
from dbyard.engines.private_host import private_host
from dbyard.errors import LockedOut, NotReady, Stuck, TemporaryError
from dbyard.model import Address, Credentials

if TYPE_CHECKING:
    from pymongo import MongoClient

    Client = MongoClient[dict[str, Any]]

STATEMENT_SECONDS = 15.0
_ANSWER_SECONDS = 1.0
_AUTHENTICATION_FAILED = 18
_INTERNAL_ERROR = 1


def ping(address: Address, credentials: Credentials) -> None:
    with admin(address, credentials.admin_password, _ANSWER_SECONDS) as server, refusals("ping_failed"):
        told = server.admin.command("hello")
        if not (told["isWritablePrimary"] or told.get("isreplicaset")):
            raise NotReady("the server is not its replica set's primary yet")


def check_login(address: Address, credentials: Credentials) -> None:
    """Those of SecantusDB that are too many, or are closed out, lose their connection: that is no answer.

    It reads a collection that no tenant can have made: its own may be a view without an end, or of 16 MB a document.
    """
    from pymongo.errors import OperationFailure, PyMongoError

    _refuse_closed(address)
    who = (credentials.user, credentials.password, credentials.database)
    with connect(address, who, _ANSWER_SECONDS) as server:
        try:
            server[credentials.database].command("find", f"dbyard_{token_hex(8)}", limit=1)
        except OperationFailure as error:
            raise LockedOut(message(error)) from error
        except PyMongoError as error:
            raise NotReady(message(error)) from error


@contextmanager
def admin(address: Address, admin_password: str, seconds: float) -> Iterator[Client]:
    """A session of the admin, who has just been asked for; NotReady when the server does not let us in."""
    from pymongo.errors import OperationFailure, PyMongoError

    address = find_address(address, admin_password)
    server = connect(address, (ADMIN, admin_password, "admin"), seconds)
    try:
        try:
            server.admin.command("usersInfo", ADMIN)
        except OperationFailure as error:
            if error.code != _AUTHENTICATION_FAILED:
                raise
            server.close()
            server = connect(address, (SYSTEM_USER, system_key(admin_password), "local"), seconds)
            server.admin.command("ping")
        yield server
    except OperationFailure as error:
        raise (Stuck if error.code == _INTERNAL_ERROR else NotReady)(message(error)) from error
    except PyMongoError as error:
        raise NotReady(message(error)) from error
    finally:
        server.close()


@contextmanager
def refusals(code: str) -> Iterator[None]:
    """What the server refuses is an error to try again; anything else means that it does not answer."""
    from pymongo.errors import OperationFailure

    try:
        yield
    except OperationFailure as error:
        raise TemporaryError(f"the server refuses: {message(error)}", code=code) from error


def connect(address: Address, who: tuple[str, str, str], seconds: float) -> Client:
    """A client of one user: its name, its password, and the database that holds it."""
    from pymongo import MongoClient

    user, password, source = who
    return MongoClient(
        address.host,
        address.port,
        username=user,
        password=password,
        authSource=source,
        authMechanism="SCRAM-SHA-256",
        directConnection=True,
        maxPoolSize=1,
        retryReads=False,
        retryWrites=False,
        serverMonitoringMode="poll",  # or it would be one connection more
        serverSelectionTimeoutMS=_ANSWER_SECONDS * 1000,
        connectTimeoutMS=_ANSWER_SECONDS * 1000,
        socketTimeoutMS=seconds * 1000,
    )


def make_primary(server: Client, address: Address) -> None:
    """A new mongod is told to be a replica set of its own; SecantusDB always is."""
    told = server.admin.command("hello")
    if not told["isWritablePrimary"]:
        if "setName" not in told:
            member = {"_id": 0, "host": f"{address.host}:{address.port}"}
            server.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
        raise NotReady("the server is not its replica set's primary yet")


def make_admin(server: Client, admin_password: str) -> None:
    """SecantusDB's was made before it first listened."""
    if not server.admin.command("usersInfo", ADMIN)["users"]:
        server.admin.command("createUser", ADMIN, pwd=admin_password, roles=["root"])


def message(error: Exception) -> str:
    return str(error).split(", full error:")[0].split(", Timeout:")[0]


def find_address(address: Address, admin_password: str) -> Address:
    """Where the server listens: there, or where only the platform finds it. Raises NotReady when it does not."""
    try:
        _refuse_closed(address)
    except NotReady as error:
        host = private_host(address.host, admin_password)
        if not isinstance(error.__cause__, ConnectionRefusedError) or host == address.host:
            raise
        address = Address(host, address.port)
        _refuse_closed(address)
    return address


def _refuse_closed(address: Address) -> None:
    """pymongo would wait half a second before it tries a closed port again."""
    try:
        socket.create_connection((address.host, address.port), _ANSWER_SECONDS).close()
    except OSError as error:
        raise NotReady(str(error)) from error
