"""``http.request``: one request or a paged series, with a credential that goes to its hosts only."""

from .request import HttpRequestAction

__all__ = ["HttpRequestAction"]
