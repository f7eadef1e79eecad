"""Which part of a run's values is sent to templates."""

from __future__ import annotations

import pandas as pd
import pytest

import flowlib_nb as fl


def test_a_flow_sends_what_it_reaches() -> None:
    unsendable = {"region": "EU", "rows": [{"price": 5, "x": object()}], "x": object()}
    frame = pd.DataFrame({"price": [1.5, 2.5], "x": [object(), object()]})

    def value(template: str) -> object:
        text = (
            "inputs: {all: null, frame: null}\n"
            "nodes:\n"
            "  all: {uses: input}\n"
            "  frame: {uses: input}\n"
            f"  one: {{uses: output, needs: [all, frame], with: {{value: '{template}'}}}}\n"
        )
        return fl.Flow(text).run({"all": unsendable, "frame": frame}).raise_for_status().output

    for source in ("all", "inputs.all", "$input.all", "$input.inputs.all"):
        assert value(f"{{{{ {source}.region + {source}.rows[0].price }}}}") == "EU5"
        with pytest.raises(fl.FlowlibError, match="type object"):
            value(f"{{{{ {source} }}}}")
    assert value("{{ [$input.nothing, previous_nodes.all] }}") == [None, None]
    assert value("{{ all.rows[7] }}") is None
    frame["x"] = 1
    assert value("{{ [frame[1], frame[0].price, frame[2]] }}") == [
        {"price": 2.5, "x": 1},
        1.5,
        None,
    ]
    assert value("{{ frame.length + frame[0].price }}") == 3.5
    frame["x"] = object()
    assert value("{{ [frame.length > 1, all.rows.length, inputs.frame.length] }}") == [True, 1, 2]


def test_a_row_of_a_frame_does_not_stand_for_the_frame() -> None:
    text = (
        "nodes:\n"
        "  f: {uses: input}\n"
        "  one: {uses: output, needs: [f], with: {value: '{{ [f[0].a, f[9]] }}'}}\n"
        "  two: {uses: output, needs: [f, one], with: {value: '{{ [f.length, f] }}'}}\n"
    )
    run = fl.Flow(text).run({"f": pd.DataFrame({"a": [1, 2]})}, functions={})
    assert run.raise_for_status()["one"].value == [1, None]
    assert run.output == [2, [{"a": 1}, {"a": 2}]]
