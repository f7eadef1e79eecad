"""Which names a piece of JavaScript takes from outside itself.

The syntax tree comes from tree-sitter; the scoping rules are ECMA-262's (§9.1, §14.2, §15): ``var``
belongs to its function, ``let``, ``const``, ``class`` and function declarations to their block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from .reach import Way

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

# ECMAScript globals that the sandbox leaves in place.
JAVASCRIPT_GLOBALS = frozenset(
    """
    AggregateError Array ArrayBuffer BigInt BigInt64Array BigUint64Array Boolean DataView Date Error
    EvalError Float16Array Float32Array Float64Array Infinity Int16Array Int32Array Int8Array
    Iterator JSON Map Math NaN Number Object Promise Proxy RangeError ReferenceError Reflect RegExp
    Set String Symbol SyntaxError TypeError URIError Uint16Array Uint32Array Uint8Array
    Uint8ClampedArray WeakMap WeakSet arguments atob btoa decodeURI decodeURIComponent encodeURI
    encodeURIComponent escape globalThis isFinite isNaN parseFloat parseInt undefined unescape
    """.split()
)
HELPERS = frozenset("json first last keys values exists isArray isObject".split())
# Members further inside are sent with those around them: finding a parent takes long in deep code.
_LONGEST_WAY = 8
_INDEX = re.compile(r"0|[1-9][0-9]{0,14}")
# Names that cannot be variables in strict code (ECMA-262 §12.7.2), so cannot name a node either.
RESERVED_WORDS = frozenset(
    """
    arguments await break case catch class const continue debugger default delete do else enum eval
    export extends false finally for function if implements import in instanceof interface let new
    null package private protected public return static super switch this throw true try typeof
    undefined var void while with yield
    """.split()
)


@dataclass(frozen=True, slots=True)
class Use:
    """One use of an outer name.

    Parameters
    ----------
    name : str
        The identifier.
    offset : int
        Where it stands in the source, in characters.
    way : tuple of str or int
        The members that are known from the text: ``("b", 0)`` in ``a.b[0][c].d``.
    """

    name: str
    offset: int
    way: Way = ()

    @property
    def member(self) -> str | None:
        """``b`` in ``a.b``; None where the name stands alone."""
        return self.way[0] if self.way and isinstance(self.way[0], str) else None


@dataclass(slots=True)
class _Scope:
    parent: _Scope | None
    is_function: bool
    names: set[str] = field(default_factory=set)

    def declares(self, name: str) -> bool:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.names:
                return True
            scope = scope.parent
        return False

    def function(self) -> _Scope:
        scope = self
        while not scope.is_function and scope.parent is not None:
            scope = scope.parent
        return scope


_FUNCTIONS = frozenset(
    "function_declaration generator_function_declaration function_expression generator_function "
    "arrow_function method_definition class_static_block".split()
)
_BLOCKS = frozenset(
    "statement_block switch_body for_statement for_in_statement catch_clause".split()
)
_NAMED_DECLARATIONS = frozenset(
    "function_declaration generator_function_declaration class_declaration".split()
)
_NAMED_EXPRESSIONS = frozenset("function_expression generator_function class".split())


@lru_cache(maxsize=1)
def _parser() -> Parser:
    # Imported here: `import flowlib_nb` should not pay for a parser that is not used yet.
    import tree_sitter_javascript
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_javascript.language()))


@lru_cache(maxsize=4096)
def outer_names(source: str, *, is_body: bool = False) -> tuple[Use, ...]:
    """The uses of names that ``source`` does not itself declare.

    Parameters
    ----------
    source : str
        A JavaScript expression, or a function body.
    is_body : bool
        Whether ``source`` is statements rather than one expression.

    Returns
    -------
    tuple of Use
        In the order of the text; a name that is used twice is there twice. Where the syntax is
        wrong the result is what could be read; judging the syntax is the engine's part.
    """
    prefix, suffix = ("", "") if is_body else ("(", "\n)")
    encoded = (prefix + source + suffix).encode("utf-8", "surrogatepass")
    root = _parser().parse(encoded).root_node
    reader = _Reader()
    reader.read(root)
    found = []
    for node, scope in reader.uses:
        name = _text(node)
        # Where the syntax is wrong the parser puts empty names in, to go on.
        if name and not scope.declares(name):
            before = encoded[: node.start_byte].decode("utf-8", "replace")
            found.append(Use(name, len(before) - len(prefix), _way_from(node)))
    return tuple(sorted(found, key=lambda use: use.offset))


@lru_cache(maxsize=4096)
def is_complete(source: str, *, is_body: bool = False) -> bool:
    """Whether ``source`` is by itself a whole expression (or body), not parts of two.

    ``1); evil(); (2`` would fit between the parentheses that the compiler puts around it; it is not
    one expression.
    """
    prefix, suffix = ("", "") if is_body else ("(", "\n)")
    root = _parser().parse((prefix + source + suffix).encode("utf-8", "surrogatepass")).root_node
    if is_body:
        return not root.has_error
    return not root.has_error and [
        child.type for child in root.named_children if child.type != "comment"
    ] == ["expression_statement"]


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _way_from(node: Node) -> Way:
    way: list[str | int] = []
    while len(way) < _LONGEST_WAY and (parent := node.parent) is not None:
        target = parent.child_by_field_name("object")
        if target is None or target.id != node.id:
            break
        step = _step(parent)
        if step is None:
            break
        way.append(step)
        node = parent
    return tuple(way)


def _step(node: Node) -> str | int | None:
    """The member that ``a.b``, ``a["b"]`` or ``a[0]`` names; None where only running it tells."""
    if node.type == "member_expression":
        name = node.child_by_field_name("property")
        return _text(name) if name is not None and name.type == "property_identifier" else None
    index = node.child_by_field_name("index")
    if node.type != "subscript_expression" or index is None:
        return None
    if index.type == "number":
        return int(_text(index)) if _INDEX.fullmatch(_text(index)) else None
    if index.type == "string" and [child.type for child in index.named_children] == [
        "string_fragment"
    ]:
        return _text(index.named_children[0])
    return None


class _Reader:
    """Walks a syntax tree with a stack of its own: deep nesting cannot overflow Python's."""

    def __init__(self) -> None:
        self.uses: list[tuple[Node, _Scope]] = []
        self._todo: list[tuple[Node, _Scope]] = []

    def read(self, root: Node) -> None:
        self._todo.append((root, _Scope(None, is_function=True)))
        while self._todo:
            self._visit(*self._todo.pop())

    def _visit(self, node: Node, scope: _Scope) -> None:
        kind = node.type
        if kind in ("identifier", "shorthand_property_identifier"):
            self.uses.append((node, scope))
        elif kind == "shorthand_property_identifier_pattern":
            # Reached only in a destructuring assignment: declarations are handled by _bind.
            self.uses.append((node, scope))
        elif kind in _FUNCTIONS or kind in _BLOCKS or kind == "class":
            self._enter(node, scope)
        elif kind == "class_declaration":
            self._declare(node, scope)
            self._children(node, scope, skip="name")
        elif kind in ("variable_declaration", "lexical_declaration"):
            target = scope.function() if kind == "variable_declaration" else scope
            for declarator in node.named_children:
                name = declarator.child_by_field_name("name")
                if name is not None:
                    self._bind(name, target, scope)
                self._children(declarator, scope, skip="name")
        else:
            self._children(node, scope)

    def _enter(self, node: Node, scope: _Scope) -> None:
        kind = node.type
        inner = _Scope(scope, is_function=kind in _FUNCTIONS)
        if kind in _NAMED_DECLARATIONS:
            self._declare(node, scope)
        elif kind in _NAMED_EXPRESSIONS:
            self._declare(node, inner)
        bound = {"parameters", "parameter"} if kind in _FUNCTIONS else {"parameter"}
        if kind == "for_in_statement" and (keyword := node.child_by_field_name("kind")):
            bound.add("left")
            target = inner.function() if _text(keyword) == "var" else inner
        else:
            target = inner
        for index, child in enumerate(node.children):
            label = node.field_name_for_child(index)
            if label in bound:
                self._bind(child, target, inner)
            elif label == "name":
                # A method's computed name is read outside it; other names are no uses.
                if kind == "method_definition":
                    self._todo.append((child, scope))
            elif child.is_named:
                self._todo.append((child, inner))

    def _declare(self, node: Node, scope: _Scope) -> None:
        name = node.child_by_field_name("name")
        if name is not None:
            scope.names.add(_text(name))

    def _children(self, node: Node, scope: _Scope, skip: str | None = None) -> None:
        for index, child in enumerate(node.children):
            if child.is_named and (skip is None or node.field_name_for_child(index) != skip):
                self._todo.append((child, scope))

    def _bind(self, pattern: Node, target: _Scope, scope: _Scope) -> None:
        """Declare the names of a binding pattern; defaults and computed keys are ordinary uses."""
        for node, is_binding in _pattern_parts(pattern):
            if is_binding:
                target.names.add(_text(node))
            else:
                self._todo.append((node, scope))


def _pattern_parts(pattern: Node) -> Iterator[tuple[Node, bool]]:
    todo = [pattern]
    while todo:
        node = todo.pop()
        kind = node.type
        if kind in ("identifier", "shorthand_property_identifier_pattern"):
            yield node, True
        elif kind in ("assignment_pattern", "object_assignment_pattern"):
            left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
            if left is not None:
                todo.append(left)
            if right is not None:
                yield right, False
        elif kind == "pair_pattern":
            key, value = node.child_by_field_name("key"), node.child_by_field_name("value")
            if key is not None and key.type == "computed_property_name":
                yield key, False
            if value is not None:
                todo.append(value)
        else:
            todo.extend(node.named_children)
