"""What the application says about ``http.request``: where it may go, how, and for how long."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

from traitlets import Bool, Float, Int, TraitError, Unicode, Union, validate
from traitlets.config import Application, SingletonConfigurable

from ...config import ENVIRONMENT_VARIABLE, expanded, is_production
from ...errors import ConfigError, InputError

if TYPE_CHECKING:
    import ssl

# Outside the configuration, which is shown (`%config HttpOptions`) and saved.
PROXY_LOGIN_VARIABLE = "FLOWLIB_PROXY_LOGIN"
DAY_SECONDS = 86_400.0
_UNVERIFIED = "HttpOptions.verify = False: servers are not checked to be who they say they are"


class HttpOptions(SingletonConfigurable):
    """How ``http.request`` reaches servers; a run uses the options as they are when it starts.

    Each name is resolved once, each of its addresses is checked, and the connection goes to a
    checked one, at every redirect anew. Proxies and logins of the environment (``HTTP_PROXY``,
    ``.netrc``) are never used. With ``proxy`` the proxy resolves the names: then only addresses
    written as such and the known names of metadata services are refused, not what other names
    resolve to, so the proxy has to refuse that. Requests to this machine (``localhost``,
    127.0.0.0/8, ``::1``) never go through the proxy.
    """

    allow_link_local = Bool(
        False,
        help="Whether requests may go to link-local addresses (169.254.0.0/16, fe80::/10) and to "
        "the metadata services of clouds, which hand out the machine's own credentials.",
    ).tag(config=True)
    allow_private = Bool(
        True, help="Whether requests may go to this machine and to private networks."
    ).tag(config=True)
    proxy = Unicode(
        None,
        allow_none=True,
        help="The proxy for all requests but those to this machine, such as "
        "http://proxy.example.com:3128; none if left out, whatever the environment says. Its user "
        f"name and password come from the variable {PROXY_LOGIN_VARIABLE} (name:password).",
    ).tag(config=True)
    verify = Union(
        [Bool(), Unicode()],
        default_value=True,
        help="True: servers must have a certificate that the system trusts; a path: one that this "
        "file (PEM) or folder of certificates of authorities vouches for; False: any certificate, "
        f"which is refused with {ENVIRONMENT_VARIABLE}=production.",
    ).tag(config=True)
    max_redirects = Int(10, min=0, max=50, help="Redirects to follow in a row (0 to 50).").tag(
        config=True
    )
    deadline = Float(
        30.0,
        min=0.001,
        max=DAY_SECONDS,
        help="Seconds until an answer must be complete, redirects included; a node may say "
        "otherwise.",
    ).tag(config=True)

    @validate("proxy")
    def _proxy_is_usable(self, proposal: Any) -> str | None:
        url = proposal["value"]
        if not url:
            return None
        from ...models.hosts import Origin

        if "@" in url:
            raise TraitError(
                "HttpOptions.proxy must not hold a user name or password, since options are shown. "
                f"Put them in the variable {PROXY_LOGIN_VARIABLE} (name:password)."
            )
        try:
            return str(Origin.of(url.removesuffix("/")))
        except InputError:
            raise TraitError(
                "HttpOptions.proxy is not usable. Write it as http://proxy.example.com:3128."
            ) from None

    @validate("verify")
    def _verify_is_allowed(self, proposal: Any) -> bool | str:
        value: bool | str = proposal["value"]
        if value is False:
            if is_production():
                raise TraitError(_refusal())
            warnings.warn(f"{_UNVERIFIED}.", stacklevel=2)
        return value


def http_options() -> HttpOptions:
    """The process's options, configured by the application that runs it, where there is one."""
    if not HttpOptions.initialized() and Application.initialized():
        return HttpOptions.instance(parent=Application.instance())
    return HttpOptions.instance()


def proxy_login() -> tuple[str, str] | None:
    """User name and password for the proxy, from the environment.

    Raises
    ------
    ConfigError
        The variable has another form; its text is not shown.
    """
    text = os.environ.get(PROXY_LOGIN_VARIABLE)
    if not text:
        return None
    name, colon, password = text.partition(":")
    if not colon or not name:
        raise ConfigError(f"{PROXY_LOGIN_VARIABLE} must have the form name:password.")
    return name, password


def tls_context(verify: bool | str) -> ssl.SSLContext:
    """How servers are verified.

    Parameters
    ----------
    verify : bool or str
        As the option.

    Raises
    ------
    ConfigError
        The path holds no certificates, or verification is off in production.
    """
    if isinstance(verify, str):
        return _trusting(verify)
    if verify is False and is_production():
        raise ConfigError(_refusal(), hint="Name the authority's certificate: HttpOptions.verify.")
    import httpx2

    return httpx2.create_ssl_context(verify=verify, trust_env=False)


def _trusting(path: str) -> ssl.SSLContext:
    import ssl  # not for loading a notebook

    place = expanded(path)
    try:
        if place.is_dir():
            return ssl.create_default_context(capath=str(place))
        return ssl.create_default_context(cafile=str(place))
    except (OSError, ValueError):  # SSLError is an OSError
        raise ConfigError(
            f"HttpOptions.verify: {path} cannot be read as certificates.",
            hint="It must be a file in PEM format, or a folder of such files made by c_rehash.",
        ) from None


def _refusal() -> str:
    return f"{_UNVERIFIED}. That is refused with {ENVIRONMENT_VARIABLE}=production."
