"""python -m benchmarks [NAME…]: run them and print a table."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from benchmarks import backups, crash, creates, density, facade, mixed, neighbours, reads
from benchmarks.report import Line, render
from benchmarks.servers import Missing

BENCHMARKS: dict[str, Callable[[], Iterator[Line]]] = {
    "postgresql": partial(creates.first_query, "postgresql"),
    "mysql": partial(creates.first_query, "mysql", most=1.3),
    "mysql-spare": partial(creates.first_query, "mysql", running_spares=1),
    "mariadb": partial(creates.first_query, "mariadb"),
    "redis": partial(creates.first_query, "redis"),
    "postgresql-spare": partial(creates.first_query, "postgresql", 0.8, running_spares=1),
    "mongodb-spare": partial(creates.first_query, "mongodb", running_spares=1),
    "redis-spare": partial(creates.first_query, "redis", running_spares=1),
    "mongodb": partial(creates.first_query, "mongodb"),
    "influxdb": partial(creates.first_query, "influxdb"),
    "opensearch": partial(creates.first_query, "opensearch", most=1.3, rounds=4),
    "opensearch-spare": creates.running_spare,
    "burst": creates.burst,
    "mixed": mixed.at_once,
    "reads": reads.against_bare,
    "stored": reads.many_stored,
    "facade": facade.search,
    "idle": density.idle,
    "crash": partial(crash.restart, "postgresql"),
    "neighbours": neighbours.noisy_neighbour,
}
BACKUPS: Mapping[str, Callable[[int], Iterator[Line]]] = {
    "backups-postgresql": partial(backups.against_own_tools, "postgresql"),
    "backups-mysql": partial(backups.against_own_tools, "mysql"),
    "backups-mariadb": partial(backups.against_own_tools, "mariadb"),
    "backups-redis": partial(backups.against_own_tools, "redis"),
    "backups-proof": backups.proof,
    "backups-moment": backups.moment,
}
"""Run only when they are named: they write so many bytes several times."""


def main() -> int:
    arguments = _parse()
    lines: list[Line] = []
    known = BENCHMARKS | {name: partial(each, arguments.megabytes * 1_000_000) for name, each in BACKUPS.items()}
    for name in arguments.names or BENCHMARKS:
        started = time.monotonic()
        try:
            lines += known[name]()
        except Missing as reason:
            print(f"{name}: skipped, {reason}", file=sys.stderr)
            continue
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    print(render(lines, markdown=arguments.markdown))
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = f"some of {', '.join(BENCHMARKS)}, which are run by default, and {', '.join(BACKUPS)}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=names)
    parser.add_argument("--megabytes", type=int, default=1000, help="how much data the backups are of; 1000 by default")
    parser.add_argument("--markdown", action="store_true", help="print the table as the README shows it")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS) - set(BACKUPS):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
