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


def luminance(colour: str) -> float:
    """Of WCAG 2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_html_needs_no_style_sheet_and_reads_on_light_and_on_dark() -> None:
    text = "nodes:\n  a: {uses: js, with: {code: '1'}}\n  b: {uses: js, with: {code: null.x}}"
    html = run(text)._repr_html_()
    assert "<style" not in html
    assert "var(" not in html  # JupyterLab drops such styles from notebooks of others
    colours = set(re.findall(r"#[0-9a-f]{6}", html))
    assert len(colours) == 2
    for colour in colours:
        light, dark = 1.05 / (luminance(colour) + 0.05), luminance(colour) + 0.05
        assert light >= 3
        assert dark / (luminance("#212121") + 0.05) >= 3


def test_failed_items_are_not_hidden_behind_a_success() -> None:
    result = run(
        "nodes: {a: {uses: js, each: {over: '{{ [1, null, 2] }}', as: x, on_error: collect}, "
        "with: {code: 'x.toFixed()'}}}"
    )
    assert result.status == "success"
    for shown in (repr(result), result._repr_html_()):
        assert "; 1 item failed" in shown
        assert "1 item failed; the first: " in shown
    assert "<details open>" in result._repr_html_()


def test_nested_values_are_shown_as_json() -> None:
    result = run("nodes: {a: {uses: js, with: {code: '[{x: {y: [true, null]}}]'}}}")
    assert '{"y": [true, null]}' in repr(result)
    assert "{&quot;y&quot;: [true, null]}" in result._repr_html_() or (
        '{"y": [true, null]}' in result._repr_html_()
    )


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
