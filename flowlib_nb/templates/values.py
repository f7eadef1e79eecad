"""What becomes of values at the border between Python and JavaScript.

=======================================  ========================================================
from Python                              in JavaScript
=======================================  ========================================================
None, pandas's NA and NaT                null
bool, str, dict, list, tuple             the same; NUL stays in texts; keys become text
set, dataclass                           array; object
an integer within ±(2**53 - 1)           number
an integer beyond                        BigInt, exactly
NaN and infinities                       null
datetime, date, time, Timestamp          ISO 8601 text
timedelta, Timedelta                     ISO 8601 text of a duration: ``P1DT2S``
Decimal, UUID, Period                    text, all digits kept
bytes                                    base64 text
numpy's and Arrow's scalars and arrays   what they hold, by this table
a text with half of a surrogate pair     TypeError
a value that holds itself                TypeError
anything else                            TypeError
=======================================  ========================================================

=======================================  ========================================================
from JavaScript                          in Python
=======================================  ========================================================
null, undefined, NaN and infinities      None
boolean, string, array, object           bool, str, list, dict; NUL stays in texts
a number without fraction                int, with the digits that JavaScript writes; -0 is 0
any other number                         float, as is 1e21 and beyond
BigInt                                   int, exactly; TypeError beyond 4,300 digits
Date                                     ISO 8601 text in UTC; None where it is not valid
Set                                      list
Map                                      dict with text keys; TypeError where two are the same
a value with ``toJSON``                  what that gives
undefined or a function in an object     left out (in an array: None)
a value that holds itself                TypeError
a text with half of a surrogate pair     TypeError
a function, a symbol, a promise          TypeError
=======================================  ========================================================

Errors of the first table are Python's TypeError, those of the second TemplateErrors. A BigInt and a
number cannot be added without converting one of them, and are never equal by ``===``.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

# Before a payload that may have larger ones: reading it so that they keep their digits is slower.
LARGE_INTEGERS = b"!"
# What may stand before a number becomes ":" and a digit "0": one search then finds an integer of
# 16 digits or more, and no fraction. A regular expression alone takes four times as long.
_SHAPES = bytes.maketrans(b"[,-0123456789", b":::0000000000")
_LONG_SHAPE = b":" + b"0" * 16
_LONG_INTEGER = re.compile(rb"(?:^|[:,\[])-?\d{16,}(?:[,\]}]|$)")


def to_json(value: Any) -> bytes:
    """UTF-8 JSON as the sandbox takes it, by the first table of this module.

    Parameters
    ----------
    value : object
        Any value.

    Raises
    ------
    TypeError
        The value holds something that has no JSON form.
    """
    import msgspec

    try:
        return msgspec.json.encode(value, enc_hook=_plain)
    except UnicodeEncodeError:  # which carries the whole text, so it ends here
        problem = "a text with half of a surrogate pair has no JSON form"
    except ValueError:  # Python writes no more digits
        problem = "an integer of more than 4,300 digits has no JSON form"
    except RecursionError:
        problem = "a value that holds itself, or is nested too deeply, has no JSON form"
    raise TypeError(problem)


def may_have_large_integers(text: bytes) -> bool:
    """Whether there may be an integer of which a JavaScript number would lose digits.

    Parameters
    ----------
    text : bytes
        JSON as :func:`to_json` writes it.

    Returns
    -------
    bool
        False only where there is none; costs a fraction of writing the text.
    """
    shapes = text[:17].translate(_SHAPES)
    starts_long = shapes.removeprefix(b":").startswith(_LONG_SHAPE[1:])
    if not starts_long and _LONG_SHAPE not in text.translate(_SHAPES):
        return False
    return _LONG_INTEGER.search(text) is not None


def _plain(value: Any) -> Any:
    """What the encoder does not know: subclasses of moments, and values of other libraries."""
    if isinstance(value, datetime):
        return value.isoformat() if value == value else None  # NaT is a moment unlike itself
    if isinstance(value, timedelta):
        return timedelta(value.days, value.seconds, value.microseconds)
    library = type(value).__module__.partition(".")[0]
    if library == "numpy":
        return _plain_numpy(value)
    if library == "pandas":
        if type(value).__name__ == "NAType":
            return None
        if type(value).__name__ == "Period":
            return str(value)
        if hasattr(value, "tolist"):  # an index, an array
            return value.tolist()
    if library == "pyarrow":
        if hasattr(value, "as_py"):
            return value.as_py()
        if hasattr(value, "to_pylist"):
            return value.to_pylist()
    if isinstance(value, (str, int, float, bool)):  # of a class of one's own
        return next(kind(value) for kind in (str, int, float) if isinstance(value, kind))
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


def _plain_numpy(value: Any) -> Any:
    kind = value.dtype.kind
    if kind in "mM":
        # tolist() would make bare integers of nanoseconds.
        if value.ndim:
            return list(value)
        if value != value:  # NaT
            return None
        return str(value) if kind == "M" else value.astype("timedelta64[us]").tolist()
    plain = value.tolist()
    if type(plain) is type(value):  # a long double
        if kind == "f":
            return float(value)
        raise TypeError(f"a value of type {type(value).__name__} has no JSON form")
    return plain
