"""``%flow_actions``: help on what nodes can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from .arguments import LineParser

if TYPE_CHECKING:
    from ..reports.catalogue import Shown


@magics_class
class ActionMagics(Magics):
    """Shows the actions."""

    @no_var_expand
    @line_magic
    def flow_actions(self, line: str) -> Shown | None:
        """List the actions that nodes can use; `%flow_actions NAME` shows one."""
        from ..engine.catalogue import action_info, catalogue
        from ..reports.catalogue import action_list, action_page

        parser = LineParser(prog="%flow_actions", description="Show what nodes can do.")
        parser.add_argument("name", nargs="?", help="One action; all are listed without it.")
        arguments = parser.parse_line(line)
        if arguments is None:
            return None
        if arguments.name is None:
            return action_list(catalogue())
        return action_page(action_info(arguments.name))
