"""What an action is, and what it gets to work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from ...errors import NodeError
from ...templates.compiler import CompiledValue, compile_value

if TYPE_CHECKING:
    import httpx2

    from ...models.credential import Credential
    from ...models.flow import Branch, NodeDefinition

_T = TypeVar("_T")


class Parameters(BaseModel):
    """Base of an action's parameters: unknown ones are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RetryableError(NodeError):
    """A failure that trying again may cure.

    Parameters
    ----------
    retry_after : float, optional
        Seconds that the other side asks to wait.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class ParameterProblem:
    """Something wrong inside a parameter, found before anything runs.

    Parameters
    ----------
    path : tuple
        In ``with:``.
    offset : int
        Character in the text at that path.
    message : str
        What is wrong.
    """

    path: tuple[str | int, ...]
    offset: int
    message: str


@dataclass(frozen=True, slots=True)
class BoundCredential:
    """A credential with what decides where it may go.

    Parameters
    ----------
    name : str
        In the vault.
    credential : Credential
        Its plaintext shows only through ``reveal()``.
    hosts : tuple of str
        Where it may be sent.
    """

    name: str
    credential: Credential
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ActionContext:
    """What an action gets besides its parameters.

    Parameters
    ----------
    node : str
        The node's name.
    namespace : mapping
        Functions and variables of the notebook.
    inputs : mapping
        The run's inputs.
    values : mapping
        The values of the nodes upstream, by name; null for those that were skipped.
    sources : tuple of str
        The nodes that the node needs, in the order of the text, less those that were skipped and
        those whose branch to it was not taken.
    credential : BoundCredential or None
        What ``credential:`` names.
    http : callable
        Gives the run's pooled HTTP connections.
    in_thread : callable
        Runs a blocking function off the event loop: ``await context.in_thread(function, …)``.
    run_flow : callable
        Runs another flow, by name or file, with inputs: ``await context.run_flow(name, {…})``.
    """

    node: str
    namespace: Mapping[str, Any]
    inputs: Mapping[str, Any]
    values: Mapping[str, Any]
    sources: tuple[str, ...]
    credential: BoundCredential | None
    http: Callable[[], httpx2.AsyncBaseTransport]
    in_thread: InThread
    run_flow: Callable[[str, Mapping[str, Any]], Awaitable[Any]]


class InThread(Protocol):
    """Runs a blocking function in a thread."""

    def __call__(self, function: Callable[..., _T], /, *args: Any) -> Awaitable[_T]:
        """Start it and wait for its result."""


class Action:
    """What a node can do. Stateless: one object serves all nodes.

    Attributes
    ----------
    name : str
        What ``uses:`` says.
    summary : str
        One sentence for help.
    parameters : type of Parameters
        What ``with:`` may hold.
    credential : str
        Whether a node of this action may name a credential.
    is_pure : bool
        Whether the value follows from the rendered parameters alone, without I/O or waiting.
    takes_frames : bool
        Whether a parameter that is only a reference to a frame gets the frame, not its records.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    parameters: ClassVar[type[Parameters]]
    credential: ClassVar[Literal["never", "optional"]] = "never"
    is_pure: ClassVar[bool] = False
    takes_frames: ClassVar[bool] = False

    def compile(self, parameters: Mapping[str, Any]) -> CompiledValue:
        """Prepare ``with:`` for rendering.

        Raises
        ------
        TemplateSyntaxError
            A template is empty or never closed.
        """
        return compile_value(dict(parameters))

    def for_node(self, node: NodeDefinition) -> Action:
        """The action as a node uses it: another one where its credential makes a difference."""
        return self

    def references(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of nodes that the parameters refer to otherwise than by templates."""
        return ()

    def check(self, parameters: Mapping[str, Any]) -> Iterable[ParameterProblem]:
        """Find what is wrong inside parameters whose types are right."""
        return ()

    def check_names(
        self, parameters: Mapping[str, Any], nodes: Collection[str], namespace: Mapping[str, Any]
    ) -> Iterable[ParameterProblem]:
        """Find names that are neither nodes nor variables of the notebook, when a run begins."""
        return ()

    def is_cacheable(self, parameters: Any) -> bool:
        """Whether a call only reads, so that its value may be used again within a session."""
        return False

    def branches(self, parameters: Mapping[str, Any]) -> tuple[Branch, ...]:
        """The names of the ways that lead on from a node; none where it has no branches."""
        return ()

    def taken(self, value: Any) -> tuple[Branch, ...]:
        """Which of its branches a node took, from its value."""
        return ()

    async def run(self, context: ActionContext, parameters: Any) -> Any:
        """Do the work.

        Parameters
        ----------
        context : ActionContext
            Surroundings.
        parameters : Parameters
            Rendered and validated, of the class's own type.

        Returns
        -------
        object
            The node's value.

        Raises
        ------
        NodeError
            For what the flow's author can act on.
        """
        raise NotImplementedError

    def run_pure(self, context: ActionContext, parameters: Any) -> Any:
        """What :meth:`run` does, for actions with ``is_pure``."""
        raise NotImplementedError
