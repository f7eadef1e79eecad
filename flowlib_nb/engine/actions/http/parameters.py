"""Parameters of ``http.request``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from ..base import Parameters

Scalar = str | int | float | bool | None
Method = Annotated[
    Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]


class Pagination(Parameters):
    """How to get from one page to the next."""

    by: Literal["link", "page"] = Field(
        default="link",
        description="link: the Link header's rel=next (RFC 8288); page: a number that counts up.",
    )
    items: str | None = Field(
        default=None, description="Where a page's list lies in its body, such as data.items."
    )
    parameter: str = Field(default="page", description="The query parameter that page counts in.")
    first: int = Field(default=1, ge=0, description="The first page's number.")
    max_pages: int = Field(
        default=1000, ge=1, le=100_000, description="Where to stop with an error."
    )


class HttpRequestParameters(Parameters):
    """Parameters of ``http.request``."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    url: str = Field(min_length=1, description="http or https, absolute.")
    method: Method = "GET"
    query: dict[str, Scalar | list[Scalar]] = Field(
        default_factory=dict, description="Added to the URL; null leaves a parameter out."
    )
    headers: dict[str, Scalar] = Field(default_factory=dict, description="null leaves one out.")
    json_: Any = Field(default=None, alias="json", description="A body, sent as JSON.")
    form: dict[str, Scalar | list[Scalar]] | None = Field(
        default=None, description="A body, sent as an HTML form."
    )
    body: str | None = Field(default=None, description="A body, sent as it is, in UTF-8.")
    response: Literal["auto", "json", "text", "bytes"] = Field(
        default="auto", description="How to read the answer; auto goes by its Content-Type."
    )
    raise_for_status: bool = Field(
        default=True, description="Whether a status of 400 and above fails the node."
    )
    paginate: Pagination | None = Field(default=None, description="Follow pages and join them.")
    max_response_bytes: int = Field(
        default=100_000_000, ge=1, description="Of one answer, after decompression."
    )

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        given = {"json_", "form", "body"} & self.model_fields_set
        if len(given) > 1:
            raise ValueError("only one of json, form and body can be sent")
        return self
