"""``df.flow`` without importing pandas: it is put in place when pandas is imported, or has been."""

from __future__ import annotations

import sys
from typing import Any


class _Finder:
    """Finds pandas as the others do, and has it registered once it is there; then it goes."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "pandas":
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        spec = next((s for f in others if (s := f.find_spec(name, path, target))), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                execute(module)
                sys.meta_path[:] = [f for f in sys.meta_path if f is not self]
                _register()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def install() -> None:
    """Have frames get ``flow``, now or when pandas comes."""
    if "pandas" in sys.modules:
        _register()
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _register() -> None:
    from .frames.accessor import register

    register()
