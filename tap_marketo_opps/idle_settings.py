"""Settings of ways to find opportunities that a run does not use, and what is logged of them."""

from __future__ import annotations

import typing as t

from tap_marketo_opps.settings import (
    BY_FILTER,
    BY_LEAD_IDS,
    BY_LEAD_LIST,
    BY_RECONCILE,
    RECONCILE_PATHS,
    find_by,
)

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

# Without settings that have a default, because these are always set.
_OF_WAYS = {
    BY_FILTER: ("filter_values", "filter_values_path"),
    BY_LEAD_IDS: ("lead_id_from", "lead_id_to", "lead_ids_path"),
    BY_LEAD_LIST: ("lead_list_id",),
    BY_RECONCILE: tuple(RECONCILE_PATHS.values()),
}


def idle_settings(config: Mapping[str, t.Any]) -> list[str]:
    """Return the settings that have no effect, because they are for another `find_by`."""
    used = find_by(config)
    names = (name for way, names in _OF_WAYS.items() if way != used for name in names)
    return [name for name in names if config.get(name)]


def log_idle_settings(config: Mapping[str, t.Any], logger: logging.Logger) -> None:
    """Log which settings have no effect: a warning if `find_by` is not set, else a line at INFO.

    With `find_by`, users may keep the settings of another way, for example for the next sweep.
    """
    idle = ", ".join(idle_settings(config))
    if idle and not config.get("find_by"):
        logger.warning(
            "%s: no effect while find_by is not set; opportunities are found by %s.",
            idle,
            find_by(config),
        )
    elif idle:
        logger.info("%s: no effect with find_by: %s.", idle, find_by(config))
