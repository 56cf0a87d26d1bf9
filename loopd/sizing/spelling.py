"""Owns how seconds and bytes are written for people; pure."""

from __future__ import annotations

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
SPANS = ((1.0, 2 * MINUTE, "s"), (MINUTE, 2 * HOUR, "min"), (HOUR, 2 * DAY, "h"))
"""Units of time, and from what on the next one is taken."""


def amount(size: float) -> str:
    """Bytes in the largest unit of which there is at least one."""
    unit = 0
    while size >= 1023.5 and unit < len(UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {UNITS[unit]}" if size < 9.95 and unit > 2 else f"{size:.0f} {UNITS[unit]}"


def duration(seconds: float) -> str:
    """Seconds in the unit in which people would say them."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    for unit, most, name in SPANS:
        if seconds < most:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / DAY:,.0f} days"
