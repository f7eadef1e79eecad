"""What there is to say about an action: plain data for help, the server and scripts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ParameterInfo:
    """One parameter of an action.

    Parameters
    ----------
    name : str
        As it is written under ``with:``.
    type : str
        In words: ``text``, ``list of text``, ``whole number, 1 to 100``.
    required : bool
        Whether it has to be given.
    default : object
        What counts where it is left out, as JSON-ready data; None where that is nothing.
    description : str
        What it is for; may be empty.
    choices : tuple
        The only values that there are; empty where there are more.
    parameters : tuple of ParameterInfo
        What it holds itself, if it is a mapping of known keys.
    """

    name: str
    type: str
    required: bool = False
    default: Any = None
    description: str = ""
    choices: tuple[Any, ...] = ()
    parameters: tuple[ParameterInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class ActionInfo:
    """One action.

    Parameters
    ----------
    name : str
        What ``uses:`` says.
    summary : str
        One sentence.
    description : str
        Its docstring.
    credential : str
        ``never``, ``optional`` or ``required``.
    is_routing : bool
        Whether ways part behind it.
    branches : tuple
        Their names, where they are always the same.
    parameters : tuple of ParameterInfo
        What ``with:`` may hold.
    example : str
        A flow that uses it, in YAML; empty for actions of one's own.
    """

    name: str
    summary: str
    description: str
    credential: str
    is_routing: bool
    branches: tuple[bool | int | str, ...]
    parameters: tuple[ParameterInfo, ...]
    example: str

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON-ready data."""
        return asdict(self)
