"""Small actions: template, frame, wait, fail."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

import flowlib_nb as fl


def run(text: str, **functions: object) -> fl.Run:
    return fl.Flow.from_yaml(text).run(functions=functions)


def frame_of(value: Any, options: str = "") -> pd.DataFrame:
    text = (
        "nodes: {v: {uses: python, with: {function: f}}, "
        f"a: {{uses: frame, with: {{value: '{{{{ v }}}}'{options}}}}}}}"
    )
    return run(text, f=lambda: value).raise_for_status().df


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ 1 + 1 }}", "2"),
        ("{{ [1, 2] }}", "[1,2]"),
        ("{{ null }}", ""),
        ("a {{ 'b' }} c", "a b c"),
        ("plain", "plain"),
    ],
)
def test_a_template_gives_text(template: str, text: str) -> None:
    result = run(f"nodes: {{a: {{uses: template, with: {{text: {json.dumps(template)}}}}}}}")
    assert result.raise_for_status().output == text


NESTED = [{"id": 1, "who": {"name": "a", "at": {"city": "x"}}, "tags": [1, 2]}, {"id": None}]


def test_a_frame_flattens_and_picks_columns() -> None:
    flat = frame_of(NESTED, ", flatten: true")
    assert list(flat.columns) == ["id", "who.name", "who.at.city", "tags"]
    assert flat["id"].dtype == "Int64"
    assert flat["tags"][0] == [1, 2]
    assert list(frame_of(NESTED).columns) == ["id", "who", "tags"]
    assert list(frame_of(NESTED, ", columns: [tags, id]").columns) == ["tags", "id"]
    assert list(frame_of(NESTED, ", columns: {id: number}").columns) == ["number"]
    with pytest.raises(fl.FlowFailedError, match=r"no column 'idd'(.|\n)*Did you mean 'id'"):
        frame_of(NESTED, ", columns: [idd]")


@pytest.mark.parametrize("uses", ["frame", "output"])
def test_a_frame_that_is_only_named_stays_what_it_is(uses: str) -> None:
    frame = pd.DataFrame(
        {"when": pd.to_datetime(["2026-01-01", None], utc=True), "n": pd.array([1, None], "Int64")}
    )
    text = (
        "nodes: {v: {uses: python, with: {function: f}}, "
        f"a: {{uses: {uses}, with: {{value: '{{{{ v }}}}'}}}}, "
        "b: {uses: js, with: {code: 'a[0].n'}}}\noutput: a"
    )
    result = run(text, f=lambda: frame).raise_for_status()
    pd.testing.assert_frame_equal(result.df, frame)
    assert result["b"].value == 1


def test_waiting_and_failing() -> None:
    result = run("nodes: {a: {uses: wait, with: {seconds: 0.01}}}").raise_for_status()
    assert result.output == 0.01
    error = run("nodes:\n  a: {uses: fail, with: {message: 'no {{ 1 + 1 }}', hint: do it}}").error
    assert "no 2" in str(error)
    assert "do it" in str(error)
    assert error.position.line == 2
