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
