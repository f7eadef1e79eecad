"""``flowlib schema``: the flow language for editors."""

from __future__ import annotations

import argparse
from typing import Any


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "schema",
        help="print the JSON Schema of flows",
        description="Print the JSON Schema (draft 2020-12) of the flow language with all actions. "
        "An editor that is given it, for *.flow.yaml say, completes flows and marks mistakes.",
    )
    parser.set_defaults(command=_schema)


def _schema(arguments: argparse.Namespace) -> int:
    from ..engine.schema import flow_schema_json

    print(flow_schema_json())
    return 0
