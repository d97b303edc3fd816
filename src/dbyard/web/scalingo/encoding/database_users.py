"""The users of a database on the wire."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard.service.databases.database_users import DatabaseUser, UserChange
from dbyard.wire import database_users as wire


def encode_all(users: Sequence[DatabaseUser]) -> wire.DatabaseUsersAnswer:
    return wire.DatabaseUsersAnswer([_user(each) for each in users])


def encode_change(change: UserChange) -> wire.PasswordAnswer:
    user = _user(change.user)
    fields = (user.name, user.read_only, user.protected, user.dbms_attributes, user.error, change.password)
    return wire.PasswordAnswer(*fields, wire.UserWithPassword(*fields), change.url, change.operation_id)


def _user(user: DatabaseUser) -> wire.DatabaseUser:
    attributes = {"password_encryption": user.encryption} if user.encryption else {}
    return wire.DatabaseUser(user.name, user.read_only, user.protected, attributes, user.error)
