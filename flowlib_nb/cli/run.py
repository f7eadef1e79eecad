"""``flowlib run`` and ``flowlib validate``."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from ..errors import FlowValidationError, InputError
from .terminal import read_input

if TYPE_CHECKING:
    from ..engine import Flow, Run

_FORMATS = ("table", "json", "csv", "parquet")


def add_to(commands: Any) -> None:
    """Add the commands."""
    run = commands.add_parser(
        "run",
        help="run a flow from a file",
        description="Run a flow; its result goes to standard output, the rest to standard error.",
    )
    run.add_argument("file", metavar="FILE", help="YAML; - is standard input")
    run.add_argument(
        "--in", dest="inputs", action="append", default=[], metavar="NAME=VALUE", help="an input"
    )
    run.add_argument("--to", metavar="NODE", help="run only this node and what it needs")
    run.add_argument("--format", choices=_FORMATS, default="table", help="of the result")
    run.add_argument(
        "--json", dest="format", action="store_const", const="json", help="short for --format json"
    )
    run.set_defaults(command=_run)
    validate = commands.add_parser("validate", help="find what is wrong with a flow")
    validate.add_argument("file", metavar="FILE", help="YAML; - is standard input")
    validate.add_argument("--json", action="store_true", help="print the problems as JSON")
    validate.set_defaults(command=_validate)


def _run(arguments: argparse.Namespace) -> int:
    run = _flow(arguments.file).run(_inputs(arguments.inputs), functions={}, to=arguments.to)
    if arguments.format == "table":
        print(run)
    elif run.error is not None:
        from ..reports.text import nodes_text

        print(nodes_text(run.snapshot().nodes), file=sys.stderr)
    run.raise_for_status()
    if arguments.format != "table":
        _write(run, arguments.format)
    return 0


def _write(run: Run, kind: str) -> None:
    if kind == "json":
        from ..frames import to_plain
        from ..templates.render import to_json

        try:
            print(to_json(to_plain(run.output)).decode())
        except TypeError as error:
            raise InputError(f"The result has no JSON form: {error}.") from None
    elif kind == "csv":
        print(run.df.to_csv(index=False), end="")
    else:
        run.df.to_parquet(sys.stdout.buffer)


def _validate(arguments: argparse.Namespace) -> int:
    problems = _flow(arguments.file).validate()
    if arguments.json:
        print(json.dumps([problem.as_dict() for problem in problems], indent=2))
        return 2 if problems else 0
    if problems:
        raise FlowValidationError(problems)
    print("The flow is fine.", file=sys.stderr)
    return 0


def _flow(file: str) -> Flow:
    from ..engine import Flow

    return Flow.from_yaml(read_input(), name="stdin") if file == "-" else Flow.from_file(file)


def _inputs(texts: list[str]) -> dict[str, Any]:
    from ..language.source import scalar

    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"--in needs NAME=VALUE, not {text!r}.")
        values[name] = scalar(value)
    return values
