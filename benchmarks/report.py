"""The table of results, for a terminal or for the README, under the machine and the day that they hold for."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.measure import Pair


@dataclass(frozen=True, slots=True)
class Line:
    work: str
    ours: str
    floor: str
    result: str
    target: str
    reached: bool


_TITLES = ("work", "dbyard", "floor", "result", "target", "")


def duration(work: str, pair: Pair, most: float) -> Line:
    """Seconds: the median, and the least of them."""
    return Line(work, _seconds(pair.ours), _seconds(pair.floor), *_at_most(pair.ratio, most))


def rate(work: str, pair: Pair, least: float) -> Line:
    """Requests a second: the median, and the most of them."""
    ratio = pair.ratio
    return Line(
        work, _rate(pair.ours), _rate(pair.floor), f"{ratio:.2f} ×", f"≥ {least:g} ×", reached=round(ratio, 2) >= least
    )


def seconds(work: str, samples: Sequence[float], most: float) -> Line:
    """Seconds without a floor: the median, and the least of them."""
    value = median(samples)
    return Line(work, _seconds(samples), "", f"{value:.2f} s", f"≤ {most:g} s", reached=value <= most)


def latency(work: str, pair: Pair, most: float) -> Line:
    """Seconds of a request, held to `most` of them; the ratio is only shown."""
    reached = median(pair.ours) <= most
    return Line(
        work, _seconds(pair.ours), _seconds(pair.floor), f"{pair.ratio:.2f} ×", f"≤ {most * 1e3:g} ms", reached=reached
    )


def amount(work: str, value: float, unit: str, most: float) -> Line:
    return Line(work, f"{value:.1f} {unit}", "", f"{value:.1f} {unit}", f"≤ {most:g} {unit}", reached=value <= most)


def render(lines: Sequence[Line], *, markdown: bool) -> str:
    rows = [_TITLES, *((*_texts(line), "reached" if line.reached else "missed") for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES))]
    left, between, right = ("| ", " | ", " |") if markdown else ("", "  ", "")
    texts = [left + between.join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]
    rule = left + between.join("-" * width for width in widths) + right
    head, *body = [(text + right).rstrip() for text in texts]
    return "\n".join([describe_machine(), "", head, rule, *body])


def describe_machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB,"
        f" {release}, Linux {platform.release()}, Python {platform.python_version()}"
    )


def _texts(line: Line) -> tuple[str, str, str, str, str]:
    return line.work, line.ours, line.floor, line.result, line.target


def _at_most(ratio: float, most: float) -> tuple[str, str, bool]:
    return f"{ratio:.2f} ×", f"≤ {most:g} ×", round(ratio, 2) <= most


def _seconds(samples: Sequence[float]) -> str:
    unit, factor = ("ms", 1e3) if median(samples) < 1 else ("s", 1)
    digits = 0 if factor > 1 and median(samples) * factor >= 10 else 1
    return f"{median(samples) * factor:.{digits}f} {unit} (best {min(samples) * factor:.{digits}f})"


def _rate(samples: Sequence[float]) -> str:
    return f"{median(samples):,.0f}/s (best {max(samples):,.0f})"


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return found.group(1) if found else platform.machine()
