"""``%%flow`` and ``%flow``."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.display import display
from traitlets import Int
from traitlets.config import Configurable

from ..errors import FlowValidationError, InputError
from .arguments import LineParser, split_assignment

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from ..engine import Flow, Run

_ASSIGNMENT = re.compile(r"\s*([A-Za-z_]\w*)\s*<<\s*(.*)", re.DOTALL)
# The body of a cell begins below the line of the magic itself.
_FIRST_LINE = 2


@magics_class
class FlowMagics(Magics, Configurable):
    """Runs workflows from cells."""

    preview_rows = Int(20, min=1, max=1000, help="Rows of the result to show (1 to 1000).").tag(
        config=True
    )

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell=shell, parent=shell)
        self._variables: dict[str, Any] = shell.user_ns

    @no_var_expand
    @line_cell_magic
    def flow(self, line: str, cell: str | None = None) -> Run | None:
        """Run the workflow in the cell, a file, or a named flow again (``%flow --help``)."""
        variable = None
        if match := _ASSIGNMENT.fullmatch(line):
            variable, line = match[1], match[2]
        arguments = _parser(is_cell=cell is not None).parse_line(line)
        if arguments is None:
            return None
        variable = arguments.output or variable
        if variable is not None and (not variable.isidentifier() or keyword.iskeyword(variable)):
            raise UsageError(f"%%flow: {variable!r} cannot be the name of a variable.")
        flow = self._flow(arguments, cell)
        inputs = self._inputs(arguments.inputs)
        if arguments.dry_run:
            self._dry_run(flow, inputs)
            return None
        run = flow.start(
            inputs,
            functions=self._variables,
            to=arguments.to,
            only=arguments.only,
            mock=self._mocks(arguments.mock),
            cache=not arguments.no_cache,
        )
        run.preview_rows = self.preview_rows
        if variable is not None:
            # Before waiting, so that an interrupted or failed run can be looked at.
            self._variables[variable] = run
        if arguments.background:
            return None if variable is not None or arguments.quiet else run
        return self._wait(run, variable, is_quiet=arguments.quiet)

    @no_var_expand
    @line_magic
    def flow_cache(self, line: str) -> None:
        """Show how much of earlier requests is kept; `%flow_cache clear` forgets it."""
        from ..engine.cache import output_cache

        if line.strip() not in ("", "clear"):
            raise UsageError("%flow_cache: write %flow_cache, or %flow_cache clear")
        cache = output_cache()
        if line.strip() == "clear":
            cache.clear()
        count, size = cache.size()
        print(
            f"{count:,} {'answer' if count == 1 else 'answers'} of earlier requests, "
            f"{size / 2**20:,.1f} MB; each is good for {cache.seconds:,.0f} s."
        )

    def _flow(self, arguments: argparse.Namespace, cell: str | None) -> Flow:
        # The engine is imported when the first flow needs it, not by %load_ext.
        from ..engine import Flow
        from ..engine.session import named_flows

        if cell is not None:
            flow = Flow(cell, name=arguments.name, first_line=_FIRST_LINE)
            if arguments.name:
                named_flows[arguments.name] = flow
            return flow
        if arguments.file:
            return Flow.from_file(arguments.file)
        if arguments.name in named_flows:
            return named_flows[arguments.name]
        if arguments.name:
            from ..hints import did_you_mean

            hint = did_you_mean(arguments.name, named_flows)
            raise InputError(
                f"There is no flow named {arguments.name!r} in this session.",
                hint=hint or "Name one with `%%flow NAME`, or run a file with `%flow --file PATH`.",
            )
        raise UsageError(
            "%flow: give the flow in the cell (%%flow), a file (--file PATH), or a name."
        )

    def _inputs(self, given: Sequence[str]) -> dict[str, Any]:
        from ..language.source import scalar

        values: dict[str, Any] = {}
        for text in given:
            name, value = split_assignment(text)
            if value is not None:
                values[name] = scalar(value)
            elif name in self._variables:
                values[name] = self._variables[name]
            else:
                raise InputError(
                    f"There is no variable {name!r} in the notebook.",
                    hint=f"Set it first, or give a value: --in {name}=VALUE.",
                )
        return values

    def _mocks(self, given: Sequence[str]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for text in given:
            node, _, name = text.partition("=")
            if not node.isidentifier() or not name.isidentifier():
                raise UsageError(f"%%flow: --mock needs NODE=VARIABLE, not {text!r}.")
            if name not in self._variables:
                raise InputError(f"There is no variable {name!r} in the notebook.")
            values[node] = self._variables[name]
        return values

    def _dry_run(self, flow: Flow, inputs: dict[str, Any]) -> None:
        problems = flow.validate(inputs)
        if problems:
            raise FlowValidationError(problems)
        for line in flow.outline():
            print(line)

    def _wait(self, run: Run, variable: str | None, *, is_quiet: bool) -> Run | None:
        try:
            run.wait()
            run.raise_for_status()
        except KeyboardInterrupt as error:
            _show(run)
            # IPython's protocol; the frames would be ours, not the user's.
            error._render_traceback_ = lambda: [  # type: ignore[attr-defined]
                "KeyboardInterrupt: the run was cancelled; what had succeeded is in it."
            ]
            raise
        except BaseException:
            _show(run)
            raise
        if is_quiet:
            return None
        if variable is not None:
            _show(run)
            return None
        return run


def _show(run: Run) -> None:
    display(run)  # type: ignore[no-untyped-call]


def _parser(*, is_cell: bool) -> LineParser:
    parser = LineParser(
        prog="%%flow" if is_cell else "%flow",
        description="Run a workflow. `VAR <<` before the options is short for -o VAR.",
        add_help=True,
    )
    parser.add_argument(
        "name", nargs="?", help="Call the flow so, or repeat the flow of that name."
    )
    parser.add_argument("-o", "--output", metavar="VAR", help="Put the run into this variable.")
    parser.add_argument(
        "--in",
        dest="inputs",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="An input; NAME alone takes the notebook's variable of that name.",
    )
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--to", metavar="NODE", help="Run only this node and what it needs.")
    part.add_argument(
        "--only",
        metavar="NODE",
        help="Run only this node, with what the nodes that it needs gave the last time.",
    )
    parser.add_argument(
        "--mock",
        action="append",
        default=[],
        metavar="NODE=VAR",
        help="Do not run this node; its value is the notebook's variable.",
    )
    parser.add_argument(
        "--no-cache",
        action="store_true",
        help="Send requests that only read, too, if the same were sent before in this session.",
    )
    parser.add_argument(
        "--background",
        action="store_true",
        help="Do not wait: the run has progress, wait(), cancel().",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="Check everything, show the order, run nothing."
    )
    parser.add_argument("--quiet", action="store_true", help="Show nothing unless it fails.")
    if not is_cell:
        parser.add_argument("--file", metavar="PATH", help="Run the flow in this file.")
    return parser
