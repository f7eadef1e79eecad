"""``fl.compile_template``: templates that are compiled once."""

from __future__ import annotations

import concurrent.futures
from typing import Any

import pytest

import flowlib_nb as fl
from flowlib_nb.errors import Position
from flowlib_nb.sandbox import Sandbox

pytestmark = pytest.mark.usefixtures("box")


def test_a_template_is_rendered_many_times() -> None:
    template = fl.compile_template("{{ price * quantity }}")
    assert [template.render({"price": p, "quantity": 3}) for p in (1, 2.5)] == [3, 7.5]
    assert template.source == "{{ price * quantity }}"


def test_values_at_any_depth() -> None:
    template = fl.compile_template({"a": ["{{ x }}", "n{{ x }}"], "b": 1})
    assert template.render({"x": 1}) == {"a": [1, "n1"], "b": 1}
    assert template.render({"x": [2]}) == {"a": [[2], "n[2]"], "b": 1}


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{{ a.b + c(d) }}", {"a", "c", "d"}),
        ("{{ xs.map(x => x + y) }} {{ Math.max(z) }} {{ first(xs) }}", {"xs", "y", "z"}),
        ({"k": ["{{ a }}", {"l": "{{ b }}"}]}, {"a", "b"}),
        ("no template", set()),
        (5, set()),
    ],
)
def test_names(template: Any, names: set[str]) -> None:
    assert fl.compile_template(template).names == names


def test_a_name_of_the_scope_hides_a_helper() -> None:
    assert fl.compile_template("{{ values }}").render({"values": 1}) == 1


@pytest.mark.parametrize(
    ("template", "position"),
    [
        ("x\n {{ 1 + * 2 }}", Position(2, 9)),
        ("x\n {{ }}", Position(2, 2)),
        ({"a": ["fine", "{{ 1 + * 2 }}"]}, Position(1, 8)),
    ],
)
def test_syntax_is_checked_at_once(template: Any, position: Position) -> None:
    with pytest.raises(fl.TemplateError) as caught:
        fl.compile_template(template)
    assert (caught.value.code, caught.value.position) == ("syntax", position)


@pytest.mark.parametrize(
    ("template", "message", "position"),
    [
        ("x\n {{ missing }}", "missing is not defined", Position(2, 5)),
        ("x\n {{ a.b.c }}", "cannot read property 'c'", Position(2, 8)),
        ("{{ (() => { while (true) {} })() }}", "longer than", Position(1, 4)),
    ],
)
def test_errors_of_rendering(template: str, message: str, position: Position) -> None:
    compiled = fl.compile_template(template)
    with pytest.raises(fl.TemplateError, match=message) as caught:
        compiled.render({"a": {}})
    assert caught.value.position == position


def test_compiling_runs_nothing(box: Sandbox) -> None:
    fl.compile_template("{{ (() => { while (true) {} })() }}")


def test_repr() -> None:
    assert repr(fl.compile_template("{{ a }}")) == "Template('{{ a }}')"
    assert len(repr(fl.compile_template("a" * 1000))) < 250


def test_templates_are_values() -> None:
    assert fl.compile_template("{{ a }}") == fl.compile_template("{{ a }}")
    with pytest.raises(AttributeError):
        fl.compile_template("{{ a }}").compiled = None  # type: ignore[misc, assignment]


def test_one_template_in_several_threads() -> None:
    template = fl.compile_template("{{ a + 1 }}")
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda a: template.render({"a": a}), range(40)))
    assert results == list(range(1, 41))
