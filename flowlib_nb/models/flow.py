"""What a flow's text says, as typed data: nodes, iteration, retries."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_STRICT = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=True)


def _needs_as_mapping(value: Any) -> Any:
    """Accept ``needs: a``, ``needs: [a, b]`` and ``needs: {gate: true}`` alike."""
    if isinstance(value, str):
        return {value: None}
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return dict.fromkeys(value)
    return value


Branch = bool | int | str
Needs = Annotated[dict[str, Branch | list[Branch] | None], BeforeValidator(_needs_as_mapping)]
Number = Annotated[float, Field(strict=False, allow_inf_nan=False)]


class Retry(BaseModel):
    """How often a failing node (or iteration) is tried again.

    Parameters
    ----------
    attempts : int
        How often it is tried in all, 1 to 20.
    backoff : float
        Seconds before the second attempt; doubles with each further one. A server's
        ``Retry-After`` counts where it asks for longer.
    max_backoff : float
        Seconds, at most.
    jitter : float
        The share of each wait, 0 to 1, that is left to chance, so that items that failed together
        are not tried again all at once.
    """

    model_config = _STRICT

    attempts: int = Field(default=3, ge=1, le=20)
    backoff: Number = Field(default=0.5, ge=0, le=300)
    max_backoff: Number = Field(default=60.0, ge=0, le=3600)
    jitter: Number = Field(default=0.2, ge=0, le=1)

    def wait(self, failures: int, *, chance: float, asked: float | None) -> float:
        """Seconds to wait before the next attempt.

        Parameters
        ----------
        failures : int
            How many attempts have failed, from 1.
        chance : float
            From 0 to 1.
        asked : float or None
            Seconds that the other side asks to wait, at least.
        """
        wait: float = min(self.backoff * 2 ** (failures - 1), self.max_backoff)
        return max(wait * (1 - self.jitter * chance), asked or 0.0)


class Each(BaseModel):
    """Runs a node once for each item of a list.

    Parameters
    ----------
    over : object
        A template that gives a list, or a list.
    as_ : str
        The item's name in the node's templates (``as`` in the text).
    key : str, optional
        A template that gives an item's key, for ``collect: object``; its index without one.
    concurrency : int
        How many items may be under way at once, 1 to 100.
    collect : str
        What the node gives: ``array``, a list of the items' values in their order; ``object``, a
        mapping of keys to them; ``first`` or ``last``, one of them; ``concat``, the lists (or
        frames) that the items gave, joined.
    on_error : str
        ``fail`` ends the node at the first failing item; ``collect`` goes on and puts null where
        an item failed; ``skip`` goes on and leaves failed items out.
    on_empty : str
        What an empty list does: ``empty`` gives what collecting nothing gives, ``skip`` skips the
        node and what lies only behind it, ``fail`` fails it.
    """

    model_config = _STRICT

    over: Any
    as_: str = Field(default="item", alias="as")
    concurrency: int = Field(default=5, ge=1, le=100)
    key: str | None = None
    collect: Literal["array", "object", "first", "last", "concat"] = "array"
    on_error: Literal["fail", "collect", "skip"] = "fail"
    on_empty: Literal["empty", "skip", "fail"] = "empty"


class NodeDefinition(BaseModel):
    """One node of a flow.

    Parameters
    ----------
    uses : str
        The action.
    with_ : dict
        The action's parameters, with templates at any depth (``with`` in the text).
    credential : str, optional
        A name in the vault.
    needs : dict
        Nodes that must be done first, besides those that templates refer to. A value other than
        None names the branch, or the branches, of a routing node. The node is skipped when none of
        these ways leads to it; without ``needs`` the nodes that it refers to are the ways.
    each : Each, optional
        Iteration.
    retry : Retry, optional
        Without it a node is tried once.
    timeout : float, optional
        Seconds for one attempt.
    on_template_error : str
        ``fail``, or ``empty``: a failing template gives null, or no text.
    """

    model_config = _STRICT

    uses: str = Field(min_length=1)
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    credential: str | None = None
    needs: Needs = Field(default_factory=dict)
    each: Each | None = None
    retry: Retry = Field(default=Retry(attempts=1))
    timeout: Number | None = Field(default=None, gt=0, le=86_400)
    on_template_error: Literal["fail", "empty"] = "fail"


class FlowDefinition(BaseModel):
    """A flow.

    Parameters
    ----------
    name : str, optional
        What runs and displays call it.
    inputs : dict
        Names and their default values; ``$name`` is a variable of the notebook.
    nodes : dict
        At least one node, by name, in the order of the text.
    output : str, optional
        The node whose value is the run's output. Without it: the ``output`` node, else the last.
    """

    model_config = _STRICT

    name: str | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)
    nodes: dict[str, NodeDefinition] = Field(min_length=1)
    output: str | None = None

    @property
    def output_node(self) -> str:
        """The node whose value is the run's output."""
        if self.output is not None:
            return self.output
        outputs = [name for name, node in self.nodes.items() if node.uses == "output"]
        return outputs[-1] if outputs else list(self.nodes)[-1]
