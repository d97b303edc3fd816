"""Settings on the wire."""

from __future__ import annotations

from dbyard.service.databases.settings import ChosenSettings
from dbyard.wire.settings import Setting, SettingsAnswer


def encode(chosen: ChosenSettings) -> SettingsAnswer:
    settings = [
        Setting(each.name, value, each.default, each.description, list(each.values), each.pattern, each.fixed)
        for each, value in chosen.settings
    ]
    return SettingsAnswer(settings, chosen.operation_id)
