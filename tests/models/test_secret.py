"""A secret's plaintext comes out of ``reveal()`` and out of nothing else."""

from __future__ import annotations

import copy
import dataclasses
import gc
import hmac
import inspect
import io
import json
import logging
import pickle
import pprint
import string
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets
import pandas as pd
import pytest
import traitlets
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter
from IPython.core.ultratb import VerboseTB
from IPython.lib.pretty import pretty
from jupyter_client.session import Session
from pydantic import BaseModel, TypeAdapter, ValidationError

from flowlib_nb.models.secret import MASK, Opaque, Secret

# Only ever put together at run time: a traceback shows source lines, and there it may not be.
PLAIN = "-".join(["pla1n", "t3xt", "of", "a", "s3cr3t"])
TEXT = st.text().filter(lambda text: text != MASK)


@dataclasses.dataclass
class Login:
    user: str
    password: Secret


class Model(BaseModel):
    password: Secret
    spare: Secret | None = None


class Panel(ipywidgets.DOMWidget):
    value = traitlets.Any().tag(sync=True)
    secret = traitlets.Instance(Secret, allow_none=True).tag(sync=True)


@pytest.fixture
def secret() -> Secret:
    return Secret(PLAIN)


def shows(value: object) -> bool:
    """Whether a text, bytes or whatever prints as one has the plaintext in it."""
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        return any(PLAIN.encode(code) in data for code in ("utf-8", "utf-16-le", "utf-32-le"))
    return PLAIN in (value if isinstance(value, str) else repr(value))


def test_shows_can_tell() -> None:
    assert shows(PLAIN)
    assert shows({"a": [PLAIN]})
    assert shows(pickle.dumps(PLAIN))
    assert not shows(MASK)


@given(TEXT)
def test_reveals_what_it_was_given(text: str) -> None:
    assert Secret(text).reveal() == text
    assert bool(Secret(text)) == bool(text)


def test_holds_unicode_text_only(secret: Secret) -> None:
    for wrong in (None, 1, PLAIN.encode(), [PLAIN], secret):
        with pytest.raises(TypeError) as caught:
            Secret(wrong)
        assert not shows(str(caught.value))
    with pytest.raises(ValueError, match="half a surrogate pair") as refused:
        Secret(PLAIN + "\ud800")
    assert not shows(refused.value)
    assert refused.value.__context__ is None


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        ascii,
        format,
        pretty,
        pprint.pformat,
        "{}".format,
        "{!r:>40}".format,
        "{0:>20}".format,
        lambda s: f"{s}",
        lambda s: f"{s!s}{s!r}{s!a}",
        lambda s: f"{s:>20}",
        lambda s: f"{s:x}",
        lambda s: f"{s:{20}}",
        lambda s: "%s" % s,  # noqa: UP031
        lambda s: "%20r" % s,  # noqa: UP031
        lambda s: string.Template("$s").substitute(s=s),
        lambda s: s._repr_html_(),
        lambda s: repr([s, {"k": s}, (s,)]),
        lambda s: pprint.pformat({"k": [s] * 20}),
        lambda s: json.dumps({"k": s}, default=str),
        lambda s: json.dumps({"k": s}, default=repr),
        lambda s: repr(Login("u", s)),
        lambda s: repr(Model(password=s)),
    ],
)
def test_displays_show_the_mask(show: Callable[[Secret], str], secret: Secret) -> None:
    shown = show(secret)
    assert MASK in shown or ascii(MASK).strip("'") in shown
    assert not shows(shown)


def test_the_format_says_nothing_of_the_length(secret: Secret) -> None:
    assert f"{secret:>60}" == f"{Secret('x'):>60}" == MASK


def test_json_refuses(secret: Secret) -> None:
    for data in (secret, {"k": secret}, [secret]):
        with pytest.raises(TypeError) as caught:
            json.dumps(data)
        assert not shows(str(caught.value))
    with pytest.raises(TypeError):
        json.dumps({secret: 1})


def test_pydantic_writes_the_mask_and_does_not_read_it_back(secret: Secret) -> None:
    model = Model(password=secret)
    assert json.loads(model.model_dump_json()) == {"password": MASK, "spare": None}
    assert model.model_dump(mode="json")["password"] == MASK
    assert model.model_dump()["password"] is secret
    assert not shows(model.model_dump())
    with pytest.raises(ValidationError, match="mask"):
        Model.model_validate_json(model.model_dump_json())
    schema = Model.model_json_schema()["properties"]["password"]
    assert (schema["format"], schema["writeOnly"]) == ("password", True)
    assert (
        TypeAdapter(list[Secret]).dump_json([secret])
        == json.dumps([MASK], ensure_ascii=False).encode()
    )


@pytest.mark.parametrize("value", [None, 5, b"bytes", ["list"], "\ud800", MASK])
def test_pydantic_refuses_what_is_no_secret(value: object) -> None:
    with pytest.raises(ValidationError):
        Model(password=value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_hold_nothing(secret: Secret, protocol: int) -> None:
    data = pickle.dumps({"deep": [secret, Login("u", secret)]}, protocol)
    assert not shows(data)
    for noise in (secret._masked, secret._pad):
        assert noise is not None
        assert noise not in data
    back = pickle.loads(data)["deep"][0]
    assert isinstance(back, Secret)
    assert repr(back) == MASK
    assert not back
    with pytest.raises(ValueError, match="pickled"):
        back.reveal()
    assert not shows(pickle.dumps(back, protocol))


def test_copies_are_the_object_itself(secret: Secret) -> None:
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"k": [secret]})["k"][0] is secret


def test_nothing_can_be_changed(secret: Secret) -> None:
    for change in (
        lambda: setattr(secret, "_masked", b""),
        lambda: setattr(secret, "other", 1),
        lambda: delattr(secret, "_pad"),
    ):
        with pytest.raises(AttributeError) as caught:
            change()
        assert not shows(str(caught.value))
    assert secret.reveal() == PLAIN


def test_attributes_lead_nowhere(secret: Secret) -> None:
    with pytest.raises(TypeError):
        vars(secret)
    assert not hasattr(secret, "__dict__")
    assert dir(secret) == ["reveal"]
    assert secret.__getstate__() is None
    assert not shows(inspect.getmembers(secret))
    # A debugger that ignores `dir()` still finds noise only.
    for name in {*object.__dir__(secret), *Opaque.__slots__, *Secret.__slots__}:
        if not callable(value := getattr(secret, name)):
            assert not shows(value)
            assert not shows(str(value))


def test_two_secrets_of_one_text_look_unlike_each_other() -> None:
    assert Secret(PLAIN)._masked != Secret(PLAIN)._masked


def within(value: object, depth: int) -> Iterator[object]:
    """What the garbage collector says that a value refers to, to some depth."""
    yield value
    if depth and not isinstance(value, type):
        for item in gc.get_referents(value):
            yield from within(item, depth - 1)


def test_walking_the_heap_finds_no_plaintext(secret: Secret) -> None:
    found = list(within(secret, 2))
    assert any(isinstance(item, bytes) for item in found)
    assert not [item for item in found if isinstance(item, str | bytes) and shows(item)]
    assert any(map(shows, within([{"k": PLAIN}], 2)))  # the walk would have seen it


def test_dataclasses(secret: Secret) -> None:
    data = dataclasses.asdict(Login("u", secret))
    assert data["password"] is secret
    assert not shows(data)
    assert not shows(dataclasses.astuple(Login("u", secret)))
    assert not shows(dataclasses.replace(Login("u", secret), user="v"))


def test_logging(secret: Secret, caplog: pytest.LogCaptureFixture) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("flowlib_nb.tests.secret")
    logger.addHandler(handler)
    try:
        with caplog.at_level(logging.DEBUG):
            logger.warning("%s %r", secret, secret)
            logger.warning("in a mapping: %(k)s", {"k": secret})
            logger.warning(secret)
            logger.warning("extra", extra={"credential": secret})
    finally:
        logger.removeHandler(handler)
    assert stream.getvalue().count(MASK) == 4
    assert not shows(stream.getvalue() + caplog.text)
    assert not any(shows(vars(record)) for record in caplog.records)


def test_ipython_displays(secret: Secret) -> None:
    for value in (secret, [secret], {"k": secret}, Login("u", secret), Model(password=secret)):
        data, metadata = DisplayFormatter().format(value)
        assert MASK in data["text/plain"]
        assert not shows(data)
        assert not shows(metadata)


def fails_beside(secret: Secret) -> None:
    kept = {"k": secret, "more": [secret]}
    text = f"{secret}"
    raise RuntimeError(f"{text} {len(kept)}")


def test_tracebacks_with_locals(secret: Secret) -> None:
    try:
        fails_beside(secret)
    except RuntimeError as error:
        shown = "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        )
        verbose = VerboseTB(theme_name="nocolor").text(*sys.exc_info())
    for text in (shown, verbose):
        assert "fails_beside" in text
        assert MASK in text
        assert not shows(text)


def frames_of(error: BaseException) -> Iterator[dict[str, Any]]:
    """The locals of every frame that an exception and its causes passed, but for this file's."""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename != __file__:
                yield frame.f_locals
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    "refused",
    [
        lambda: Secret(PLAIN + "\ud800"),
        lambda: Secret(PLAIN.encode()),
        lambda: json.dumps(Secret(PLAIN)),
        lambda: hash(Secret(PLAIN)),
        lambda: pickle.loads(pickle.dumps(Secret(PLAIN))).reveal(),
    ],
)
def test_frames_of_a_refusal_keep_nothing(refused: Callable[[], object]) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        refused()
    assert not shows(caught.value)
    assert not any(map(shows, vars(caught.value).values()))
    assert not any(shows(value) for local in frames_of(caught.value) for value in local.values())


def sent(state: object) -> bytes:
    """A widget's state as the kernel would send it."""
    return b"".join(Session(key=b"key").serialize(Session().msg("comm_msg", {"state": state})))


@pytest.mark.parametrize("trait", ["value", "secret"])
def test_widgets_send_no_plaintext(secret: Secret, trait: str) -> None:
    assert PLAIN.encode() in sent({"v": PLAIN})
    panel = Panel(**{trait: secret})
    assert not shows(repr(panel))
    for state in (panel.get_state(), panel.get_state(trait), panel._get_embed_state()):
        assert not shows(state)
        try:
            message = sent(state)
        except (TypeError, ValueError) as error:
            message = str(error).encode()
        assert not shows(message)
    panel.close()


def test_trait_errors_show_the_mask(secret: Secret) -> None:
    class Holder(traitlets.HasTraits):
        number = traitlets.Int()
        text = traitlets.Unicode()

    for name in ("number", "text"):
        with pytest.raises(traitlets.TraitError) as caught:
            setattr(Holder(), name, secret)
        assert not shows(str(caught.value))


def test_data_frames(secret: Secret, tmp_path_factory: pytest.TempPathFactory) -> None:
    frame = pd.DataFrame({"name": ["a", "b"], "secret": [secret, {"deep": secret}]})
    path = tmp_path_factory.mktemp("frame") / "frame.pkl"
    frame.to_pickle(path)
    assert not shows(path.read_bytes())
    assert MASK in repr(frame)
    writers: list[Callable[[], str]] = [
        frame.__repr__,
        frame._repr_html_,
        frame.to_string,
        frame.to_html,
        frame.to_csv,
        frame["secret"].__repr__,
        lambda: frame.to_json(default_handler=str),
        lambda: repr(frame.to_dict()),
        lambda: repr(frame.values),
    ]
    for write in writers:
        assert not shows(write())
    try:
        text = frame.to_json()
    except (TypeError, ValueError, OverflowError) as error:
        text = str(error)
    assert not shows(text)


def test_equality(secret: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    assert secret == Secret(PLAIN)
    assert secret != Secret(PLAIN + "x")
    assert secret != PLAIN
    assert (secret == PLAIN) is False
    assert secret.__eq__(PLAIN) is NotImplemented
    assert Secret("é") == Secret("é")
    calls: list[tuple[bytes, bytes]] = []

    def compare(left: bytes, right: bytes) -> bool:
        calls.append((left, right))
        return True

    # Its answer is the answer: nothing else decides, so nothing else takes a telling time.
    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert secret == Secret("other")
    assert calls == [(PLAIN.encode(), b"other")]


def test_no_hash_and_no_order(secret: Secret) -> None:
    with pytest.raises(TypeError):
        hash(secret)
    with pytest.raises(TypeError):
        {secret}  # noqa: B018
    with pytest.raises(TypeError):
        secret < secret  # noqa: B015
    for use in (len, iter, bytes, "".join, int):
        with pytest.raises(TypeError):
            use(secret)


def test_opaque_bytes() -> None:
    assert Secret("x") != Opaque(b"y")
    assert Opaque(b"x") == Opaque(b"x")
    assert not Opaque(b"")
