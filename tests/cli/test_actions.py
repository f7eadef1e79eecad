"""``flowlib actions`` and ``flowlib schema``."""

from __future__ import annotations

import json

from jsonschema import Draft202012Validator

from flowlib_nb.engine.actions import actions

from .command import flowlib


def test_all_actions_are_listed() -> None:
    done = flowlib("actions")
    assert done.returncode == 0
    names = [line.split()[0] for line in done.stdout.splitlines() if line[0] != " "]
    assert names == sorted(actions())
    assert "wait" in done.stdout
    assert "A pause." in done.stdout
    assert done.stderr == ""


def test_one_action_has_a_page() -> None:
    done = flowlib("actions", "http.request")
    assert done.returncode == 0
    assert done.stdout.startswith("http.request: An HTTP request")
    assert "paginate.max_pages" in done.stdout
    assert "credential: shop" in done.stdout


def test_an_unknown_action() -> None:
    done = flowlib("actions", "http.requst")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'http.request'?" in done.stderr


def test_as_json() -> None:
    listed = json.loads(flowlib("actions", "--json").stdout)
    assert [action["name"] for action in listed] == sorted(actions())
    one = json.loads(flowlib("actions", "wait", "--json").stdout)
    assert one in listed
    seconds = one["parameters"][0]
    assert (seconds["name"], seconds["type"]) == ("seconds", "number, 0 to 86,400")
    assert seconds["required"] is True
    assert "uses: wait" in one["example"]


def test_the_schema_is_printed_and_stays_the_same() -> None:
    done = flowlib("schema")
    assert (done.returncode, done.stderr) == (0, "")
    schema = json.loads(done.stdout)
    Draft202012Validator.check_schema(schema)
    flow = {"nodes": {"a": {"uses": "wait", "with": {"seconds": 1}}}}
    assert Draft202012Validator(schema).is_valid(flow)
    flow["nodes"]["a"]["with"] = {"second": 1}
    assert not Draft202012Validator(schema).is_valid(flow)
    assert flowlib("schema").stdout == done.stdout
