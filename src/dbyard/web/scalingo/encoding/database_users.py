"""The users of a database on the wire."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard.service.databases.database_users import DatabaseUser, PasswordReset
from dbyard.wire import database_users as wire


def encode_all(users: Sequence[DatabaseUser]) -> wire.DatabaseUsersAnswer:
    return wire.DatabaseUsersAnswer([_user(each) for each in users])


def encode_reset(reset: PasswordReset) -> wire.PasswordAnswer:
    user = _user(reset.user)
    fields = (user.name, user.read_only, user.protected, user.dbms_attributes, reset.password)
    return wire.PasswordAnswer(*fields, wire.UserWithPassword(*fields), reset.operation_id)


def _user(user: DatabaseUser) -> wire.DatabaseUser:
    attributes = {"password_encryption": user.encryption} if user.encryption else {}
    return wire.DatabaseUser(user.name, False, True, attributes)
