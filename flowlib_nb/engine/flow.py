"""A flow: read, checked, run."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import expanded
from ..errors import FlowlibError, FlowValidationError, InputError, Problem
from ..language.definition import in_order, parse
from ..language.writing import write
from ..sandbox.pool import sandbox
from .actions.base import BoundCredential
from .checks import check_credentials, check_names, check_parameters, check_templates
from .launching import Launch, part_of
from .namespace import notebook_namespace, resolve_inputs
from .plan import Plan, make_plan
from .run import Run
from .subflows import check_subflows

if TYPE_CHECKING:
    from ..language.original import Note
    from ..vault import Vault


_OF_REFERENCES = frozenset({"unknown_name", "unknown_input", "cycle"})


class Flow:
    """A workflow in YAML.

    Parameters
    ----------
    text : str
        The definition.
    name : str, optional
        What runs and displays call it; the text's own ``name:`` counts first.
    first_line : int, optional
        The line, in the cell or file, on which ``text`` begins.
    vault : Vault, optional
        Where credentials come from; the workspace's vault if left out.
    """

    def __init__(
        self,
        text: str,
        *,
        name: str | None = None,
        first_line: int = 1,
        vault: Vault | None = None,
    ) -> None:
        if not isinstance(text, str):
            raise InputError(f"A flow is made of its YAML text, not of {type(text).__name__}.")
        self.text = text
        self._parsed = parse(text, first_line=first_line)
        self._vault = vault
        # What converting a flow of the original could not do as it was.
        self.notes: tuple[Note, ...] = ()
        definition = self._parsed.definition
        self.name = (definition.name if definition else None) or name or "flow"

    @classmethod
    def from_yaml(cls, text: str, *, name: str | None = None) -> Flow:
        """Read a flow from text.

        Parameters
        ----------
        text : str
            YAML 1.2. What is wrong with it shows in :meth:`validate` and stops :meth:`run`.
        name : str, optional
            What to call the flow.
        """
        return cls(text, name=name)

    @classmethod
    def from_file(cls, path: str | Path) -> Flow:
        """Read a flow from a file.

        Parameters
        ----------
        path : str or Path
            UTF-8 YAML.

        Raises
        ------
        InputError
            The file cannot be read.
        """
        file = expanded(path)
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"The file {file} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise InputError(f"The file {file} is not UTF-8 text.") from None
        name = re.sub(r"(\.flow)?\.ya?ml$", "", file.name)
        return cls(text, name=name)

    @classmethod
    def from_dict(cls, definition: Mapping[str, Any], *, name: str | None = None) -> Flow:
        """Make a flow of plain data, without YAML.

        Parameters
        ----------
        definition : mapping
            What the text would say: ``inputs``, ``nodes``, ``output``.
        name : str, optional
            What to call the flow.

        Raises
        ------
        InputError
            It holds what a flow's text cannot; other faults show in :meth:`validate`.
        """
        return cls(write(definition), name=name)

    @classmethod
    def from_json(cls, definition: Mapping[str, Any] | str, *, name: str | None = None) -> Flow:
        """Convert a flow of the original Flowlib.

        Parameters
        ----------
        definition : mapping or str
            Its JSON: ``nodes`` and ``edges``, bare or inside a stored version.
        name : str, optional
            What to call the flow, unless it has a name.

        Returns
        -------
        Flow
            Its ``text`` is YAML; ``notes`` says what could not be converted as it was.

        Raises
        ------
        InputError
            It is not JSON.
        FlowValidationError
            It is no definition; the problems name the paths.
        """
        from ..language.original import from_original

        converted = from_original(definition)
        flow = cls(converted.text, name=name)
        flow.notes = converted.notes
        return flow

    def to_python(self) -> str:
        """The flow as Python source, which builds and runs it without YAML.

        Returns
        -------
        str
            For a file or a cell: a function whose parameters are the flow's inputs, and the
            functions and variables of the notebook that it uses.

        Raises
        ------
        FlowValidationError
            The text has problems of form.
        """
        from .python_source import python_source

        definition = self._parsed.definition
        if definition is None or self._parsed.problems:
            raise FlowValidationError(in_order(list(self._parsed.problems)))
        return python_source(self.name, definition, self._parsed.source.data)

    def validate(self, inputs: Collection[str] = ()) -> list[Problem]:
        """Find everything that is wrong, without running anything.

        Parameters
        ----------
        inputs : collection of str, optional
            Names of inputs that the run will give.

        Returns
        -------
        list of Problem
            With ``line``, ``column`` and ``path``, in the order of the text; empty when all is
            well.
        """
        plan, problems = self._checked(inputs)
        if plan is not None:
            problems += check_subflows(plan, notebook_namespace())
        if plan is not None and plan.credentials:
            try:
                problems += check_credentials(plan, self._open_vault().names())
            except FlowlibError as error:
                problems.append(Problem(error.code, error.message, (), None, error.hint))
        return in_order(problems)

    def run(
        self,
        inputs: Mapping[str, Any] | None = None,
        *,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        to: str | None = None,
        only: str | None = None,
        mock: Mapping[str, Any] | None = None,
        cache: bool = False,
    ) -> Run:
        """Run the flow and wait for its end.

        Parameters
        ----------
        inputs : mapping, optional
            Values of inputs, in place of those in the text.
        functions : mapping, optional
            What ``python`` nodes call and ``$name`` inputs name; the notebook's variables if left
            out.
        to : str, optional
            Run only this node and what it needs; the output is this node's.
        only : str, optional
            Run only this node. What it needs has its value from ``mock``, or from the last run of
            the flow of this name.
        mock : mapping, optional
            Values of nodes that are not to be run; what only they need is left out.
        cache : bool
            Whether requests that only read may be answered by what the same requests gave in this
            session.

        Returns
        -------
        Run
            Look at ``status``: a failed flow is not an exception here.

        Raises
        ------
        FlowValidationError
            The flow has problems; nothing was run.
        InputError
            There is no such node, or no value of what ``only`` needs.
        CredentialNotFoundError, KeyMissingError, VaultError
            A credential cannot be read; nothing was run.
        KeyboardInterrupt
            The run was interrupted, and cancelled.
        """
        run = self.start(inputs, functions=functions, to=to, only=only, mock=mock, cache=cache)
        return run.wait()

    async def arun(
        self,
        inputs: Mapping[str, Any] | None = None,
        *,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        to: str | None = None,
        only: str | None = None,
        mock: Mapping[str, Any] | None = None,
        cache: bool = False,
    ) -> Run:
        """Run the flow without blocking the caller's event loop; otherwise like :meth:`run`."""
        run = await asyncio.to_thread(
            self.start, inputs, functions=functions, to=to, only=only, mock=mock, cache=cache
        )
        assert run._future is not None
        await asyncio.wrap_future(run._future)
        return run

    def start(
        self,
        inputs: Mapping[str, Any] | None = None,
        *,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        to: str | None = None,
        only: str | None = None,
        mock: Mapping[str, Any] | None = None,
        cache: bool = False,
    ) -> Run:
        """Start the flow and return at once; otherwise like :meth:`run`.

        Returns
        -------
        Run
            ``wait()`` and ``cancel()`` it.
        """
        if not isinstance(inputs, Mapping | None) or not isinstance(mock, Mapping | None):
            raise InputError("inputs and mock are mappings of names to values.")
        given = dict(inputs or {})
        namespace = notebook_namespace() if functions is None else functions
        plan, problems = self._checked(given)
        if plan is not None:
            problems += [*check_names(plan, namespace), *check_subflows(plan, namespace)]
            if not problems:
                plan, known = part_of(plan, self.name, to=to, only=only, mock=mock or {})
        credential = self._credentials(plan, problems)
        if problems or plan is None:
            raise FlowValidationError(in_order(problems))
        launch = Launch(
            self.name,
            self.text,
            self._vault,
            plan,
            resolve_inputs(plan, given, namespace),
            namespace,
            credential,
            cache,
        )
        return launch.start(known)

    def outline(self) -> list[str]:
        """The nodes in the order in which they would run, a line each.

        Raises
        ------
        FlowValidationError
            The flow cannot be read.
        """
        plan, problems = self._checked(())
        if plan is None:
            raise FlowValidationError(problems)
        return [
            f"{name}  {step.action.name}" + (f"  ← {', '.join(step.needs)}" if step.needs else "")
            for name, step in plan.steps.items()
        ]

    def _checked(self, inputs: Collection[str]) -> tuple[Plan | None, list[Problem]]:
        problems = list(self._parsed.problems)
        if self._parsed.definition is None:
            return None, problems
        plan, found = make_plan(self._parsed.definition, self._parsed.source, given_inputs=inputs)
        problems += found
        problems += check_parameters(plan)
        wrong = list(check_templates(plan, sandbox()))
        # What code refers to is only sure where its syntax is right.
        unread = {problem.path for problem in wrong}
        problems = [p for p in problems if p.path not in unread or p.code not in _OF_REFERENCES]
        return plan, problems + wrong

    def _credentials(
        self, plan: Plan | None, problems: list[Problem]
    ) -> Callable[[str], BoundCredential]:
        """Where the run gets credentials; each is opened once now, so that nothing runs in vain."""

        def get(name: str) -> BoundCredential:
            return BoundCredential(name, *self._open_vault().get_with_hosts(name))

        if plan is not None and plan.credentials:
            missing = list(check_credentials(plan, self._open_vault().names()))
            problems += missing
            if not problems:
                for name in plan.credentials:
                    get(name)
        return get

    def _open_vault(self) -> Vault:
        from ..vault import Vault

        return self._vault or Vault.open()

    def __repr__(self) -> str:
        """Show the flow's name and size."""
        definition = self._parsed.definition
        count = f"{len(definition.nodes)} nodes" if definition else "not valid"
        return f"<Flow {self.name}: {count}>"
