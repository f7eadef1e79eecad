"""``sql``: a query over the values of other nodes, or on the database of a credential."""

from .action import SqlAction

__all__ = ["SqlAction"]
