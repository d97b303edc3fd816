"""What is seen of servers and of the home at this moment, in memory: it is told even when nothing can be written."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard.model import InstanceState
from dbyard.operations import Context

UNWRITABLE = "its server can write nothing: the disk of this machine refuses it"


class Observed:
    def __init__(self, context: Context) -> None:
        self._store = context.store
        self._runtime = context.runtime
        self._down: Mapping[str, str] = {}
        self._silent: Mapping[str, str] = {}
        self._home = ""
        self.unknown_instances = 0
        """There are servers, or files of servers, that the state does not know."""

    def reason(self, instance_id: str) -> str | None:
        """Why an instance that should serve does not, as far as that is seen."""
        reason = self._down.get(instance_id)
        if reason is not None and self._runtime.status(instance_id).state is not InstanceState.RUNNING:
            return reason
        if self._home:
            return UNWRITABLE  # whatever it answers from memory: what it acknowledges now is lost
        return self._silent.get(instance_id)

    def trouble(self) -> str | None:
        """What keeps the platform from working; None when nothing does."""
        return self._home or self._store.trouble

    def note_down(self, reasons: Mapping[str, str]) -> None:
        """These do not run, and no others."""
        if reasons != self._down:
            self._down = reasons
            self._store.forget_cached()

    def note_silent(self, reasons: Mapping[str, str]) -> None:
        """These run and do not answer, and no others."""
        if reasons != self._silent:
            self._silent = reasons
            self._store.forget_cached()

    def note_home(self, trouble: str) -> None:
        """What keeps everybody from writing to the home; empty when nothing does."""
        if trouble != self._home:
            self._home = trouble
            self._store.forget_cached()
