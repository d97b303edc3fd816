"""What the Database API answers about users."""

from __future__ import annotations

from msgspec import Struct, field


class DatabaseUser(Struct, frozen=True):
    """`protected`: the database was made with it, and it goes with the database only.

    `error` says why its server did not let it in when that was tried; null where it did.
    """

    name: str
    read_only: bool
    protected: bool
    dbms_attributes: dict[str, str]
    error: str | None


class DatabaseUsersAnswer(Struct, frozen=True):
    users: list[DatabaseUser] = field(name="database-users")


class NewDatabaseUser(Struct, frozen=True, omit_defaults=True):
    """Without a password it gets one. `database_id` is that of the path."""

    name: str
    read_only: bool = False
    password: str | None = None
    password_confirmation: str | None = None
    database_id: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, read_only={self.read_only})"


class CreateDatabaseUser(Struct, frozen=True):
    database_user: NewDatabaseUser


class NewPassword(Struct, frozen=True, omit_defaults=True):
    password: str
    password_confirmation: str | None = None
    database_id: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ChangeDatabaseUser(Struct, frozen=True):
    database_user: NewPassword


class UserWithPassword(DatabaseUser, frozen=True):
    password: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


class PasswordAnswer(UserWithPassword, frozen=True):
    """The user both flat and wrapped, because clients differ.

    `url` is the connection's with this user. `current_operation_id` is null when the server has it already.
    """

    database_user: UserWithPassword
    url: str | None
    current_operation_id: str | None
