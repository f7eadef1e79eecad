"""Records of runs: written behind the engine's back, read as ``fl.runs``."""

from __future__ import annotations

from ..options.records import RunRecords
from .errors import RecordsError
from .events import FailedItemRecord, NodeEnded, NodeStarted, RunEnded, RunStarted
from .history import Runs, runs
from .recorded import RecordedNode, RecordedRun
from .recorder import Recorder

__all__ = [
    "FailedItemRecord",
    "NodeEnded",
    "NodeStarted",
    "RecordedNode",
    "RecordedRun",
    "Recorder",
    "RecordsError",
    "RunEnded",
    "RunRecords",
    "RunStarted",
    "Runs",
    "runs",
]
