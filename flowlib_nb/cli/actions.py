"""``flowlib actions``: what nodes can do."""

from __future__ import annotations

import argparse
import json
import shutil
from typing import Any


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "actions",
        help="the actions that nodes can use",
        description="List all actions, or show one's parameters and an example.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="of one action")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(command=_actions)


def _actions(arguments: argparse.Namespace) -> int:
    from ..engine.catalogue import action_info, catalogue
    from ..reports.catalogue import action_list, action_page

    width = shutil.get_terminal_size(fallback=(100, 24)).columns
    if arguments.name is not None:
        info = action_info(arguments.name)
        data: object = info.as_dict()
        shown = action_page(info, width=width)
    else:
        infos = catalogue()
        data = [info.as_dict() for info in infos]
        shown = action_list(infos, width=width)
    print(json.dumps(data, indent=2, ensure_ascii=False) if arguments.json else shown.text)
    return 0
