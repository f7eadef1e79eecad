"""Which part of a value a template can reach, so that no more of it is sent to the sandbox.

``rows[9].price`` looks at one number of what may be a million rows. In the part that is sent, a
list of which single items or the length are used is an object with these as members: code that uses
nothing else of it cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Step = str | int
Way = tuple[Step, ...]
# What is used of a value, by member; where it is empty, the value is used as a whole.
Reach = Mapping[Step, "Reach"]

WHOLE: Reach = {}
# Every object has these, so that the value as a whole answers for them (ECMA-262 §20.1.3, §B.2.2).
INHERITED = frozenset(
    """
    __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__ __proto__ constructor
    hasOwnProperty isPrototypeOf propertyIsEnumerable toJSON toLocaleString toString valueOf
    """.split()
)


def reach_of(ways: Iterable[Way]) -> Reach:
    """What several ways into one value use of it.

    Parameters
    ----------
    ways : iterable of tuple
        Members, from the value inwards; an empty one stands for the whole value.
    """
    reach: dict[Step, Any] = {}
    for way in ways:
        here: dict[Step, Any] = reach
        for step in way:
            if step in here and not here[step]:
                break  # that member is used as a whole already
            here = here.setdefault(step, {})
        else:
            if here is reach:
                return WHOLE
            here.clear()
    return reach


def reached(
    value: Any,
    reach: Reach,
    whole: Callable[[Way, Any], Any] = lambda way, value: value,
    opened: Callable[[Any, Reach], Any] = lambda value, reach: value,
    way: Way = (),
) -> Any:
    """The part of a value that code can reach.

    Parameters
    ----------
    value : object
        Of dicts, lists and anything else.
    reach : Reach
        What the code uses of it.
    whole : callable, optional
        What stands for a member that is used as a whole: of the way to it and the member.
    opened : callable, optional
        Gives a dict or a list with the members that are used of what is neither: of a value, and
        what is used of it.
    way : tuple
        The way to ``value``.

    Returns
    -------
    object
        A value in which the code finds what it finds in the other.
    """
    if not reach:
        return whole(way, value)
    held, value = value, opened(value, reach)
    part = {}
    for step, inner in reach.items():
        if step in INHERITED:
            return whole(way, held)
        if isinstance(value, dict):
            if not {str}.issuperset(map(type, value)):
                return whole(way, held)  # JSON will make texts of its keys
            if str(step) in value:
                part[str(step)] = reached(value[str(step)], inner, whole, opened, (*way, step))
        elif isinstance(value, (list, tuple)) and isinstance(step, int):
            if step < len(value):
                part[str(step)] = reached(value[step], inner, whole, opened, (*way, step))
        elif isinstance(value, (list, tuple)) and step == "length":
            part["length"] = reached(len(value), inner, whole, opened, (*way, step))
        else:
            return whole(way, held)
    return part
