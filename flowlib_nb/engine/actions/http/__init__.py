"""``http.request``: one request or a series of pages; a credential goes to its hosts only."""

from .request import HttpRequestAction

__all__ = ["HttpRequestAction"]
