"""Where a credential may go."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlib_nb.errors import FlowlibError, HostNotAllowedError, InputError
from flowlib_nb.models.hosts import (
    HostPattern,
    Origin,
    allows,
    explain,
    is_loopback,
    parse_hosts,
    require_allowed,
)

# Stands where an address holds secrets, and has no place in a message.
HIDDEN = "hidd3n"

LABEL = st.from_regex(r"[a-z0-9_]([a-z0-9_-]{0,8}[a-z0-9_])?", fullmatch=True)
# A last label of digits is an IPv4 address or nothing.
NAME = st.tuples(
    st.lists(LABEL, min_size=1, max_size=4), st.from_regex(r"[a-z]{2,6}", fullmatch=True)
)
NAMES = NAME.map(lambda parts: ".".join([*parts[0], parts[1]]))
IPV4 = st.ip_addresses(v=4).map(str)
IPV6 = st.ip_addresses(v=6).map(lambda address: f"[{address}]")
PORTS = st.one_of(st.just(""), st.integers(1, 65535).map(lambda port: f":{port}"))


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("api.example.com", "https://api.example.com"),
        ("api.example.com", "https://api.example.com/v1/orders?x=1#y"),
        ("api.example.com", "https://api.example.com?x=/@evil.example"),
        ("api.example.com", "https://api.example.com:443/"),
        ("api.example.com", "HTTPS://API.Example.COM./v1"),
        ("API.Example.COM.", "https://api.example.com/"),
        ("api.example.com:8443", "https://api.example.com:8443/"),
        ("api.example.com:443", "https://api.example.com/"),
        ("*.example.com", "https://a.example.com/"),
        ("*.example.com", "https://a.b.example.com/"),
        ("*.example.com:8443", "https://a.example.com:8443/"),
        ("[2001:db8::1]", "https://[2001:DB8:0:0::1]/"),
        ("[2001:db8::1]:8443", "https://[2001:db8::1]:8443/"),
        ("192.0.2.7", "https://192.0.2.7/"),
        ("bücher.example", "https://xn--bcher-kva.example/"),
        ("xn--bcher-kva.example", "https://BÜCHER.example/"),
        ("*.bücher.example", "https://a.bücher.example/"),
        ("under_score.example.com", "https://under_score.example.com/"),
        ("127.0.0.1", "http://127.0.0.1:8888/"),
        ("127.0.0.1", "https://127.0.0.1/"),
        ("127.0.0.1", "http://127.0.0.1.:80/"),
        ("127.0.0.1:8888", "http://127.0.0.1:8888/"),
        ("127.8.9.1", "http://127.8.9.1:1/"),
        ("localhost", "http://localhost:5000/"),
        ("[::1]", "http://[::1]:5000/"),
    ],
)
def test_allowed(pattern: str, url: str) -> None:
    assert explain([pattern], url) is None
    assert allows([pattern], url)
    assert allows(["other.example", pattern], url)
    require_allowed([pattern], url, credential="shop")


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("api.example.com", "https://example.com/"),
        ("api.example.com", "https://evil.example/api.example.com"),
        ("api.example.com", "https://evil.example?api.example.com"),
        ("api.example.com", "https://evil.example#api.example.com"),
        ("api.example.com", "https://api.example.com.evil.example/"),
        ("api.example.com", "https://notapi.example.com/"),
        ("api.example.com", "https://api-example.com/"),
        ("api.example.com", "https://api.example.com:8443/"),
        ("api.example.com:8443", "https://api.example.com/"),
        ("api.example.com:8443", "https://api.example.com:443/"),
        ("*.example.com", "https://example.com/"),
        ("*.example.com", "https://notexample.com/"),
        ("*.example.com", "https://a.example.com:8443/"),
        ("*.example.com", "https://a.example.com.evil.example/"),
        ("[2001:db8::1]", "https://[2001:db8::2]/"),
        ("localhost", "http://127.0.0.1/"),
        ("127.0.0.1", "http://localhost/"),
        ("127.0.0.1", "http://127.0.0.2/"),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]/"),
        ("127.0.0.1:8888", "http://127.0.0.1:8889/"),
        ("localhost", "http://localhost.evil.example/"),
    ],
)
def test_not_among_the_hosts(pattern: str, url: str) -> None:
    reason = explain([pattern], url)
    assert reason is not None
    assert str(Origin.of(url)) in reason
    assert not allows([pattern], url)
    with pytest.raises(HostNotAllowedError) as caught:
        require_allowed([pattern], url, credential="shop")
    assert reason in caught.value.message
    assert "'shop'" in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/",
        "http://api.example.com:443/",
        "http://a.api.example.com/",
        "http://192.0.2.7/",
        "http://[2001:db8::1]/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://sub.localhost/",
    ],
)
def test_plain_http_goes_to_no_other_machine(url: str) -> None:
    host = str(HostPattern.parse(url.removeprefix("http://").removesuffix("/")))
    patterns = ["api.example.com:80", "*.api.example.com:80", "*.example.com", host]
    assert "not encrypted" in (explain(patterns, url) or "")
    assert not any(HostPattern.parse(text).allows(Origin.of(url)) for text in patterns)


def test_no_host_means_nowhere() -> None:
    assert "bound to no host" in (explain([], "https://api.example.com/") or "")
    assert not allows([], "http://127.0.0.1/")


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0X7F000001",
        "0177.0.0.1",
        "0177.1",
        "127.0.0.01",
        "127.0.0.256",
        "127.0.0.1..",
        "0",
        "0x",
        "1.2.3.4.5",
        "evil.example.0x7f",
        "１２７.1",
        "foo@127.0.0.1",
        "foo:bar@127.0.0.1",
        "127.0.0.1@evil.example",
        "api.example.com\\@evil.example",
        "api.example.com\\.evil.example",
        "\\\\evil.example",
        "evil.example\\",
        "evil%2eexample",
        "[::1%25lo]",
        "[::1]x",
        "[::1",
        "::1",
        "[::1]:",
        "[]",
        "[127.0.0.1]",
        "[g::1]",
        "a b",
        "a\tb",
        "a\nb",
        "a\x00b",
        "a\u200bb",
        "a\u00adb",
        "a..b",
        ".a.example",
        "-a.example",
        "a-.example",
        "a" * 64 + ".example",
        ".".join(["a" * 49] * 6),
        "",
        "a.example:",
        "a.example:0",
        "a.example:65536",
        "a.example:080",
        "a.example:+80",
        "a.example:８０",
        "a.example:80:80",
        "xn--\u00fc.example",
        "\u2100.example",
    ],
)
def test_what_parsers_read_differently_is_refused(host: str) -> None:
    with pytest.raises(InputError):
        Origin.of(f"https://{host}/")
    with pytest.raises(InputError):
        HostPattern.parse(host)
    # Whatever the hosts are, nothing goes there.
    assert not allows(
        ["127.0.0.1", "localhost", "*.evil.example", "evil.example"], f"http://{host}/"
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "//api.example.com/",
        "/path",
        "https:/api.example.com",
        "https:api.example.com",
        "https:\\\\api.example.com",
        "ftp://api.example.com/",
        "file:///etc/passwd",
        "javascript://api.example.com/",
        " https://api.example.com/",
        "\nhttps://api.example.com/",
        "https\u200b://api.example.com/",
        "https:///api.example.com/",
        "https://?api.example.com",
    ],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(InputError):
        Origin.of(url)
    assert not allows(["api.example.com", "127.0.0.1"], url)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://API.example.com:443/x", "https://api.example.com"),
        ("https://api.example.com:80/x", "https://api.example.com:80"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://[0:0::1]:81/", "http://[::1]:81"),
        ("https://日本.example/", "https://xn--wgv71a.example"),
    ],
)
def test_origins_are_shown_without_what_says_nothing(text: str, shown: str) -> None:
    assert str(Origin.of(text)) == shown
    assert Origin.of(shown) == Origin.of(text)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("https://api.example.com", "scheme"),
        ("api.example.com/v1", "path"),
        ("api.example.com?x", "path"),
        ("*", "one \\*"),
        ("a.*.example.com", "one \\*"),
        ("*.*.example.com", "one \\*"),
        ("*example.com", "one \\*"),
        ("**.example.com", "one \\*"),
        ("*.com", "too wide"),
        ("*.localhost", "too wide"),
        ("*.127.0.0.1", "too wide"),
        ("*.[::1]", "too wide"),
        ("*.", "empty"),
        ("  ", "empty"),
    ],
)
def test_patterns_that_are_none(pattern: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        HostPattern.parse(pattern)
    assert "*.example.com" in (caught.value.hint or "")


@given(st.tuples(st.one_of(NAMES, NAMES.map("*.{}".format), IPV4, IPV6), PORTS).map("".join))
def test_a_pattern_is_read_as_it_is_written(text: str) -> None:
    pattern = HostPattern.parse(text)
    assert HostPattern.parse(str(pattern)) == pattern
    assert HostPattern.parse(f"  {text.upper()}\n") == pattern


@given(st.one_of(NAMES, IPV4, IPV6), PORTS, st.text())
def test_a_host_is_allowed_by_its_own_pattern_only(host: str, port: str, rest: str) -> None:
    url = f"https://{host}{port}/{rest}"
    assert allows([f"{host}{port}"], url)
    assert not allows(["x.example", "192.0.2.77", "[2001:db8::77:77]"], url)
    if host[-1].isalpha() and "." in host:
        assert not allows([f"*.{host}{port}", f"x{host}{port}"], url)


@given(st.text(), st.sampled_from(["https://", "http://", ""]))
def test_any_text_is_an_address_or_refused(text: str, scheme: str) -> None:
    try:
        origin = Origin.of(scheme + text)
    except InputError:
        return
    assert Origin.of(str(origin)) == origin
    # A host is a name of ASCII letters or an address; nothing that a parser could split again.
    assert origin.host.isascii()
    assert origin.host == origin.host.lower()
    assert not set(origin.host) & set("/?#@\\%[] \t\r\n")
    pattern = HostPattern.parse(str(HostPattern(origin.host, origin.port)))
    assert pattern.allows(origin) == (origin.scheme == "https" or origin.is_loopback)


@given(st.text())
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    try:
        pattern = HostPattern.parse(text)
    except InputError:
        return
    assert HostPattern.parse(str(pattern)) == pattern


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://foo@127.0.0.1/", "has a user name"),
        ("https://a\\b/", "holds a character that no host has"),
        ("https://127.1/", "four decimal numbers"),
        ("https://[::1/", "brackets that do not match"),
        ("https://::1/", "without its brackets"),
        ("https://a:b/", "a port that is not a number"),
        ("https://a_b-/", "is not a host name"),
        ("ftp://a/", "not an absolute http or https URL"),
    ],
)
def test_the_reason_is_said(url: str, reason: str) -> None:
    assert reason in (explain(["127.0.0.1"], url) or "")


@pytest.mark.parametrize("value", [None, 5, b"api.example.com", ["a.example"]])
def test_a_pattern_is_text(value: object) -> None:
    with pytest.raises(InputError):
        HostPattern.parse(value)


def test_several_patterns() -> None:
    one = HostPattern.parse("api.example.com")
    assert parse_hosts(["API.example.com.", one, "*.example.org", "api.example.com"]) == (
        one,
        HostPattern("example.org", None, True),
    )
    assert parse_hosts([]) == ()
    for wrong in ("api.example.com", None, 5):
        with pytest.raises(InputError, match="list"):
            parse_hosts(wrong)


@given(st.ip_addresses())
def test_loopback_is_what_the_standard_library_says(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    # An IPv4 address in IPv6's clothes is left out: other machines may be asked for it.
    mapped = getattr(address, "ipv4_mapped", None)
    assert is_loopback(str(address)) == (address.is_loopback and mapped is None)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.255.255.255", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "128.0.0.1",
        "126.255.255.255",
        "0.0.0.0",
        "::",
        "::ffff:7f00:1",
        "localhost.example",
        "xlocalhost",
        "",
    ],
)
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


SECRET_ADDRESSES = [
    f"https://user:{HIDDEN}@api.example.com/",
    f"https://{HIDDEN}@api.example.com/",
    f"https://api.example.com/{HIDDEN}",
    f"https://api.example.com/x/{HIDDEN}?y",
    f"https://api.example.com/?token={HIDDEN}",
    f"https://api.example.com?token={HIDDEN}@x",
    f"https://api.example.com/#access_token={HIDDEN}",
    f"http://api.example.com/{HIDDEN}?{HIDDEN}#{HIDDEN}",
    f"ftp://user:{HIDDEN}@api.example.com/{HIDDEN}",
    f"https://api.example.com\\{HIDDEN}",
    f"https://user:{HIDDEN}@/{HIDDEN}",
    f"{HIDDEN}",
]


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(FlowlibError) as caught:
        call()
    assert caught.value.__context__ is None
    return str(caught.value)


@pytest.mark.parametrize("url", SECRET_ADDRESSES)
@pytest.mark.parametrize("patterns", [[], ["other.example"], ["*.example.com:81"]])
def test_messages_repeat_the_host_of_an_address_only(url: str, patterns: list[str]) -> None:
    assert HIDDEN not in (explain(patterns, url) or HIDDEN)
    assert HIDDEN not in error_of(lambda: require_allowed(patterns, url, credential="shop"))
    try:
        origin = repr(Origin.of(url))
    except InputError as error:
        origin = str(error)
    assert HIDDEN not in origin


@pytest.mark.parametrize(
    "text",
    [
        f"https://user:{HIDDEN}@api.example.com",
        f"{HIDDEN}@api.example.com/",
        f"user:{HIDDEN}@api.example.com?x={HIDDEN}",
        f"https://api.example.com/?token={HIDDEN}",
        f"api.example.com?{HIDDEN}",
        f"https://hooks.example.com/services/{HIDDEN}",
        f"https://api.example.com/#access_token={HIDDEN}",
    ],
)
def test_messages_about_a_pasted_address_hide_what_may_be_secret(text: str) -> None:
    assert HIDDEN not in error_of(lambda: HostPattern.parse(text))
    assert HIDDEN not in error_of(lambda: parse_hosts(text))
