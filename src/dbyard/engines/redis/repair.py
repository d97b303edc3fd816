"""Mending an append-only file that its server refuses."""

from __future__ import annotations

from dbyard.model import Layout

# An error of the disk may leave bytes behind the last command that were never one. Where a command follows what is
# damaged, cutting it off would lose that as well. A server that starts cuts off half a command by itself.
_CUT_THE_END = r"""
set -eu
cd "$1/appendonlydir"
file=$(sed -n 's/^file \(.*\) seq [0-9]* type i$/\1/p' appendonly.aof.manifest | tail -n 1)
[ -n "$file" ] || { echo "its list of files is damaged"; exit 3; }
said=$("$2/redis-check-aof" "$file" 2>&1) || true
good=$(printf '%s\n' "$said" | sed -n 's/.*ok_up_to=\([0-9]*\).*/\1/p' | tail -n 1)
[ -n "$good" ] || { echo "the damage is not in the newest file: $said" | tail -c 300; exit 3; }
size=$(wc -c < "$file")
[ "$good" -lt "$size" ] || { echo "nothing had to be cut off" > "$DBYARD_RESULT"; exit 0; }
if tail -c "+$((good + 1))" "$file" | grep -qa '^\*[1-9]'; then
  echo "commands follow what is damaged at byte $good of $file"; exit 3
fi
mkdir -p ../damaged
kept="../damaged/$file.from-$good"
tail -c "+$((good + 1))" "$file" > "$kept.new"
sync "$kept.new"
mv "$kept.new" "$kept"
truncate -s "$good" "$file"
sync "$file"
echo "the last $((size - good)) bytes of $file were no commands: they were cut off, and are kept in data/damaged" \
  > "$DBYARD_RESULT"
"""


def render_repair(layout: Layout) -> tuple[str, ...]:
    return ("/bin/sh", "-c", _CUT_THE_END, "repair", str(layout.data), str(layout.bin))
