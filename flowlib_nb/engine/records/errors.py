"""What can go wrong with the database of runs."""

from __future__ import annotations

from ...errors import FlowlibError


class RecordsError(FlowlibError):
    """The database of runs cannot be read or written."""

    code = "RECORDS_ERROR"
