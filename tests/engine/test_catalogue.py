"""Help on actions: generated, complete, and its examples run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, SecretStr

import flowlib_nb as fl
from flowlib_nb.demo.orders_api import OrdersApi
from flowlib_nb.engine.actions import actions
from flowlib_nb.engine.catalogue import action_info, catalogue
from flowlib_nb.engine.schema import flow_schema_json
from flowlib_nb.language.docstrings import read_docstring
from flowlib_nb.models.catalogue import ActionInfo
from flowlib_nb.models.run import Status
from flowlib_nb.reports.catalogue import action_list, action_page
from flowlib_nb.vault import Vault


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Actions that are defined here are gone afterwards."""
    monkeypatch.setattr("flowlib_nb.engine.actions._actions", dict(actions()))


def parameters(info: ActionInfo) -> dict[str, Any]:
    return {parameter.name: parameter for parameter in info.parameters}


def test_it_holds_all_actions_by_name() -> None:
    infos = catalogue()
    assert [info.name for info in infos] == sorted(actions())
    for info in infos:
        assert info.summary
        assert info.description
        assert info.example
        assert all(p.description for p in info.parameters if p.name != "method"), info.name
    assert [info.name for info in infos if info.is_routing] == ["if", "switch"]
    assert action_info("if").branches == (True, False)
    assert action_info("http.request").credential == "optional"
    assert action_info("js").credential == "never"
    assert json.loads(json.dumps([info.as_dict() for info in infos]))[0]["name"] == infos[0].name


def test_parameters_are_read_off_the_models() -> None:
    request = parameters(action_info("http.request"))
    assert request["url"].required
    assert (request["url"].type, request["url"].default) == ("text", None)
    assert request["json"].type == "any value"
    assert request["query"].default == {}
    assert request["method"].choices[0] == "GET"
    assert request["raise_for_status"].type == "boolean"
    assert request["raise_for_status"].default is True
    pages = {parameter.name: parameter for parameter in request["paginate"].parameters}
    assert pages["max_pages"].type == "whole number, 1 to 100,000"
    assert pages["max_pages"].default == 1000
    assert parameters(action_info("frame"))["columns"].type == "list of text or mapping of text"
    assert parameters(action_info("wait"))["seconds"].type == "number, 0 to 86,400"
    assert parameters(action_info("switch"))["cases"].required


def test_an_unknown_action_has_a_suggestion() -> None:
    with pytest.raises(fl.InputError, match=r"Did you mean 'http\.request'"):
        action_info("http.requst")
    with pytest.raises(fl.InputError, match="lists all"):
        action_info("zzz")


def test_custom_actions_appear(registry: None, monkeypatch: pytest.MonkeyPatch) -> None:
    @fl.action("acme.lookup")
    def lookup(
        ctx: Any,
        sku: str,
        limit: Annotated[int, Field(gt=0, le=50)] = 10,
        mode: Literal["fast", "slow"] = "fast",
        after: Callable[[], Any] | None = None,
    ) -> list[Any]:
        """Look an article up.

        Parameters
        ----------
        sku : str
            The article's number,
            as ``A-1``.
        mode : str
            How.
        """
        return [sku, limit, mode, after]

    info = action_info("acme.lookup")
    found = parameters(info)
    assert (info.summary, info.description) == ("Look an article up.", "Look an article up.")
    assert info.credential == "optional"
    assert info.example == ""
    assert found["sku"].description == "The article's number, as `A-1`."
    assert found["sku"].required
    assert found["limit"].type == "whole number, at most 50, above 0"
    assert found["mode"].choices == ("fast", "slow")
    assert found["mode"].description == "How."
    assert found["after"].type == "any value"
    assert "acme.lookup" in action_list(catalogue()).text


def test_an_action_without_docstring_or_parameters(registry: None) -> None:
    @fl.action("acme.ping")
    def ping(ctx: Any) -> None:
        return None

    page = action_page(action_info("acme.ping"))
    assert page.text.startswith("acme.ping\n")
    assert page.text.endswith("No parameters.")
    assert "No parameters." in page.html


def test_secrets_as_defaults_stay_hidden(registry: None, token: str) -> None:
    @fl.action("acme.send")
    def send(
        ctx: Any,
        key: SecretStr = SecretStr(token),  # noqa: B008
        own: Any = fl.Secret(token),  # noqa: B008
    ) -> None:
        return None

    info = action_info("acme.send")
    page = action_page(info)
    shown = [json.dumps(info.as_dict()), page.text, page.html, repr(page), flow_schema_json()]
    assert token not in "".join(shown)


def test_pages_hold_what_there_is_to_know() -> None:
    page = action_page(action_info("http.request"), width=90)
    assert max(len(line) for line in page.text.splitlines()) <= 90
    for words in (
        "http.request: An HTTP request", "may name a credential", "paginate.max_pages",
        "required   http or https, absolute.", "Example\n", "\n      uses: http.request\n",
    ):  # fmt: skip
        assert words in page.text
    assert repr(page) == page.text
    assert "Its branches, for needs: true, false." in action_page(action_info("if")).text
    assert "those that its parameters name" in action_page(action_info("switch")).text
    narrow = action_page(action_info("http.request"), width=1).text
    assert "max_pages" in narrow


def test_html_is_escaped_and_without_scripts(registry: None) -> None:
    @fl.action("acme.evil")
    def evil(ctx: Any, text: Annotated[str, Field(description="<b>`x<y`</b>")] = "<i>") -> None:
        """<script>alert(1)</script>."""

    for html in (
        action_page(action_info("acme.evil"))._repr_html_(),
        action_list(catalogue()).html,
    ):
        assert "<script" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    page = action_page(action_info("acme.evil")).html
    assert "&lt;b&gt;<code>x&lt;y</code>&lt;/b&gt;" in page
    assert "&lt;i&gt;" in page


def test_docstrings_are_read_with_their_sections() -> None:
    doc = read_docstring(
        """First ``line``
        goes on.

        Second, see :func:`~a.b`.

        Parameters
        ----------
        a, b : int
            Both.

            More.
        *rest
            Others (``x`` in the text).

        Returns
        -------
        int
            Not this.
        """
    )
    assert doc.text == "First `line` goes on.\n\nSecond, see `a.b`."
    assert doc.parameters == {"a": "Both.\n\nMore.", "b": "Both.\n\nMore.", "rest": "Others."}
    assert read_docstring(None).text == ""


# What each example gives, in the surroundings that its comments ask for.
RESULTS: dict[str, Any] = {
    "input": "EU: 100 rows",
    "output": {"lines": [{"sku": "A", "qty": 3}, {"sku": "B", "qty": 2}], "pieces": 5},
    "python": "Good day, Ada",
    "template": "Dear Ada,\nyou have 2 orders.\n",
    "if": 20,
    "switch": 4.9,
    "merge": [{"sku": "A", "qty": 3}, {"sku": "B", "qty": 2}],
    "wait": 7,
    "subflow": "in EUR",
}
FRAMES: dict[str, list[dict[str, Any]]] = {
    "js": [
        {"sku": "A", "price": 10, "qty": 3, "total": 36},
        {"sku": "B", "price": 4.5, "qty": 2, "total": pytest.approx(10.8)},
    ],
    "sql": [{"sku": "A", "total": 17}],
    "frame": [{"person": 1, "city": "Graz"}, {"person": 2, "city": "Linz"}],
    "file.read": [{"sku": "A", "qty": 5}, {"sku": "B", "qty": 1}],
}
OTHERWISE = {"fail", "file.write", "http.request"}


def greet(name: str, polite: bool = True) -> str:
    return f"Good day, {name}" if polite else name


@pytest.fixture
def surroundings(workspace: Path) -> Path:
    (workspace / "sales.csv").write_text("sku,qty\nA,3\nB,1\nA,2\n")
    (workspace / "prices.flow.yaml").write_text(
        "inputs: {currency: USD}\nnodes: {a: {uses: template, with: {text: 'in {{ inputs.currency }}'}}}"
    )
    return workspace


def run_example(name: str, inputs: dict[str, Any] | None = None) -> fl.Run:
    return fl.Flow(action_info(name).example).run(inputs, functions={"greet": greet})


def test_each_built_in_action_has_an_example_that_runs() -> None:
    built_in = {n for n, a in actions().items() if type(a).__module__.startswith("flowlib_nb.")}
    assert built_in <= {*RESULTS, *FRAMES, *OTHERWISE}


@pytest.mark.parametrize("name", sorted({*RESULTS, *FRAMES} & {*actions()}))
def test_examples_run(name: str, surroundings: Path) -> None:
    run = run_example(name)
    run.raise_for_status()
    if name in RESULTS:
        assert run.output == RESULTS[name]
    else:
        assert run.df.to_dict("records") == FRAMES[name]


def test_the_example_of_fail_fails(workspace: Path) -> None:
    run = run_example("fail")
    assert run.status is Status.FAILED
    assert "no rows to work on" in str(run["stop"].error)
    assert run_example("fail", {"rows": [1]}).status is Status.SUCCESS


@pytest.mark.skipif("file.write" not in actions(), reason="needs the action file.write")
def test_the_example_of_file_write_writes(workspace: Path) -> None:
    run_example("file.write").raise_for_status()
    assert (workspace / "sales-2026-01.csv").read_text().splitlines() == ["sku,qty", "A,3", "B,2"]


def test_the_example_of_http_request_runs(shop: Vault, api: OrdersApi, token: str) -> None:
    run = run_example("http.request", {"api": api.url})
    run.raise_for_status()
    assert len(run.df) > 1000
    assert set(run.df["status"]) == {"paid"}
    assert token not in str(run)
