"""Checks and runs flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .flow import Flow
    from .run import Run

__all__ = ["Flow", "Run"]


def __getattr__(name: str) -> Any:
    # Loading a notebook needs the engine's options, not the engine.
    if name == "Flow":
        from .flow import Flow

        return Flow
    if name == "Run":
        from .run import Run

        return Run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
