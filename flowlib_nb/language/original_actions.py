"""The original's actions as those of this flow language: types and parameters."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..models.names import is_name
from ..templates.tokenizer import Expression, TemplateSyntaxError, split
from .original_code import Script, is_captured, rewritten, script
from .original_form import OriginalNode
from .original_logic import javascript
from .original_scope import HTTP, SQL, Names, Scope
from .writing import shown

Body = dict[str, Any]
_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*|\$.*)", re.ASCII | re.DOTALL)
_SECRET_HEADER = re.compile(r"auth|api[-_]?key|token|secret|cookie|password", re.IGNORECASE)
_QUOTED_TEMPLATE = re.compile(r"'[^'{]*\{\{|\}\}[^'}]*'")
_CREDENTIAL = ("credentialId", "credential_id", "credential", "databaseId")
_LONGEST_SECONDS = 86_400
_WITHOUT_BODY = ("GET", "HEAD")


@dataclass(slots=True)
class Conversion:
    """One node on its way from one language to the other.

    Parameters
    ----------
    node : OriginalNode
        What it was.
    name : str
        What it is called here.
    scope : Scope
        What its code sees.
    names : Names
        Of the flow.
    inputs : dict
        The flow's inputs; input nodes add theirs.
    """

    node: OriginalNode
    name: str
    scope: Scope
    names: Names
    inputs: dict[str, Any]
    _read: set[str] = field(default_factory=set)

    def take(self, *words: str, default: Any = None) -> Any:
        """A parameter, under the first of its names that is there."""
        self._read.update(words)
        return next((self.node.params[w] for w in words if w in self.node.params), default)

    @property
    def left(self) -> list[str]:
        """The parameters that nothing asked for."""
        return [name for name in self.node.params if name not in self._read]

    def note(self, message: str, hint: str | None = None) -> None:
        """Say what is not converted as it was."""
        self.scope.report(message, hint)

    def script(self, code: str, what: str) -> Script:
        """JavaScript with its references renamed; as it is where it cannot be read."""
        read = script(code)
        if read is None or (read.is_body and "{{" in code and "return" not in code):
            why = "holds templates, which code cannot" if "{{" in code else "is not JavaScript"
            self.note(f"has a {what} that {why}", "Correct it; it stands there as it was.")
            return Script(code.strip())
        made = rewritten(read, self.scope.resolve)
        return self._apart(read) if is_captured(read, made, self.scope.resolve) else made

    def _apart(self, read: Script) -> Script:
        """The code as a function of its scope, where its variables would hide nodes.

        ``const users = $input.users`` cannot become ``const users = users``.
        """
        whole = [name for name in self.scope.wholes() if name in read.names]
        made = rewritten(read, lambda use: None if use.name in whole else self.scope.resolve(use))
        given = ", ".join(self.scope.whole(name) for name in whole)
        body = f"{{\n{made.source}\n}}" if made.is_body else f"({made.source})"
        return Script(f"(({', '.join(whole)}) => {body})({given})")

    def template(self, code: Any, what: str) -> Any:
        """Code, given without braces, as a template."""
        if not isinstance(code, str):
            return code
        stripped = code.strip()
        if stripped.startswith("{{"):
            return self.text(stripped, what)
        return f"{{{{ {self.script(code, what).expression()} }}}}"

    def text(self, text: str, what: str) -> str:
        """A text with the references in its templates renamed."""
        try:
            parts = split(text)
        except TemplateSyntaxError as error:
            self.note(
                f"has a {what} with an error: {error.message}", "Correct it; it stands as it was."
            )
            return text
        made = [
            f"{{{{ {self.script(part.source, what).expression()} }}}}"
            if isinstance(part, Expression)
            else part
            for part in parts
        ]
        return "".join(made)

    def value(self, value: Any, what: str) -> Any:
        """A value with the references in the templates at any depth renamed."""
        if isinstance(value, str):
            return self.text(value, what) if "{{" in value else value
        if isinstance(value, Mapping):
            return {key: self.value(member, f"{what}.{key}") for key, member in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item, f"{what}[{index}]") for index, item in enumerate(value)]
        return value

    def credential(self) -> dict[str, str]:
        """The key that names the credential, if the node uses one."""
        given = self.take(*_CREDENTIAL)
        if not given:
            return {}
        name = given if is_name(given) else None
        if name is None:
            name = f"{self.name}_credential"
        self.note(
            f"uses a credential of the original, here called {name!r}",
            f"Store it: %flowlib_secret set {name} --type … --hosts …",
        )
        return {"credential": name}


def convert_action(conversion: Conversion) -> Body:
    """The node as a definition here, without ``needs`` and ``each``."""
    convert = _CONVERTERS.get(conversion.node.kind)
    if convert is None and conversion.node.kind.startswith("trigger."):
        convert = _trigger
    if convert is None:
        return _unknown(conversion)
    body = convert(conversion)
    for name in conversion.left:
        conversion.note(f"has the parameter {name!r}, which is left out: nothing here does that")
    return body


def _input(made: Conversion) -> Body:
    variable = str(made.take("variableName", "variable_name", "name", default="input"))
    default = made.take("defaultValue", "default_value", "default", default="")
    given = {} if variable == made.name else {"name": variable}
    if isinstance(default, str) and default.strip():
        with contextlib.suppress(ValueError):  # then it is plain text
            default = json.loads(default)
    if isinstance(default, str) and "{{" in default:
        made.note(f"has a default that holds a template; it is under with:, not under inputs: "
                  f"{variable}")  # fmt: skip
        return {"uses": "input", "with": {**given, "default": made.text(default, "default")}}
    default = _literal(default)
    if variable in made.inputs and made.inputs[variable] != default:
        made.note(
            f"reads the input {variable!r} with another default than an earlier node does",
            "The first one's default counts.",
        )
    made.inputs.setdefault(variable, default)
    return {"uses": "input", **({"with": given} if given else {})}


def _trigger(made: Conversion) -> Body:
    for name, value in (made.take("defaultInputs", "default_inputs") or {}).items():
        made.inputs.setdefault(name, _literal(value))
    if made.node.kind != "trigger.manual":
        made.take(*made.node.params)
        made.note(
            f"started the flow by itself ({made.node.type}); here a flow runs when it is told to",
            "Run it from a scheduler: flowlib run FILE.",
        )
    return {"uses": "js", "with": {"code": "inputs"}}


def _output(made: Conversion) -> Body:
    made.take("outputName", "output_name", "name")
    value = made.take("outputValue", "output_value", "value", default="")
    return {"uses": "output", "with": {"value": made.value(value, "outputValue")}}


def _code(made: Conversion) -> Body:
    code = str(made.take("code", "expression", "script", default=""))
    parts = split_or_none(code.strip())
    if len(parts) == 1 and isinstance(parts[0], Expression):
        code = parts[0].source
    return {"uses": "js", "with": {"code": made.script(code, "code").source}}


def _text(made: Conversion) -> Body:
    made.scope.has_inputs = True
    text = str(made.take("template", "text", default=""))
    return {"uses": "template", "with": {"text": made.text(text, "template")}}


def _if(made: Conversion) -> Body:
    condition = made.take("expression", "condition")
    if isinstance(condition, (dict, list)):
        condition = _from_logic(made, condition, "condition")
    elif condition is None:
        made.note("has no condition", "Write one: with: {condition: …}")
    return {"uses": "if", "with": {"condition": made.template(condition, "condition")}}


def _switch(made: Conversion) -> Body:
    cases: dict[str, Any] = {}
    given = made.take("cases", default=[])
    for index, case in enumerate(given if isinstance(given, list) else []):
        if not isinstance(case, Mapping):
            made.note(f"has a case that is no object: cases[{index}]")
            continue
        name = str(case.get("slug") or f"case_{index}")
        condition = case.get("expression", case.get("condition"))
        if isinstance(condition, (dict, list)):
            condition = _from_logic(made, condition, f"case {name!r}")
        cases[name] = made.template(condition, f"case {name!r}")
    if not cases:
        made.note("has no cases", "Write them: with: {cases: {name: …}}")
    mode = made.take("matchMode", "match_mode", default="first")
    parameters = {"cases": cases, "default": "default"}
    return {"uses": "switch", "with": parameters | ({"mode": mode} if mode != "first" else {})}


def _from_logic(made: Conversion, rule: Any, what: str) -> Any:
    code = javascript(rule)
    if code is None:
        made.note(f"{what} is JSON Logic that cannot be converted", "Write it in JavaScript.")
        return False
    # The outermost parentheses say nothing.
    return code[1:-1] if code.startswith("(") and script(code[1:-1]) else code


def _http(made: Conversion) -> Body:
    method = made.take("method", default="GET")
    parameters: Body = {"url": made.value(made.take("url", default=""), "url")}
    if method != "GET":
        parameters["method"] = made.value(method, "method")
    headers = _object(made, "headers")
    query = _object(made, "query", "queryParams")
    if query:
        parameters["query"] = query
    body = made.take("body", default="")
    if body not in ("", None):
        if str(method).upper() in _WITHOUT_BODY:
            made.note(f"has a body, which {method} does not send; it is left out")
        else:
            parameters |= _http_body(made, body, headers)
            headers |= parameters.pop("headers", {})
    if headers:
        parameters["headers"] = headers
    for name in headers:
        if _SECRET_HEADER.search(name) and "{{" not in str(headers[name]):
            made.note(
                f"sends the header {name}, whose value may be a secret and stands in the text",
                "Store it as a credential, and name that under credential:.",
            )
    made.note(
        "fails on a status of 400 and above, which the original took for success",
        "Write raise_for_status: false where the flow looks at the status itself.",
    )
    limit = _limit(made, 1000, default=30_000)
    return {"uses": "http.request", "with": parameters, **made.credential(), **limit}


def _http_body(made: Conversion, body: Any, headers: Mapping[str, Any]) -> Body:
    """The body as the original would send it: as JSON where it is JSON."""
    if any(name.lower() == "content-type" for name in headers):
        return {"body": made.value(body, "body")}
    if not isinstance(body, str):
        return {"json": made.value(body, "body")}
    with contextlib.suppress(ValueError):  # then it is no JSON, or becomes it later
        return {"json": made.value(json.loads(body), "body")}
    text = body.strip()
    if text.startswith("{{") and len(split_or_none(text)) == 1:
        made.note(
            "sends a value as its body: as JSON, also where it is a text",
            "For a text that is JSON already write body: in place of json:.",
        )
        return {"json": made.text(text, "body")}
    as_json = text.startswith(("{", "[")) and not text.startswith("{{")
    kind = {"headers": {"Content-Type": "application/json"}} if as_json else {}
    return {"body": made.text(body, "body"), **kind}


def split_or_none(text: str) -> tuple[Any, ...]:
    """The parts of a text with templates; none where it cannot be split."""
    try:
        return split(text)
    except TemplateSyntaxError:
        return ()


def _object(made: Conversion, *words: str) -> dict[str, Any]:
    given = made.take(*words)
    if isinstance(given, str) and given.strip():
        try:
            given = json.loads(given)
        except ValueError:
            given = [given]
    if given in (None, "", {}):
        return {}
    if not isinstance(given, Mapping):
        made.note(f"has {words[0]} that are no JSON object; they are left out")
        return {}
    return dict(made.value(given, words[0]))


def _sql(made: Conversion) -> Body:
    query = str(made.take("query", "sql", "statement", default=""))
    if _QUOTED_TEMPLATE.search(query):
        made.note(
            "has a template within quotes in its query; here it becomes a bound parameter",
            "Leave the quotes out: where name = {{ value }}.",
        )
    limit = _limit(made, 1)
    return {
        "uses": "sql", "with": {"query": made.text(query, "query")}, **made.credential(), **limit
    }  # fmt: skip


def _unknown(made: Conversion) -> Body:
    """An action that is not there: a function of the notebook takes its place."""
    function = re.sub(r"\W+", "_", made.node.type.lower(), flags=re.ASCII).strip("_") or "step"
    function = f"run_{function}" if function[0].isdigit() else function
    has_credential = bool(made.take(*_CREDENTIAL))
    params = {name: made.value(made.node.params[name], shown((name,))) for name in made.left}
    made.note(
        f"uses {made.node.type!r}, which there is not here; it calls a function of the notebook",
        f"Define it: def {function}({', '.join(params)}): …",
    )
    if has_credential:
        made.note(
            "used a credential of the original, which is not handed to the function",
            "Read it there: fl.Vault.open().get(name)",
        )
    return {
        "uses": "python",
        "with": {"function": function, **({"args": params} if params else {})},
    }


def _literal(value: Any) -> Any:
    """A default that stays what it is, where ``$name`` would be a variable of the notebook."""
    if isinstance(value, str):
        return f"${value}" if _VARIABLE.fullmatch(value) else value
    if isinstance(value, Mapping):
        return {key: _literal(member) for key, member in value.items()}
    return [_literal(item) for item in value] if isinstance(value, (list, tuple)) else value


def _limit(made: Conversion, in_second: int, default: Any = None) -> dict[str, float]:
    timeout = made.take("timeout", default=default)
    if isinstance(timeout, (int, float)) and not isinstance(timeout, bool) and timeout > 0:
        return {"timeout": min(timeout / in_second, _LONGEST_SECONDS)}
    if timeout is not None:
        made.note("has a timeout that is no number; it is left out", "Write timeout: seconds.")
    return {}


_CONVERTERS: dict[str, Callable[[Conversion], Body]] = {
    "input": _input,
    "output": _output,
    "javascript": _code,
    "js": _code,
    "template_string": _text,
    "template": _text,
    "if_else": _if,
    "if": _if,
    "switch": _switch,
    **dict.fromkeys(HTTP, _http),
    **dict.fromkeys(SQL, _sql),
}
