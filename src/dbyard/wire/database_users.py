"""What the Database API answers about users."""

from __future__ import annotations

from msgspec import Struct, field


class DatabaseUser(Struct, frozen=True):
    """`protected`: the database was made with it, and it goes with the database only."""

    name: str
    read_only: bool
    protected: bool
    dbms_attributes: dict[str, str]


class DatabaseUsersAnswer(Struct, frozen=True):
    users: list[DatabaseUser] = field(name="database-users")


class UserWithPassword(DatabaseUser, frozen=True):
    password: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


class PasswordAnswer(UserWithPassword, frozen=True):
    """The user both flat and wrapped, because clients differ.

    `current_operation_id` is null when the server has the new password already.
    """

    database_user: UserWithPassword
    current_operation_id: str | None
