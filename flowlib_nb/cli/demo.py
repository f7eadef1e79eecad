"""``flowlib demo``."""

from __future__ import annotations

import argparse
from typing import Any


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "demo",
        help="run a demo flow: no account, no network",
        description="Start an API on this machine, put its token into a throwaway vault, run a "
        "flow against it, print the trace and the result. Nothing is left behind.",
    )
    parser.set_defaults(command=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    from ..demo.session import DemoSession

    with DemoSession() as session:
        flow = session.flow()
        print(f"An orders API with {_count():,} orders runs at {session.url}; its token is in a")
        print("throwaway vault, encrypted. The flow that runs against it now:\n")
        for line in flow.outline():
            print(f"  {line}")
        run = flow.run({"api": session.url}, functions={})
        print(f"\n{run}")
        run.raise_for_status()
    return 0


def _count() -> int:
    from ..demo.orders_api import orders

    return len(orders())
