"""Templates that only name something give in Python what they give in the sandbox."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlib_nb.sandbox import Sandbox
from flowlib_nb.templates.compiler import compile_value
from flowlib_nb.templates.direct import NotDirectError, Reference, references, render_direct
from flowlib_nb.templates.render import Fault, render_rows
from flowlib_nb.templates.values import to_json

STEPS = ["a", "b", "length", "toString", "at", 0, 1, 5]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.sampled_from(["", "text", "é😀"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "length", "0"]), inner, max_size=4)
    ),
    max_leaves=12,
)
WAYS = st.lists(st.sampled_from(STEPS), max_size=4)


def source(way: list[str | int]) -> str:
    return "x" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in way)


def plain(reference: Reference | None, value: Any) -> Any:
    return msgspec.json.decode(to_json(value))


@given(VALUES, WAYS, WAYS)
def test_as_in_the_sandbox(
    box: Sandbox, value: object, one: list[str | int], other: list[str | int]
) -> None:
    for template in (
        f"{{{{ {source(one)} }}}}",
        f"{{{{ {source(one)} }}}}, {{{{ {source(other)} }}}}",
    ):
        compiled = compile_value(template)
        fields = references(compiled.fields)
        assert fields is not None
        try:
            (found,) = render_direct(compiled, fields, {"x": value}.__getitem__, plain, [{}])
            (of_row,) = render_direct(compiled, fields, {}.__getitem__, plain, [{"x": value}])
        except NotDirectError:
            continue
        (expected,) = render_rows(compiled, {"x": to_json(value)}, sandbox=box)
        assert not isinstance(expected, Fault)
        assert found == of_row == expected
        assert type(found) is type(expected)


@pytest.mark.parametrize(
    "code",
    [
        "x + 1",
        "x()",
        "x['a']",
        "x?.a",
        "x.a.b()",
        "null",
        "true",
        "Math.PI",
        "json",
        "x[-1]",
        "`x`",
    ],
)
def test_what_is_more_than_a_reference(code: str) -> None:
    is_helper = code == "json"  # which only a scope without that name leaves to the sandbox
    assert (references(compile_value(f"{{{{ {code} }}}}").fields) is None) is not is_helper
