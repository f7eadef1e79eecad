"""JavaScript of the original, with its references made those of this flow language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..templates.names import Use, is_complete, outer_names, parser


@dataclass(frozen=True, slots=True)
class Replacement:
    """What a reference becomes.

    Parameters
    ----------
    text : str
        An expression.
    members : int
        How many of the members behind the name it stands for, too: 1 where ``b`` replaces ``a.b``.
    """

    text: str
    members: int = 0


Resolve = Callable[[Use], Replacement | None]


@dataclass(frozen=True, slots=True)
class Script:
    """A piece of JavaScript.

    Parameters
    ----------
    source : str
        Without white space around it.
    is_body : bool
        Whether it is a function body rather than an expression.
    """

    source: str
    is_body: bool = False

    @property
    def names(self) -> list[str]:
        """The names that it takes from outside, each as often as it is used."""
        return [use.name for use in outer_names(self.source, is_body=self.is_body)]

    def expression(self) -> str:
        """The script as one expression."""
        return f"(() => {{\n{self.source}\n}})()" if self.is_body else self.source

    def gives_object(self) -> bool:
        """Whether the value is surely an object, and no list."""
        prefix, suffix = ("", "") if self.is_body else ("(", "\n)")
        text = (prefix + self.source + suffix).encode("utf-8", "surrogatepass")
        todo = [parser().parse(text).root_node]
        given = []
        while todo:
            node = todo.pop()
            wanted = "return_statement" if self.is_body else "expression_statement"
            if node.type == wanted:
                given.append(node.named_children[0] if node.named_children else None)
            elif "function" not in node.type and node.type != "method_definition":
                todo += node.named_children
        for index, value in enumerate(given):
            while value is not None and value.type == "parenthesized_expression":
                value = value.named_children[0]
            given[index] = value
        return bool(given) and all(value is not None and value.type == "object" for value in given)


def script(code: str) -> Script | None:
    """Tell an expression from a function body.

    Parameters
    ----------
    code : str
        As the original has it: an expression, with or without a semicolon, or statements.

    Returns
    -------
    Script or None
        None where it is neither.
    """
    source = code.strip()
    if is_complete(source):
        return Script(source)
    if is_complete(shorter := source.rstrip("; \t\n")):
        return Script(shorter)
    return Script(source, is_body=True) if is_complete(source, is_body=True) else None


def rewritten(one: Script, resolve: Resolve) -> Script:
    """Replace references by the syntax tree, so that strings and members of objects stay.

    Parameters
    ----------
    one : Script
        The code.
    resolve : callable
        Says for each use of an outer name what becomes of it; None leaves it.
    """
    prefix, suffix = ("", "") if one.is_body else ("(", "\n)")
    text = (prefix + one.source + suffix).encode("utf-8", "surrogatepass")
    root = parser().parse(text).root_node
    for use in reversed(outer_names(one.source, is_body=one.is_body)):
        replacement = resolve(use)
        if replacement is None:
            continue
        start = len((prefix + one.source[: use.offset]).encode("utf-8", "surrogatepass"))
        node = root.descendant_for_byte_range(start, start + len(use.name.encode()))
        assert node is not None  # outer_names found it in the same tree
        if replacement.text == use.name and not replacement.members:
            continue
        is_short = node.type.startswith("shorthand_property_identifier")
        for _ in range(replacement.members):
            assert node.parent is not None
            node = node.parent
        new = f"{use.name}: {replacement.text}" if is_short else replacement.text
        text = text[: node.start_byte] + new.encode() + text[node.end_byte :]
    source = text.decode("utf-8", "surrogatepass")
    return Script(source[len(prefix) : len(source) - len(suffix)], one.is_body)


def is_captured(before: Script, after: Script, resolve: Resolve) -> bool:
    """Whether a variable of the code itself now hides what a replacement refers to."""
    wanted: list[str] = []
    for use in outer_names(before.source, is_body=before.is_body):
        replacement = resolve(use)
        wanted += [use.name] if replacement is None else Script(replacement.text).names
    return sorted(wanted) != sorted(after.names)
