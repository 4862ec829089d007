"""What every part of an instance that reads or writes records has in hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marketo_sandbox.instance.activity_log import ActivityLog
    from marketo_sandbox.instance.clock import Clock
    from marketo_sandbox.instance.storage import Storage
    from marketo_sandbox.options import SandboxOptions


@dataclass(frozen=True)
class InstanceContext:
    """The records, the log of what happens to them, the clock that dates both, and the rules."""

    storage: Storage
    log: ActivityLog
    clock: Clock
    options: SandboxOptions
