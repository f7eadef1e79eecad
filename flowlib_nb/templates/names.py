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
# Members further inside are sent with those around them.
_LONGEST_WAY = 8
_NAMES = frozenset(
    # The last is reached only in a destructuring assignment: declarations are handled by _bind.
    "identifier shorthand_property_identifier shorthand_property_identifier_pattern".split()
)
_MEMBERS = frozenset({"member_expression", "subscript_expression"})
_ASSIGNMENTS = frozenset(
    "assignment_expression augmented_assignment_expression update_expression".split()
)
# For each kind of node the field that holds what it acts on.
_THROUGH = {
    "call_expression": "function",
    "assignment_expression": "left",
    "augmented_assignment_expression": "left",
    "update_expression": "argument",
}
_HTML_COMMENT = re.compile(rb"<!--|-->")
# `n --> 0` counts down; only on a line of its own would it be a comment.
_COUNTED = re.compile(rb"[\w$)\]][ \t]*\Z")
_TEXTS = frozenset(
    "string string_fragment template_string regex_pattern comment html_comment".split()
)
# The line break ends a `// comment` at the end of the source.
_OPENED, _CLOSED = "(", "\n)"
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
def parser() -> Parser:
    """Of JavaScript."""
    # Imported here: `import flowlib_nb` should not pay for a parser that is not used yet.
    import tree_sitter_javascript
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_javascript.language()))


def _tree(source: str, is_body: bool) -> tuple[bytes, Node]:
    """What is parsed for a source, an expression in parentheses, and its syntax tree."""
    text = source if is_body else f"{_OPENED}{source}{_CLOSED}"
    encoded = text.encode("utf-8", "surrogatepass")
    return encoded, parser().parse(encoded).root_node


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
    encoded, root = _tree(source, is_body)
    reader = _Reader()
    reader.read(root)
    found = []
    byte = offset = 0
    for node, scope, way in sorted(reader.uses, key=lambda use: use[0].start_byte):
        name = _text(node)
        offset += len(encoded[byte : node.start_byte].decode("utf-8", "replace"))
        byte = node.start_byte
        # Where the syntax is wrong the parser puts empty names in, to go on.
        if name and not scope.declares(name):
            found.append(Use(name, offset - (0 if is_body else len(_OPENED)), way))
    return tuple(found)


@lru_cache(maxsize=4096)
def assigns(source: str, *, is_body: bool = False) -> bool:
    """Whether ``source`` changes what a name or a member stands for, other than by a call.

    Parameters
    ----------
    source, is_body
        As :func:`outer_names` has them.
    """
    todo = [_tree(source, is_body)[1]]
    while todo:
        node = todo.pop()
        if node.type in _ASSIGNMENTS:
            return True
        todo += node.named_children
    return False


@lru_cache(maxsize=4096)
def is_complete(source: str, *, is_body: bool = False) -> bool:
    """Whether ``source`` is by itself a whole expression (or body), not parts of two.

    ``1); evil(); (2`` would fit between the parentheses that the compiler puts around it; it is not
    one expression.
    """
    text, root = _tree(source, is_body)
    if root.has_error or _has_html_comment(text, root):
        return False
    if is_body:
        return True
    kinds = [child.type for child in root.named_children if child.type != "comment"]
    return kinds == ["expression_statement"]


def _has_html_comment(text: bytes, root: Node) -> bool:
    """Whether engines may see a comment that the parser does not (ECMA-262 §B.1.1)."""
    for match in _HTML_COMMENT.finditer(text):
        start, end = match.span()
        if match[0] == b"-->" and _COUNTED.search(text[max(0, start - 100) : start]):
            continue
        node = root.descendant_for_byte_range(start, end)
        if node is None or node.type not in _TEXTS:
            return True
    return False


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _step(node: Node) -> str | int | None:
    """The member that ``a.b``, ``a["b"]`` or ``a[0]`` names; None where only running it tells."""
    if node.type == "member_expression":
        name = node.child_by_field_name("property")
        if name is None or name.type != "property_identifier" or "\\" in _text(name):
            return None
        return _text(name)
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
        self.uses: list[tuple[Node, _Scope, Way]] = []
        self._todo: list[tuple[Node, _Scope]] = []

    def read(self, root: Node) -> None:
        self._todo.append((root, _Scope(None, is_function=True)))
        while self._todo:
            self._visit(*self._todo.pop())

    def _visit(self, node: Node, scope: _Scope) -> None:
        kind = node.type
        if kind in _NAMES:
            self.uses.append((node, scope, ()))
        elif kind in _MEMBERS:
            self._member(node, scope, is_whole=True)
        elif kind in _THROUGH:
            self._through(node, scope)
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

    def _through(self, node: Node, scope: _Scope) -> None:
        """A call or an assignment: what is called, or assigned to, is a use of what holds it.

        The function is called with that as ``this``; what is assigned is found there.
        """
        target = node.child_by_field_name(_THROUGH[node.type])
        for child in node.named_children:
            if target is not None and child.id == target.id and child.type in _MEMBERS:
                self._member(child, scope, is_whole=False)
            else:
                self._todo.append((child, scope))

    def _member(self, node: Node, scope: _Scope, *, is_whole: bool) -> None:
        """A chain of members, from its outermost inwards to what it begins with."""
        chain: list[Node] = []
        while node.type in _MEMBERS:
            chain.append(node)
            inner = node.child_by_field_name("object")
            self._todo += [
                (c, scope) for c in node.named_children if inner is None or c.id != inner.id
            ]
            if inner is None:
                return
            node = inner
        if node.type not in _NAMES:
            self._todo.append((node, scope))
            return
        way: list[str | int] = []
        for member in reversed(chain if is_whole else chain[1:]):
            step = _step(member)
            if step is None or len(way) == _LONGEST_WAY:
                break
            way.append(step)
        self.uses.append((node, scope, tuple(way)))

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
