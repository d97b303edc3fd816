"""What the owner of a database may choose, by Redis's own names."""

from __future__ import annotations

from dbyard.model import Setting

POLICY = Setting(
    "maxmemory-policy",
    "noeviction",
    "What happens when the memory is full: writes are refused (noeviction), or keys are removed",
    values=(
        "noeviction",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ),
)
EVENTS = Setting(
    "notify-keyspace-events",
    "",
    "Which changes of keys are published, as letters of Redis's manual: Egx tells of keys that expire; empty for none",
    pattern="[AKEg$lshzxetdmn]{0,16}",
)
SETTINGS = (POLICY, EVENTS)
