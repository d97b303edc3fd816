"""Making a server's first files."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard.model import Command, Layout

# All but `posix` and `right`, which hold every zone once more. The server's own zones are newer than the machine's.
_SCRIPT = """\
set -e
tzinfo=$1 base=$2 admin=$3 run=$(cd "$4" && pwd) option=$5
shift 5
rm -rf "$run/zones"  # of an attempt that was killed
mkdir "$run/zones"
for from in "$base/share/zoneinfo" /usr/share/zoneinfo; do
    [ -d "$from" ] || continue
    for entry in "$from"/*; do
        case $entry in */posix | */right) ;; *) ln -s "$entry" "$run/zones" ;; esac
    done
    break
done
{ echo "USE mysql;" && "$tzinfo" "$run/zones" && cat "$admin"; } > "$run/first.sql"
"$@" "$option=$run/first.sql"
rm -r "$run/zones" "$run/first.sql"
"""


def with_time_zones(layout: Layout, tzinfo: str, install: Sequence[str], option: str) -> Command:
    """`install` with its `option` for a first script: the time zones by the program `tzinfo`, then `admin.sql`.

    `run` and `conf` of the layout may be relative.
    """
    base = layout.bin.parent
    given = (str(base / "bin" / tzinfo), str(base), str(layout.conf / "admin.sql"), str(layout.run), option)
    return Command(("/bin/sh", "-c", _SCRIPT, "install", *given, *install))
