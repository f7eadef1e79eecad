"""How contenders are measured against each other."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

Timed = Callable[[], float]


def clock(action: Callable[[], object], *, is_short: bool = False) -> float:
    """Seconds that a call takes; what earlier ones left is cleared away before a long one."""
    if not is_short:
        gc.collect()
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def in_turn(contenders: dict[str, Timed], rounds: int) -> dict[str, list[float]]:
    """Seconds of each contender, all of them in each round, after a first that does not count."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, timed in contenders.items():
            seconds = timed()
            if number:
                times[name].append(seconds)
    return times


def ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """How many times as long the first takes: the median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(one, other, strict=True))


def records(count: int) -> list[dict[str, Any]]:
    """Rows of 8 fields."""
    return [
        {
            "id": number,
            "name": f"product {number}",
            "price": number % 977 + 0.25,
            "qty": number % 13 + 1,
            "city": "Utrecht",
            "country": "NL",
            "active": number % 2 == 0,
            "note": "a note of some length",
        }
        for number in range(count)
    ]
