"""A typed client of the platform's HTTP API: one method per route; errors of `errors` with the server's messages.

`wait_usable` and `wait_closed` wait for the effect of a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

import msgspec
from msgspec import structs

from dbyard import wire
from dbyard.client.transport import Transport, is_loopback, read_events
from dbyard.client.waits import wait_closed, wait_usable
from dbyard.errors import NotFound
from dbyard.wire import (
    accounts,
    addons,
    apps,
    backups,
    catalogue,
    collaborators,
    database_users,
    details,
    imports,
    logs,
    moments,
    projects,
    settings,
    tokens,
)
from dbyard.wire.dashboard import DatabaseSummary
from dbyard.wire.events import AuditEventsAnswer

__all__ = ["Client", "Shared", "is_loopback", "read_events", "wait_closed", "wait_usable"]

Shared = wire.Database | projects.Project
"""What collaborators use: one database, or all of a project."""


class _Listed(msgspec.Struct, frozen=True):
    """What the client reads of a database with its app and its addon."""

    database: DatabaseSummary


class _Summaries(msgspec.Struct, frozen=True):
    databases: list[_Listed]


class Client(Transport):
    """A client of one platform with one token; `with` closes its connections."""

    def create_database(self, new: wire.NewDatabase, *, idempotency_key: str | None = None) -> wire.Database:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
        body = wire.CreateDatabase(new)
        return self.ask("POST", "/v1/databases", wire.DatabaseAnswer, body=body, headers=headers).database

    def list_databases(self) -> list[wire.Database]:
        """Newest last."""
        return self.ask("GET", "/v1/databases", wire.DatabasesAnswer).databases

    def list_summaries(self) -> list[DatabaseSummary]:
        """The same with their status and address."""
        params = {"dashboard": "true"}
        found = self.ask("GET", "/v1/databases", _Summaries, params=params).databases
        return [each.database for each in found]

    def get_summary(self, database: str) -> DatabaseSummary:
        found = self.get_database(database)
        details = self.get_details(found.id)
        host, _, port = (details.hostname or "").rpartition(":")
        return DatabaseSummary(
            **structs.asdict(found), status=details.status, host=host or None, port=int(port) if port else None
        )

    def get_database(self, database: str) -> wire.Database:
        """By id or name, like `database` in all methods."""
        return self.ask("GET", _path(database), wire.DatabaseAnswer).database

    def get_connection(self, database: str) -> wire.Connection:
        """Raises Conflict while the database cannot be used, with `current_operation_id` in `extra`."""
        return self.ask("GET", _path(database, "connection"), wire.ConnectionAnswer).connection

    def delete_database(self, database: str, *, confirm: str) -> None:
        """`confirm` is the database's name. It is no longer listed at once; its server and files go within seconds."""
        self.send("DELETE", _path(database), params={"confirm": confirm})

    def list_operations(self, database: str) -> list[wire.Operation]:
        """Newest first."""
        return self.ask("GET", _path(database, "operations"), wire.OperationsAnswer).operations

    def cancel_operation(self, database: str, operation: str) -> wire.Operation:
        path = f"{_path(database, 'operations')}/{_segment(operation, 'Operation')}/cancel"
        return self.ask("POST", path, wire.OperationAnswer).operation

    def retry_operation(self, database: str, operation: str) -> wire.Operation:
        """The new operation."""
        path = f"{_path(database, 'operations')}/{_segment(operation, 'Operation')}/retry"
        return self.ask("POST", path, wire.OperationAnswer).operation

    def repair(self, database: str) -> wire.Operation:
        """The operation that brings its server to what is wanted of it."""
        return self.ask("POST", _path(database, "repair"), wire.OperationAnswer).operation

    def upgrade(self, database: str) -> wire.Operation:
        """The operation that starts its server by the newest build."""
        return self.ask("POST", _path(database, "upgrade"), wire.OperationAnswer).operation

    def get_settings(self, database: str) -> settings.SettingsAnswer:
        return self.ask("GET", _path(database, "settings"), settings.SettingsAnswer)

    def change_settings(self, database: str, changes: Mapping[str, str | None]) -> settings.SettingsAnswer:
        """None for the default; `current_operation_id` is set until the server has them."""
        body = settings.ChangeSettings(dict(changes))
        return self.ask("PATCH", _path(database, "settings"), settings.SettingsAnswer, body=body)

    def list_backups(self, database: str) -> list[backups.Backup]:
        """Newest first."""
        return self.ask("GET", f"{_details_path(database)}/backups", backups.BackupsAnswer).database_backups

    def create_backup(self, database: str) -> backups.Backup:
        """Ask for it; it is being made from then on."""
        return self.ask("POST", f"{_details_path(database)}/backups", backups.BackupAnswer).database_backup

    def get_backup(self, database: str, backup: str) -> backups.Backup:
        return self.ask("GET", _backup_path(database, backup), backups.BackupAnswer).database_backup

    def verify_backup(self, database: str, backup: str) -> backups.Backup:
        """Ask for its proof once more."""
        return self.ask("POST", f"{_backup_path(database, backup)}/verify", backups.BackupAnswer).database_backup

    def restore_backup(self, database: str, backup: str) -> backups.Restoration:
        """Ask for it; it goes on from then."""
        answer = self.ask("POST", f"{_backup_path(database, backup)}/restore", backups.RestorationAnswer)
        return answer.backup_restoration

    def fork_backup(self, database: str, backup: str, name: str) -> wire.Database:
        """A new database of that name with the backup's data."""
        path = f"{_backup_path(database, backup)}/restore"
        return self.ask("POST", path, wire.DatabaseAnswer, params={"into": name}).database

    def list_deleted_backups(self) -> list[backups.DeletedBackup]:
        """Those of databases that are deleted, newest first."""
        return self.ask("GET", "/v1/deleted_backups", backups.DeletedBackupsAnswer).deleted_backups

    def restore_deleted_backup(self, backup: str, name: str) -> wire.Database:
        """A new database of that name with its data."""
        path = f"/v1/deleted_backups/{_segment(backup, 'Backup')}/restore"
        return self.ask("POST", path, wire.DatabaseAnswer, params={"into": name}).database

    def get_recovery_window(self, database: str) -> moments.RecoveryWindow:
        """Which moments can be restored."""
        path = f"{_details_path(database)}/pitr/recovery_window"
        return self.ask("GET", path, moments.RecoveryWindowAnswer).recovery_window

    def restore_moment(self, database: str, at: str) -> backups.Restoration:
        """Ask for it; it goes on from then."""
        path = f"{_details_path(database)}/pitr/restore"
        answer = self.ask("POST", path, moments.MomentAnswer, body=moments.RestoreMoment(at))
        return self.get_restoration(database, answer.operation_id)

    def fork_moment(self, database: str, at: str, name: str) -> wire.Database:
        """A new database of that name with the data of that moment."""
        path, query = f"{_details_path(database)}/pitr/restore", {"into": name}
        return self.ask("POST", path, wire.DatabaseAnswer, params=query, body=moments.RestoreMoment(at)).database

    def get_restoration(self, database: str, restoration: str) -> backups.Restoration:
        path = f"{_details_path(database)}/backup_restorations/{_segment(restoration, 'Restoration')}"
        return self.ask("GET", path, backups.RestorationAnswer).backup_restoration

    def list_replaced(self, database: str) -> list[backups.Replaced]:
        """The data that can be put back, those that were replaced last first."""
        return self.ask("GET", f"{_details_path(database)}/undo_restore", backups.ReplacedAnswer).replaced

    def undo_restore(self, database: str, to: str | None = None) -> wire.Operation:
        """The operation that puts the data back which the last restore has replaced, or those of that id."""
        params = {"to": to} if to else None
        return self.ask(
            "POST", f"{_details_path(database)}/undo_restore", wire.OperationAnswer, params=params
        ).operation

    def delete_backup(self, database: str, backup: str) -> None:
        self.send("DELETE", _backup_path(database, backup))

    def download_backup(self, database: str, backup: str, start: int = 0) -> Iterator[bytes]:
        """Its content from that byte on, in pieces, as the technology's own tools read it."""
        link = self.ask("GET", f"{_backup_path(database, backup)}/archive", backups.DownloadAnswer)
        path = link.download_url.partition("/api/")[2]  # of this platform, by whatever URL it is reached
        return self.read_parts(f"{self.url}/api/{path}", start)

    def list_imports(self, database: str) -> imports.ImportsAnswer:
        """With what is in it now, and how large a dump may be."""
        return self.ask("GET", _path(database, "imports"), imports.ImportsAnswer)

    def create_import(
        self,
        database: str,
        dump: Iterable[bytes],
        *,
        size: int | None = None,
        replace: bool = False,
        check: bool = False,
    ) -> imports.Import:
        """Upload a dump of `size` bytes, where that is known; it is then imported, or with `check` only looked at."""
        params = {name: "true" for name, wanted in (("replace", replace), ("check", check)) if wanted}
        return self.upload(_path(database, "imports"), dump, imports.ImportAnswer, params, size).database_import

    def get_import(self, database: str, import_id: str) -> imports.Import:
        path = f"{_path(database, 'imports')}/{_segment(import_id, 'Import')}"
        return self.ask("GET", path, imports.ImportAnswer).database_import

    def get_logs(self, database: str, lines: int) -> list[str]:
        """The last lines of the database server's own log, oldest first."""
        return self.ask("GET", _path(database, "logs"), logs.LogsAnswer, params={"lines": str(lines)}).lines

    def follow_logs(self, database: str, lines: int) -> Iterator[str]:
        """The last lines, then new ones as they are written, until the database is deleted or the platform stops."""
        return self.stream(_path(database, "logs"), {"lines": str(lines), "follow": "true"})

    def get_details(self, database: str) -> details.DatabaseDetails:
        """Its server, its limits, and the state of its disk."""
        return self.ask("GET", _details_path(database), details.DetailsAnswer).database

    def get_metrics(self, database: str) -> details.MetricsAnswer:
        """Its current usage."""
        return self.ask("GET", f"{_details_path(database)}/metrics", details.MetricsAnswer)

    def change_plan(self, database: wire.Database, plan: str) -> None:
        """By the plan's id or name. The plan applies as soon as the database can be used again."""
        path = f"/v1/apps/{database.id}/addons/ad-{database.id}"
        self.send("PATCH", path, body=addons.ChangeAddon(addons.NewPlan(plan)))

    def rename_database(self, database: wire.Database, name: str) -> None:
        """Its ids and its URL stay."""
        self.send("POST", f"/v1/apps/{database.id}/rename", body=apps.RenameApp(database.name, name))

    def move_database(self, database: wire.Database, project_id: str) -> None:
        self.send("PUT", f"/v1/apps/{database.id}", body=apps.UpdateApp(project_id))

    def list_users(self, database: str) -> list[database_users.DatabaseUser]:
        return self.ask("GET", f"{_details_path(database)}/users", database_users.DatabaseUsersAnswer).users

    def create_user(self, database: str, new: database_users.NewDatabaseUser) -> database_users.PasswordAnswer:
        """The user with its password and URL; `current_operation_id` is set until the server has it."""
        body = database_users.CreateDatabaseUser(new)
        return self.ask("POST", f"{_details_path(database)}/users", database_users.PasswordAnswer, body=body)

    def remove_user(self, database: str, user: str) -> None:
        self.send("DELETE", f"{_details_path(database)}/users/{_segment(user, 'User')}")

    def reset_password(self, database: str, user: str) -> database_users.PasswordAnswer:
        """The user with its new password; `current_operation_id` is set until the server has the password."""
        path = f"{_details_path(database)}/users/{_segment(user, 'User')}/reset_password"
        return self.ask("POST", path, database_users.PasswordAnswer)

    def list_events(
        self, database: str | None, *, page: int, per_page: int, everyone: bool = False
    ) -> AuditEventsAnswer:
        """Of a database, else of the account; newest first. `everyone` is for administrators: of all accounts."""
        path = "/v1/audit/events" if database is None else _path(database, "events")
        params = {"page": str(page), "per_page": str(per_page), **({"all": "true"} if everyone else {})}
        return self.ask("GET", path, AuditEventsAnswer, params=params)

    def list_tokens(self) -> list[tokens.Token]:
        return self.ask("GET", "/v1/tokens", tokens.TokensAnswer).tokens

    def create_token(self, new: tokens.NewToken) -> tokens.Token:
        """Only this answer and that of `renew_token` contain the token's value."""
        return self.ask("POST", "/v1/tokens", tokens.TokenAnswer, body=tokens.CreateToken(new)).token

    def renew_token(self, token_id: str) -> tokens.Token:
        """The same token with a new value; the old value is invalid."""
        path = f"/v1/tokens/{_segment(token_id, 'Token')}/renew"
        return self.ask("PATCH", path, tokens.TokenAnswer).token

    def revoke_token(self, token_id: str) -> None:
        self.send("DELETE", f"/v1/tokens/{_segment(token_id, 'Token')}")

    def list_projects(self) -> list[projects.Project]:
        """Yours, oldest first."""
        return self.ask("GET", "/v1/projects", projects.ProjectsAnswer).projects

    def create_project(self, new: projects.NewProject) -> projects.Project:
        return self.ask("POST", "/v1/projects", projects.ProjectAnswer, body=projects.CreateProject(new)).project

    def update_project(self, project_id: str, change: projects.ProjectChange) -> projects.Project:
        path = f"/v1/projects/{_segment(project_id, 'Project')}"
        return self.ask("PATCH", path, projects.ProjectAnswer, body=projects.UpdateProject(change)).project

    def delete_project(self, project_id: str) -> None:
        """Raises Conflict if it has databases or is the default project."""
        self.send("DELETE", f"/v1/projects/{_segment(project_id, 'Project')}")

    def list_collaborators(self, shared: Shared) -> list[collaborators.Collaborator]:
        """Of a database with those of its project, or of a project."""
        return self.ask("GET", _collaborators(shared), collaborators.CollaboratorsAnswer).collaborators

    def add_collaborator(self, shared: Shared, email: str, *, limited: bool) -> collaborators.Collaborator:
        body = collaborators.InviteCollaborator(collaborators.Invitation(email, limited))
        return self.ask("POST", _collaborators(shared), collaborators.CollaboratorAnswer, body=body).collaborator

    def change_collaborator(self, shared: Shared, account_id: str, *, limited: bool) -> collaborators.Collaborator:
        path = f"{_collaborators(shared)}/{_segment(account_id, 'Collaborator')}"
        body = collaborators.ChangeCollaborator(collaborators.CollaboratorChange(limited))
        return self.ask("PATCH", path, collaborators.CollaboratorAnswer, body=body).collaborator

    def remove_collaborator(self, shared: Shared, account_id: str) -> None:
        self.send("DELETE", f"{_collaborators(shared)}/{_segment(account_id, 'Collaborator')}")

    def list_accounts(self) -> list[accounts.Account]:
        """The platform's accounts, oldest first. For administrators, like the next two methods."""
        return self.ask("GET", "/v1/users", accounts.AccountsAnswer).users

    def create_account(self, new: accounts.NewAccount) -> accounts.Account:
        """Only this answer contains the account's first token."""
        return self.ask("POST", "/v1/users", accounts.AccountAnswer, body=accounts.CreateAccount(new)).user

    def update_account(self, user: str, change: accounts.AccountChange) -> accounts.Account:
        """By id or username."""
        path = f"/v1/users/{_segment(user, 'User')}"
        return self.ask("PATCH", path, accounts.AccountAnswer, body=accounts.UpdateAccount(change)).user

    def list_providers(self) -> list[catalogue.AddonProvider]:
        """The technologies with their versions and plans; no token needed."""
        return self.ask("GET", "/v1/addon_providers", catalogue.AddonProvidersAnswer).addon_providers

    def list_plans(self, technology: str) -> list[catalogue.Plan]:
        """No token needed."""
        path = f"/v1/addon_providers/{_segment(technology, 'Technology')}/plans"
        return self.ask("GET", path, catalogue.PlansAnswer).plans

    def get_health(self) -> wire.Health:
        """No token needed."""
        return self.ask("GET", "/healthz", wire.Health)


def _path(database: str, *rest: str) -> str:
    return "/".join(("/v1/databases", _segment(database, "Database"), *rest))


def _collaborators(shared: Shared) -> str:
    kind = "apps" if isinstance(shared, wire.Database) else "projects"
    return f"/v1/{kind}/{shared.id}/collaborators"


def _details_path(database: str) -> str:
    return f"/api/databases/{_segment(database, 'Database')}"


def _backup_path(database: str, backup: str) -> str:
    return f"{_details_path(database)}/backups/{_segment(backup, 'Backup')}"


def _segment(value: str, noun: str) -> str:
    """A path segment. Empty and dotted names would reach another route, so they are not found."""
    if value in ("", ".", ".."):
        raise NotFound(f"{noun} not found")
    return quote(value, safe="")
