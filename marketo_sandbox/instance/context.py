"""Parts of an instance that several classes use: storage, activity log, clock and options."""

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
    """The parts of one instance that many classes need: storage, activity log, clock, options."""

    storage: Storage
    log: ActivityLog
    clock: Clock
    options: SandboxOptions
