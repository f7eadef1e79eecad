"""TLS, proxies, what the environment says, and how connections are used again."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import trustme
from traitlets import TraitError
from traitlets.config import Application, Config

import flowlib_nb as fl
from flowlib_nb.engine.connections import pooled_transport
from flowlib_nb.engine.options.http import (
    PROXY_LOGIN_VARIABLE,
    HttpOptions,
    http_options,
)
from flowlib_nb.vault import Vault

from .http_servers import Reply, json_answer, request, running, server


@pytest.fixture(autouse=True)
def options() -> Iterator[HttpOptions]:
    """Options that the next test does not see."""
    HttpOptions.clear_instance()
    yield HttpOptions.instance()
    HttpOptions.clear_instance()


def context_for(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    """The authority's certificate in a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


class TestTls:
    def test_an_unknown_authority_is_one_clear_message(self, authority: trustme.CA) -> None:
        with running(lambda _: json_answer(1), tls=context_for(authority, "127.0.0.1")) as made:
            run = request(f"""
    retry: {{attempts: 3, backoff: 0}}
    with: {{url: {made.url}}}
""")
        assert f"the certificate of {made.url} cannot be trusted: " in str(run.error)
        assert "HttpOptions.verify" in str(run.error)
        assert "_ssl.c" not in str(run.error)
        assert run["call"].state.attempt == 1
        assert made.seen == []

    def test_a_bundle_is_trusted(
        self, authority: trustme.CA, bundle: str, options: HttpOptions
    ) -> None:
        options.verify = bundle
        with running(lambda _: json_answer(1), tls=context_for(authority, "127.0.0.1")) as made:
            assert request(f"    with: {{url: {made.url}}}").output["body"] == 1

    def test_the_certificate_must_be_the_hosts(
        self, authority: trustme.CA, bundle: str, options: HttpOptions
    ) -> None:
        options.verify = bundle
        with running(lambda _: json_answer(1), tls=context_for(authority, "else.test")) as made:
            assert "cannot be trusted: " in str(request(f"    with: {{url: {made.url}}}").error)

    def test_goes_by_the_name_although_the_address_is_pinned(
        self,
        authority: trustme.CA,
        bundle: str,
        options: HttpOptions,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        real = socket.getaddrinfo
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda host, *args, **more: real("127.0.0.1", *args, **more)
        )
        options.verify = bundle
        asked = []
        context = context_for(authority, "shop.test")
        context.sni_callback = lambda connection, name, context: asked.append(name)
        with running(lambda h: json_answer(h.headers["Host"]), tls=context) as made:
            host = f"shop.test:{made.server_port}"
            assert request(f"    with: {{url: 'https://{host}/'}}").output["body"] == host
        assert asked == ["shop.test"]

    def test_verification_can_be_turned_off_with_a_warning(
        self, authority: trustme.CA, options: HttpOptions
    ) -> None:
        with pytest.warns(UserWarning, match="not checked to be who they say"):
            options.verify = False
        with running(lambda _: json_answer(1), tls=context_for(authority, "else.test")) as made:
            assert request(f"    with: {{url: {made.url}}}").output["body"] == 1

    def test_but_not_in_production(
        self, options: HttpOptions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.warns(UserWarning, match="are not checked"):
            options.verify = False
        monkeypatch.setenv("FLOWLIB_ENV", "production")
        error = request("    with: {url: 'https://127.0.0.1:9/'}").error
        assert "refused with FLOWLIB_ENV=production" in str(error)
        with pytest.raises(TraitError, match="refused with FLOWLIB_ENV"):
            HttpOptions(config=Config(HttpOptions={"verify": False}))

    @pytest.mark.parametrize("content", [None, "no certificates"])
    def test_a_bundle_that_is_none_is_one_clear_message(
        self, options: HttpOptions, tmp_path: Path, content: str | None
    ) -> None:
        path = tmp_path / "none.pem"
        if content is not None:
            path.write_text(content)
        options.verify = str(path)
        error = request("    with: {url: 'https://127.0.0.1:9/'}").error
        assert f"HttpOptions.verify: {path} cannot be read as certificates" in str(error)
        assert isinstance(error, fl.FlowlibError)

    def test_a_server_without_tls_is_one_clear_message(self) -> None:
        with server(lambda _: json_answer(1)) as (url, _):
            error = request(f"    with: {{url: '{url.replace('http:', 'https:')}'}}").error
        assert "could not reach https://127.0.0.1" in str(error)


class Tunnel:
    """Answers CONNECT: passes everything on to one port."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as inner:
            handler.send_response(200)
            handler.end_headers()
            handler.wfile.flush()
            outer = handler.connection
            back = threading.Thread(target=_pass_on, args=(inner, outer), daemon=True)
            back.start()
            _pass_on(outer, inner)
            back.join()
        handler.close_connection = True


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class TestProxy:
    def test_is_used_for_all_but_this_machine(self, options: HttpOptions) -> None:
        with server(lambda h: json_answer(h.path)) as (proxy, seen):
            options.proxy = proxy
            away = request("    with: {url: 'http://shop.test/orders?a=1'}").output["body"]
            with server(lambda h: json_answer(h.path)) as (url, _):
                here = request(f"    with: {{url: {url}/x}}").output["body"]
                port = url.rpartition(":")[2]
                name = request(f"    with: {{url: 'http://localhost:{port}/y'}}").output["body"]
        assert (away, here, name) == ("http://shop.test/orders?a=1", "/x", "/y")
        assert [handler.headers["Host"] for handler in seen] == ["shop.test"]

    def test_tunnels_tls_to_the_server_itself(
        self,
        authority: trustme.CA,
        bundle: str,
        options: HttpOptions,
        workspace: Path,
        key: str,
        token: str,
    ) -> None:
        Vault.open().set("c", {"type": "bearer", "token": token}, hosts=["shop.test"])
        options.verify = bundle
        context = context_for(authority, "shop.test")
        with running(lambda _: json_answer("inside"), tls=context) as shop:
            tunnel = Tunnel(shop.server_port)
            with running(lambda _: json_answer(1), connect=tunnel) as proxy:
                options.proxy = proxy.url
                run = request("    credential: c\n    with: {url: 'https://shop.test/'}")
        assert run.output["body"] == "inside"
        assert shop.seen[0].headers["Authorization"] == f"Bearer {token}"
        assert [handler.path for handler in proxy.seen] == ["shop.test:443"]
        assert token not in str(proxy.seen[0].headers)

    @pytest.mark.parametrize("host", ["169.254.169.254", "metadata.google.internal", "[fe80::1]"])
    def test_is_not_asked_for_what_is_refused(self, options: HttpOptions, host: str) -> None:
        with server(lambda h: (302, {"Location": f"http://{host}/"}, b"")) as (proxy, seen):
            options.proxy = proxy
            run = request("    with: {url: 'http://shop.test/'}")
        assert "The request was refused" in str(run.error)
        assert len(seen) == 1

    def test_gets_its_login_from_the_environment(
        self, options: HttpOptions, monkeypatch: pytest.MonkeyPatch, token: str
    ) -> None:
        monkeypatch.setenv(PROXY_LOGIN_VARIABLE, f"me:{token}")

        def answer(handler: BaseHTTPRequestHandler) -> Reply:
            echo = handler.headers["Proxy-Authorization"].encode()
            return 407, {"Proxy-Authenticate": "Basic"}, echo

        with server(answer) as (proxy, seen):
            options.proxy = proxy
            plain = request("    with: {url: 'http://shop.test/'}")
        login = base64.b64encode(f"me:{token}".encode()).decode()
        assert seen[0].headers["Proxy-Authorization"] == f"Basic {login}"
        shown = str(plain.error) + repr(plain) + plain._repr_html_()
        assert token not in shown
        assert login not in shown

    def test_that_refuses_a_tunnel_is_one_clear_message(self, options: HttpOptions) -> None:
        def refuse(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(407)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        with running(lambda _: json_answer(1), connect=refuse) as proxy:
            options.proxy = proxy.url
            error = request("    with: {url: 'https://shop.test/'}").error
        assert "could not reach https://shop.test: " in str(error)
        assert "407" in str(error)

    def test_its_login_must_have_the_right_form(
        self, options: HttpOptions, monkeypatch: pytest.MonkeyPatch, token: str
    ) -> None:
        monkeypatch.setenv(PROXY_LOGIN_VARIABLE, token)
        options.proxy = "http://127.0.0.1:9"
        error = str(request("    with: {url: 'http://shop.test/'}").error)
        assert f"{PROXY_LOGIN_VARIABLE} must have the form name:password" in error
        assert token not in error

    @pytest.mark.parametrize(
        "form", ["http://me:{}@proxy.test:3128", "socks5://{}", "{}", "http://"]
    )
    def test_an_address_that_cannot_be_used_is_refused_and_not_repeated(
        self, options: HttpOptions, token: str, form: str
    ) -> None:
        with pytest.raises(TraitError, match=r"HttpOptions\.proxy") as caught:
            options.proxy = form.format(token)
        assert token not in str(caught.value)
        assert options.proxy is None

    @pytest.mark.parametrize("value", ["", None])
    def test_can_be_none(self, options: HttpOptions, value: str | None) -> None:
        options.proxy = "http://proxy.test:3128/"
        assert options.proxy == "http://proxy.test:3128"
        options.proxy = value
        assert options.proxy is None


def test_nothing_of_the_environment_is_picked_up(
    monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/at/all.pem")
    netrc = Path.home() / ".netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {token}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with server(lambda _: json_answer(1)) as (url, seen):
        assert request(f"    with: {{url: {url}}}").output["body"] == 1
    assert seen[0].headers["Authorization"] is None


def test_connections_are_used_again() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> Reply:
        return json_answer(int(handler.path[1:]))

    with running(answer) as made:
        run = fl.Flow.from_yaml(f"""
nodes:
  call:
    uses: http.request
    each: {{over: "{{{{ inputs.items }}}}", as: item, concurrency: 50}}
    with: {{url: "{made.url}/{{{{ item }}}}"}}
""").run({"items": list(range(1000))}, functions={})
    assert [one["body"] for one in run.output] == list(range(1000))
    assert made.accepted <= 60


def test_options_are_read_when_a_run_starts(options: HttpOptions) -> None:
    transport = pooled_transport()
    options.proxy = "http://proxy.test:3128"
    assert transport._proxied is None
    assert pooled_transport()._proxied is not None


def test_options_come_from_the_applications_configuration() -> None:
    HttpOptions.clear_instance()
    application = Application.instance(config=Config(HttpOptions={"max_redirects": 3}))
    try:
        assert http_options().max_redirects == 3
    finally:
        type(application).clear_instance()
