"""Handlers of the control calls: HTTP calls that inspect and change a running sandbox."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.describe import OPPORTUNITY, ROLE
from marketo_sandbox.server.control_parameters import CHANGEABLE, LIMITS
from marketo_sandbox.server.curl_line import curl_line
from marketo_sandbox.server.faults import FaultRule
from marketo_sandbox.server.validation import validate

if TYPE_CHECKING:
    from marketo_sandbox.server.api import Api

ANY_ID = "OPP-0000001"
OTHER_USER = "others@sandbox.example"
BULKY = frozenset({"keys", "parameters"})


class Control:
    """Handlers of the control calls: one method for each control call.

    A handler takes the query parameters or the JSON body of a call, already checked against
    ``control_parameters``, and returns the JSON response.

    Args:
        api: the API application of the sandbox to control.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._instance = api.instance

    def status(self, _parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the sandbox's state: record counts, clock, API usage, fault rules, problems."""
        instance, limits = self._instance, self._instance.limits
        return {
            "counts": instance.counts(),
            "clock": self.clock({}),
            "limits": {
                "enforced": limits.options.enforced,
                "in_window": limits.in_window(),
                "calls_per_window": limits.options.calls_per_window,
                "window_seconds": limits.options.window_seconds,
                "in_flight": limits.in_flight,
                "concurrent_calls": limits.options.concurrent_calls,
                "today": instance.daily_usage.calls_today(),
                "daily_calls": limits.options.daily_calls,
                "most_in_flight": limits.most_in_flight,
                "most_in_window": limits.most_in_window,
            },
            "token_seconds_left": max(0, int(instance.access.seconds_left())),
            "faults": self._api.faults.to_list(),
            "calls": self._api.journal.calls,
            "journal_first": self._api.journal.first,
            "outcomes": dict(self._api.journal.outcomes),
            "operations": dict(self._api.journal.operations),
            "problems": list(self._api.problems),
            "crm_sync": instance.options.crm_sync,
            "dialects": sorted(instance.options.dialects),
            "latency_ms": instance.options.latency_ms,
        }

    def journal(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return journal entries of calls with numbers above ``since``, at most the last ``limit``.

        With ``operation``, only calls of that operation are returned. With ``brief``, the entries
        have no parameters and record keys.
        """
        entries = self._api.journal.entries(parameters.get("since", 0), parameters.get("operation"))
        limit = parameters.get("limit", len(entries))
        calls = [entry.to_dict() for entry in entries[max(0, len(entries) - limit) :]]
        if "brief" in parameters:
            calls = [{name: each[name] for name in each.keys() - BULKY} for each in calls]
        return {"calls": calls}

    def exchange(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return request and response of the call numbered ``call``, with secrets masked."""
        return self._api.exchanges.get(parameters["call"])

    def credentials(self, endpoint: str) -> dict[str, Any]:
        """Return endpoint, client id and client secret, and a curl command to try them.

        Args:
            endpoint: base URL of the sandbox, as the client addresses it.
        """
        client_id, client_secret = self._instance.client_id, self._instance.client_secret
        known = self._instance.opportunity_ids(0, 1) or [ANY_ID]
        return {
            "endpoint": endpoint,
            "client_id": client_id,
            "client_secret": client_secret,
            "curl": curl_line(endpoint, client_id, client_secret, known[0]),
        }

    def reset(self, _parameters: dict[str, Any]) -> dict[str, Any]:
        """Delete all records, journal entries, fault rules and problems; return record counts."""
        self._api.reset()
        return self._instance.counts()

    def seed(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Add generated records (parameters: see ``Seeder.run``), and return the record counts."""
        self._instance.seed(parameters.pop("opportunities", 0), **parameters)
        return self._instance.counts()

    def usage(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Change today's use of the daily API quota, and return today's number of calls.

        The parameter ``calls`` adds calls of the API user ``user``; ``today`` sets a new total.
        """
        usage, user = self._instance.daily_usage, parameters.get("user", OTHER_USER)
        if "today" in parameters and "calls" in parameters:
            raise ValueError("give calls (to add) or today (the new total), not both")
        if "today" in parameters:
            usage.set_calls_today(parameters["today"], user)
        else:
            usage.add_calls(parameters["calls"], user)
        return {"today": usage.calls_today()}

    def leads(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Add leads with the given ``ids`` or field values (``records``); return record counts."""
        if "records" in parameters:
            self._instance.add_lead_records(parameters["records"])
        else:
            self._instance.add_leads(parameters["ids"])
        return self._instance.counts()

    def merge_leads(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Merge the leads ``merged`` into the lead ``kept``; return the record counts."""
        anew = parameters.get("anew", False)
        self._instance.merge_leads(parameters["kept"], parameters["merged"], anew=anew)
        return self._instance.counts()

    def delete_leads(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Delete the leads with the given ``ids`` and their roles; return the record counts."""
        self._instance.delete_leads(parameters["ids"])
        return self._instance.counts()

    def lists(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Add the leads with the ids ``leads`` to the static list with the id ``list``."""
        self._instance.add_to_list(parameters["list"], parameters["leads"])
        return {}

    def clock(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Set the instance's clock to ``now``, or ``advance`` it by seconds; return its time.

        With ``frozen``, a clock that is set to ``now`` stands still.
        """
        clock, advance = self._instance.clock, parameters.get("advance", 0)
        if "frozen" in parameters and "now" not in parameters:
            raise ValueError("give frozen together with now, the time at which the clock stands")
        if "now" in parameters:
            moment = datetime.fromisoformat(parameters["now"]) + timedelta(seconds=advance)
            clock.set(moment, frozen=parameters.get("frozen", False))
        else:
            clock.advance(advance)
        return {"now": clock.now().isoformat(), "frozen": clock.frozen, "day": clock.day()}

    def faults(self, parameters: Any) -> list[dict[str, Any]]:
        """Add a fault rule or a list of fault rules, and return all fault rules."""
        rules = parameters if isinstance(parameters, list) else [parameters] if parameters else []
        for rule in rules:
            FaultRule.from_mapping(rule)
        for rule in rules:
            self._api.faults.add(**rule)
        return self._api.faults.to_list()

    def clear_faults(self, _parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """Remove all fault rules, and return an empty list."""
        self._api.faults.clear()
        return []

    def options(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Change the given options of the running instance, and return all changeable options.

        The object ``limits`` changes API limits.
        """
        options = self._instance.options
        limits = parameters.pop("limits", {})
        validate(LIMITS, limits)
        for name, value in limits.items():
            setattr(options.limits, name, value)
        for name, value in parameters.items():
            setattr(options, name, frozenset(value) if isinstance(value, list) else value)
        return {name: _to_json(getattr(options, name)) for name in sorted(CHANGEABLE)}

    def ids(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return externalOpportunityIds in order of creation, at most ``limit``.

        The first ``offset`` ids are skipped. Also return the total number of opportunities.
        """
        offset, limit = parameters.get("offset", 0), parameters.get("limit", -1)
        ids = self._instance.opportunity_ids(offset, limit)
        return {"ids": ids, "total": self._instance.counts()["opportunities"]}

    def opportunities(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return stored opportunities in order of creation, at most ``limit``.

        Only records with numbers above ``after`` are returned.
        """
        return self._records(OPPORTUNITY, parameters)

    def roles(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return stored roles in order of creation, at most ``limit``.

        Only records with numbers above ``after`` are returned.
        """
        return self._records(ROLE, parameters)

    def stored_leads(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return stored leads with ids above ``after``, at most ``limit``."""
        after, limit = parameters.get("after", 0), parameters.get("limit", -1)
        return {"records": self._instance.leads(after, limit)}

    def _records(self, obj: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        after, limit = parameters.get("after", 0), parameters.get("limit", -1)
        return {"records": self._instance.records(obj, after, limit)}

    def change(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Set the field values ``fields`` of the opportunities with the external ids ``ids``.

        The change counts as no API call, as if a Marketo user made it in the UI.
        """
        return {"changed": self._instance.change(parameters["ids"], parameters["fields"])}

    def expire_tokens(self, _parameters: dict[str, Any]) -> dict[str, Any]:
        """Make the current access token invalid, so that calls with it are refused with 602."""
        self._instance.expire_tokens()
        return {}

    def expire_page_tokens(self, _parameters: dict[str, Any]) -> dict[str, Any]:
        """Make all page tokens issued so far invalid; calls with them are refused with 1003."""
        self._instance.expire_page_tokens()
        return {}

    def problems(self, _parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the reported problems: calls to unknown paths, exceptions in the sandbox."""
        return {"problems": list(self._api.problems)}

    def acknowledge(self, _parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the problems reported so far, and forget them, so that they fail no test."""
        return {"problems": self._api.acknowledge_problems()}


def _to_json(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value
