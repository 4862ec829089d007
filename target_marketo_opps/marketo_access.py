"""Open the client, threads and self-pipe with which a run calls Marketo, and close them."""

from __future__ import annotations

import typing as t

from marketo_opps.plugin.workers import Workers
from target_marketo_opps.delivery.calls_in_flight import CallsInFlight
from target_marketo_opps.descriptions import Descriptions
from target_marketo_opps.state.self_pipe import SelfPipe

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from marketo_opps import MarketoClient
    from marketo_opps.plugin.process import ShutdownSignal

_P = t.ParamSpec("_P")
_T = t.TypeVar("_T")


class MarketoAccess:
    """The client of a run, and the worker threads that make its calls.

    Args:
        client: makes the calls.
        max_calls: maximum number of calls in flight.
        shutdown: stops the client when the process is asked to stop.
        lookup_field: value of the setting `lead_lookup_field`.

    Attributes:
        client: makes the calls.
        self_pipe: wakes the main thread when a call is done, or when the process is asked to stop.
        calls: calls in flight, on worker threads.
        descriptions: descriptions of the instance.
    """

    def __init__(
        self,
        client: MarketoClient,
        *,
        max_calls: int,
        shutdown: ShutdownSignal,
        lookup_field: str | None,
    ) -> None:
        self.client = client
        self.self_pipe = SelfPipe()
        shutdown.on_request(self.client.stop)
        shutdown.on_request(self.self_pipe.set)
        self._shutdown = shutdown
        self._workers = Workers(max_calls, "marketo")
        self.calls = CallsInFlight(self._workers, self.self_pipe, max_calls=max_calls)
        self.descriptions = Descriptions(self.client, self.call, lookup_field=lookup_field)

    def call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call a function on a worker thread, and return its result; a signal ends the wait."""
        return self._shutdown.result(self._workers.submit(function, *args, **kwargs))

    def close(self) -> None:
        """Close the worker threads, the client's connections and the self-pipe."""
        self._workers.close()
        self.client.close()
        self.self_pipe.close()
