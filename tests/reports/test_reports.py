from __future__ import annotations

import re
from html.parser import HTMLParser

import flowlib_nb as fl

NASTY = "<script>alert(1)</script>"


class Tags(HTMLParser):
    """The names of all elements, and whether they are closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.append(tag)
        if tag not in ("br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def run(text: str) -> fl.Run:
    return fl.Flow.from_yaml(text, name=NASTY).run(functions={})


def test_success_shows_the_nodes_and_the_result() -> None:
    result = run("nodes: {a: {uses: js, with: {code: '[{x: 1}, {x: 2}]'}}}")
    text = repr(result)
    assert "1 of 1 nodes" in text
    assert "✓ a  js  success" in text
    assert "2 rows" in text
    html = result._repr_html_()
    assert 'scope="col"' in html
    assert "<caption" in html
    assert "success" in html


def test_failure_shows_what_and_where() -> None:
    result = run("nodes:\n  a: {uses: js, with: {code: null.x}}\n  b: {uses: js, with: {code: a}}")
    for shown in (repr(result), result._repr_html_()):
        assert "line 2, column" in shown
        assert "skipped" in shown
    assert "<details open>" in result._repr_html_()


def test_nothing_of_a_flow_becomes_html() -> None:
    nodes = f"nodes: {{a: {{uses: js, with: {{code: \"[{{x: '{NASTY}'}}]\"}}}}, "
    nodes += f"b: {{uses: js, with: {{code: \"throw new Error('{NASTY}')\"}}}}}}\noutput: a"
    html = run(nodes)._repr_html_()
    tags = Tags(html)
    assert "script" not in tags.names
    assert tags.open == []
    assert "&lt;script&gt;" in html


def test_html_needs_no_style_sheet_and_follows_the_theme() -> None:
    html = run("nodes: {a: {uses: js, with: {code: '1'}}}")._repr_html_()
    assert "<style" not in html
    assert re.search(r"var\(--jp-[a-z0-9-]+, var\(--vscode-", html)


def test_previews_are_short() -> None:
    result = run(
        "nodes: {a: {uses: js, with: {code: 'Array.from({length: 99}, (_, i) => ({i}))'}}}"
    )
    result.preview_rows = 5
    assert "94 more rows" in repr(result)
    assert "first 5 of 99 rows" in result._repr_html_()


def test_empty_results() -> None:
    result = run("nodes: {a: {uses: js, with: {code: '[]'}}}")
    assert "no rows" in repr(result)
    assert "no rows" in result._repr_html_()
