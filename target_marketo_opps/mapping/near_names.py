"""Names near to a name, as the mapping has them from the client."""

from __future__ import annotations

from marketo_opps.near_names import listed, near_names, or_near

__all__ = ["listed", "near_names", "or_near"]
