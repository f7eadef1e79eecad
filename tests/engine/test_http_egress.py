"""Where ``http.request`` may go: addresses, names, redirects, and connecting to what was checked."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest

import flowlib_nb as fl
from flowlib_nb.engine.actions.http.egress import Egress
from flowlib_nb.engine.options.http import HttpOptions
from flowlib_nb.vault import Vault

from .http_servers import json_answer, problems, raw_server, request, server


@pytest.fixture(autouse=True)
def options() -> Iterator[HttpOptions]:
    """Options that the next test does not see."""
    HttpOptions.clear_instance()
    yield HttpOptions.instance()
    HttpOptions.clear_instance()


Names = dict[str, list[str]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Addresses of names that no name server knows."""
    known: Names = {}
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *args: object, **more: object) -> list:
        if host not in known:
            return real(host, port, *args, **more)
        # Each question takes one answer, where several are given: a name server that changes its
        # mind, as in an attack by rebinding.
        addresses = known[host].pop(0) if len(known[host]) > 1 else known[host][0]
        return [info for one in addresses.split() for info in real(one, port, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


METADATA = [
    "169.254.169.254", "169.254.169.254.", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]",
    "[::169.254.169.254]", "[64:ff9b::169.254.169.254]", "[64:ff9b:1::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]", "[fe80::5efe:a9fe:a9fe]", "[2001:db8::5efe:a9fe:a9fe]", "[fd00:ec2::254]",
    "[fd00:0ec2:0:0::254]", "[fd20:ce::254]", "100.100.100.200", "192.0.0.192", "168.63.129.16",
    "METADATA.google.internal", "metadata.google.internal.", "metadata.goog", "169.254.170.2",
    "169.254.0.23", "[fe80::1]", "[fe80::a9fe:a9fe]", "[febf::1]",
]  # fmt: skip
NOWHERE = ["0.0.0.0", "0.0.0.1", "[::]", "[::0.0.0.0]", "224.0.0.1", "[ff02::1]", "255.255.255.255"]
# Not addresses at all, but some resolvers would take them for one.
ODD = [
    "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "0", "127.1", "[::1%25lo]",
]  # fmt: skip


@pytest.mark.parametrize("host", [*METADATA, *NOWHERE])
class TestRefused:
    def test_before_anything_runs(self, host: str) -> None:
        (problem,) = problems(f"    with: {{url: 'http://{host}:80/latest'}}")
        assert problem.message.startswith("The request was refused: ")
        assert problem.path[-1] == "url"

    def test_when_a_template_gives_it(self, host: str) -> None:
        run = request("    with: {url: 'http://{{ inputs.host }}/latest'}", {"host": host})
        assert "The request was refused: " in str(run.error)

    def test_when_a_server_redirects_to_it(self, host: str) -> None:
        location = f"http://{host}/latest/meta-data"
        with server(lambda _: (302, {"Location": location}, b"")) as (url, _):
            run = request(f"    retry: {{attempts: 3, backoff: 0}}\n    with: {{url: {url}}}")
        assert "The request was refused: " in str(run.error)
        assert run["call"].state.attempt == 1

    def test_when_a_page_leads_to_it(self, host: str) -> None:
        with server(lambda _: json_answer({"d": [], "next": f"http://{host}/"})) as (url, _):
            run = request(
                f"    with: {{url: {url}, paginate: {{by: cursor, items: d, cursor: next}}}}"
            )
        assert "The request was refused: " in str(run.error)


@pytest.mark.parametrize("host", [*ODD, "１６９.254.169.254", "①69.254.169.254"])
def test_odd_spellings_are_no_addresses(host: str) -> None:
    (problem,) = problems(f"    with: {{url: 'http://{host}/'}}")
    assert problem.message.startswith(("'url' cannot be used.", "The request was refused"))


@pytest.mark.parametrize("host", ODD)
def test_redirects_to_odd_spellings_are_an_error(host: str) -> None:
    with server(lambda _: (302, {"Location": f"http://{host}/"}, b"")) as (url, _):
        error = str(request(f"    with: {{url: {url}}}").error)
    assert "redirects to an address that cannot be used" in error


@pytest.mark.parametrize(
    "addresses",
    ["169.254.169.254", "127.0.0.1 169.254.169.254", "::ffff:169.254.169.254", "fe80::1%1", "0.0.0.0"],
)  # fmt: skip
def test_a_name_of_such_an_address_is_refused(names: Names, addresses: str) -> None:
    names["innocent.test"] = [addresses]
    with server(lambda _: json_answer(1)) as (url, seen):
        port = urlsplit(url).port
        run = request(f"    with: {{url: 'http://innocent.test:{port}/'}}")
    assert "The request was refused: innocent.test is " in str(run.error)
    assert seen == []


def test_the_connection_goes_to_what_was_checked(names: Names) -> None:
    names["rebinding.test"] = ["127.0.0.1", "169.254.169.254"]
    with server(lambda h: json_answer(h.headers["Host"])) as (url, _):
        port = urlsplit(url).port
        run = request(f"    with: {{url: 'http://rebinding.test:{port}/'}}")
    assert run.output["body"] == f"rebinding.test:{port}"
    assert names["rebinding.test"] == ["169.254.169.254"]


def test_each_hop_is_checked_anew(names: Names) -> None:
    names["rebinding.test"] = ["127.0.0.1", "169.254.169.254"]

    def away(handler: object) -> tuple[int, dict, bytes]:
        return 302, {"Location": "/again", "Connection": "close"}, b""

    with server(away) as (url, seen):
        port = urlsplit(url).port
        run = request(f"    with: {{url: 'http://rebinding.test:{port}/'}}")
    assert "rebinding.test is 169.254.169.254, which is a cloud's metadata" not in str(run.error)
    assert "rebinding.test is 169.254.169.254, which is a link-local address" in str(run.error)
    assert len(seen) == 1


@pytest.mark.parametrize("dead", ["127.0.0.2", "192.0.2.1", "::1 100::1 127.0.0.3"])
def test_an_address_that_does_not_answer_is_passed_over(names: Names, dead: str) -> None:
    names["two.test"] = [f"{dead} 127.0.0.1"]
    with server(lambda _: json_answer("here")) as (url, _):
        port = urlsplit(url).port
        run = request(f"    with: {{url: 'http://two.test:{port}/'}}")
    assert run.output["body"] == "here"


def test_this_machine_and_private_networks_can_be_refused(
    options: HttpOptions, names: Names
) -> None:
    options.allow_private = False
    names["inside.test"] = ["127.0.0.1"]
    with server(lambda _: json_answer(1)) as (url, seen):
        port = urlsplit(url).port
        run = request("    with: {url: '{{ inputs.url }}'}", {"url": url})
        named = request(f"    with: {{url: 'http://inside.test:{port}'}}")
    assert "127.0.0.1 is an address of a private network" in str(run.error)
    assert "HttpOptions.allow_private = True" in str(run.error)
    assert "inside.test is 127.0.0.1, which is an address of a private" in str(named.error)
    assert seen == []


def test_link_local_can_be_allowed(options: HttpOptions) -> None:
    options.allow_link_local = True
    assert problems("    with: {url: 'http://169.254.169.254/latest'}") == []
    assert problems("    with: {url: 'http://metadata.google.internal/'}") == []


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "100.64.0.1", "fd00::1", "::1",
     "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "192.0.2.1", "240.0.0.1", "fec0::1"],
)  # fmt: skip
def test_private_addresses(address: str) -> None:
    Egress().require_address("a.test", ip_address(address))
    with pytest.raises(fl.NodeError, match="private network"):
        Egress(allow_private=False).require_address("a.test", ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses(address: str) -> None:
    Egress(allow_private=False).require_address("a.test", ip_address(address))


def test_a_refused_address_is_no_way_out_for_a_credential(
    workspace: object, key: str, token: str, names: Names
) -> None:
    names["api.test"] = ["169.254.169.254"]
    Vault.open().set("c", {"type": "bearer", "token": token}, hosts=["api.test"])
    run = request("    credential: c\n    with: {url: 'https://api.test/'}")
    assert "The request was refused" in str(run.error)
    assert token not in str(run.error) + repr(run) + run._repr_html_()
    assert run.error.__traceback__ is None
    assert run.error.__context__ is None


class TestOptions:
    def test_how_many_is_an_option(self, options: HttpOptions) -> None:
        options.max_redirects = 0
        with server(lambda _: (302, {"Location": "/x"}, b"")) as (url, seen):
            assert "more than 0 redirects" in str(request(f"    with: {{url: {url}}}").error)
        assert len(seen) == 1

    def test_deadline_is_an_option(self, options: HttpOptions) -> None:
        options.deadline = 0.2
        with raw_server(lambda connection: connection.recv(1)) as url:
            error = request(f"    with: {{url: {url}}}").error
        assert "within 0.2 s" in str(error)
