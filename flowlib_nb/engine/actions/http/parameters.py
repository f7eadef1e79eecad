"""Parameters of ``http.request``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from ....models.request import header_problem, is_header_name
from ...options.http import DAY_SECONDS
from ..base import Parameters
from .messages import text_of

Scalar = str | int | float | bool | None
Method = Annotated[
    Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]
# Made from the address and the body.
_FIXED_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection"})
_ONLY_WITH = {
    "cursor": ("cursor",),
    "parameter": ("page", "cursor", "offset"),
    "first": ("page", "offset"),
    "page_size": ("offset",),
    "limit_parameter": ("offset",),
}


class Pagination(Parameters):
    """How to get from one page to the next."""

    by: Literal["link", "page", "cursor", "offset"] = Field(
        default="link",
        description="link: the Link header's rel=next (RFC 8288); page: a number that counts up; "
        "cursor: what a page's body says of the next one; offset: how many items came before.",
    )
    items: str | None = Field(
        default=None, description="Where a page's list lies in its body, such as data.items."
    )
    cursor: str | None = Field(
        default=None,
        description="With cursor: where it lies in the body, such as meta.next_cursor. The last "
        "page's is null, empty, 0 or missing. One that is a whole URL is followed.",
    )
    parameter: str | None = Field(
        default=None,
        min_length=1,
        description="The query parameter for the number, cursor or offset; page, cursor or offset "
        "if left out.",
    )
    first: int | None = Field(
        default=None, ge=0, description="The first page's number (1), or the first offset (0)."
    )
    page_size: int | None = Field(
        default=None,
        ge=1,
        description="With offset: how many items to ask for; a page with fewer is the last.",
    )
    limit_parameter: str = Field(
        default="limit", min_length=1, description="With offset: the query parameter for page_size."
    )
    max_pages: int = Field(
        default=1000, ge=1, le=100_000, description="Where to stop with an error."
    )

    @property
    def query_name(self) -> str:
        """The query parameter that leads from page to page."""
        return self.parameter or self.by

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        for name, ways in _ONLY_WITH.items():
            if name in self.model_fields_set and self.by not in ways:
                raise ValueError(f"{name} goes with by: {' or '.join(ways)}, not by: {self.by}")
        if self.by == "cursor" and self.cursor is None:
            raise ValueError("by: cursor needs cursor, such as cursor: meta.next_cursor")
        if self.by == "offset" and self.page_size is None:
            raise ValueError("by: offset needs page_size, such as page_size: 100")
        if self.by == "offset" and self.query_name == self.limit_parameter:
            raise ValueError("parameter and limit_parameter must differ")
        return self

    @field_validator("items", "cursor")
    @classmethod
    def _is_way(cls, way: str | None) -> str | None:
        if way is not None and not all(way.split(".")):
            raise ValueError("it must be names with dots between, such as data.items")
        return way


class HttpRequestParameters(Parameters):
    """Parameters of ``http.request``."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    url: str = Field(min_length=1, description="http or https, absolute.")
    method: Method = Field(default="GET", description="What to do there.")
    query: dict[str, Scalar | list[Scalar]] = Field(
        default_factory=dict, description="Added to the URL; null leaves a parameter out."
    )
    headers: dict[str, Scalar] = Field(default_factory=dict, description="null leaves one out.")
    json_: Any = Field(default=None, alias="json", description="A body, sent as JSON.")
    form: dict[str, Scalar | list[Scalar]] | None = Field(
        default=None, description="A body, sent as an HTML form."
    )
    body: str | None = Field(default=None, description="A body, sent as it is, in UTF-8.")
    response: Literal["auto", "json", "text", "bytes", "frame"] = Field(
        default="auto",
        description="How to read the answer; auto goes by its Content-Type, frame makes a "
        "DataFrame of JSON or CSV.",
    )
    raise_for_status: bool = Field(
        default=True, description="Whether a status of 400 and above fails the node."
    )
    paginate: Pagination | None = Field(default=None, description="Follow pages and join them.")
    max_response_bytes: int = Field(
        default=100_000_000, ge=1, description="Of one answer, after decompression."
    )
    deadline: float | None = Field(
        default=None,
        gt=0,
        le=DAY_SECONDS,
        description="Seconds until an answer must be complete, redirects included, each page's "
        "anew; HttpOptions.deadline (30) if left out. The node's timeout counts for all together.",
    )

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: dict[str, Scalar]) -> dict[str, Scalar]:
        for name, value in headers.items():
            if not is_header_name(name):
                raise ValueError(f"{name!r} is not the name of a header")
            if name.lower() in _FIXED_HEADERS:
                raise ValueError(f"the header {name} follows from the request and cannot be set")
            if value is not None and (reason := header_problem(text_of(value))):
                raise ValueError(f"the value of {name} {reason}")
        return headers

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        given = {"json_", "form", "body"} & self.model_fields_set
        if len(given) > 1:
            raise ValueError("only one of json, form and body can be sent")
        if self.paginate is not None:
            if self.response in ("text", "bytes"):
                raise ValueError(f"pages are lists in JSON; response: {self.response} has none")
            if self.method == "HEAD":
                raise ValueError("an answer to HEAD has no body to find pages in")
        return self
