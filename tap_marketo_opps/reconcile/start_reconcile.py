"""Where a reconcile begins: its file, its state, and what it can tell."""

from __future__ import annotations

import functools
import math
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

from marketo_opps import MarketoObject
from marketo_opps.fields import MARKETO_GUID, UPDATED_AT
from marketo_opps.settings import instance_address
from tap_marketo_opps.errors import TooManyGoneError
from tap_marketo_opps.finding.activity_log import LEAD_ID
from tap_marketo_opps.finding.finders import ROLES
from tap_marketo_opps.finding.lead_stage import lead_stage
from tap_marketo_opps.finding.positions import PositionError
from tap_marketo_opps.reconcile.comparison import Comparison
from tap_marketo_opps.reconcile.looks import FirstLook, SecondLook, Subject
from tap_marketo_opps.reconcile.position import Progress
from tap_marketo_opps.reconcile.row_types import RowReader
from tap_marketo_opps.reconcile.run import BOOKMARK_KEY, ReconcileRun
from tap_marketo_opps.reconcile.tombstones import Tombstones
from tap_marketo_opps.reconcile.warehouse_file import WarehouseFile
from tap_marketo_opps.settings import RECONCILE_PATHS, lead_columns
from tap_marketo_opps.sync.bookmarks import own_bookmark, warn_of_lost_position
from tap_marketo_opps.sync.lead_catalog import catalog_warnings
from tap_marketo_opps.sync.progress import SECONDS_BETWEEN_LOGS
from tap_marketo_opps.sync.state import fingerprint

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from marketo_opps import MarketoClient
    from tap_marketo_opps.reconcile.position import Counts
    from tap_marketo_opps.singer_writer import MessageWriter
    from tap_marketo_opps.sync.stream_output import StreamOutput
    from tap_marketo_opps.sync.time_box import TimeBox

_FEW = 100
"""So many may be gone whatever `max_gone_percent` says: a small table has its deletes, too."""

_OTHER = (
    "The file, the selected fields or the instance changed since the interrupted reconcile: "
    "starting over."
)


def start_reconcile(
    output: StreamOutput,
    *,
    config: Mapping[str, t.Any],
    client: MarketoClient,
    writer: MessageWriter,
    state: dict[str, t.Any],
    time_box: TimeBox,
    seconds_between_logs: float = SECONDS_BETWEEN_LOGS,
) -> ReconcileRun:
    """Return the run that reconciles a stream, by the file that there is for it.

    Args:
        output: The stream.
        config: Settings of the tap.
        client: To read with.
        writer: Of messages.
        state: The tap's, which the run changes.
        time_box: The time that it may take.
        seconds_between_logs: How often progress is logged.

    Raises:
        SettingsError: Settings or state do not let it begin.
    """
    setting = RECONCILE_PATHS[output.name]
    columns = lead_columns(config) if output.name == ROLES else {}
    catalog = catalog_warnings(output, columns) if output.name == ROLES else []
    start = _Start.of(output, config, client, WarehouseFile(setting, config[setting]))
    progress, notes = _progress(output, start.mark)
    try:
        first, second = start.looks(progress)
    except PositionError:
        warn_of_lost_position(output.name)
        progress, notes = Progress(), []
        first, second = start.looks(progress)
    missing_columns = start.missing_columns()
    wanted = {name: columns[name] for name in output.fields if name in columns}
    return ReconcileRun(
        client=client,
        writer=writer,
        output=output,
        file=start.file,
        tombstones=Tombstones(start.reader, client.server_now, missing_columns),
        first=first,
        second=second,
        leads=lead_stage(client, wanted, lambda _: True) if wanted else None,
        counts=progress.counts,
        no_untold=start.why_not_untold(),
        max_concurrent_calls=config["max_concurrent_calls"],
        state=state,
        time_box=time_box,
        notes=notes,
        catalog_warnings=catalog,
        missing_columns=missing_columns,
        seconds_between_logs=seconds_between_logs,
    )


@dataclass(frozen=True, slots=True)
class _Start:
    """What a reconcile begins with.

    Attributes:
        output: The stream.
        config: Settings of the tap.
        client: To read with.
        file: Of what the warehouse has.
        reader: Of its rows.
        log_until: Up to when the state says that the log has told of changes; None if it does not.
        mark: Of what a position is a place in.
    """

    output: StreamOutput
    config: Mapping[str, t.Any]
    client: MarketoClient
    file: WarehouseFile
    reader: RowReader
    log_until: str | None
    mark: str

    @classmethod
    def of(
        cls,
        output: StreamOutput,
        config: Mapping[str, t.Any],
        client: MarketoClient,
        file: WarehouseFile,
    ) -> _Start:
        """Return what a stream's reconcile begins with.

        Raises:
            SettingsError: The state cannot be read, or is of another instance.
        """
        instance = urlsplit(instance_address(config["endpoint"])).netloc.casefold()
        place = {"file": file.digest, "fields": output.fields, "instance": instance}
        return cls(
            output,
            config,
            client,
            file,
            RowReader(file.columns, output.fields, output.field_types, output.note_misfit),
            own_bookmark(output, instance).log_until,
            fingerprint(place),
        )

    def looks(self, progress: Progress) -> tuple[FirstLook, SecondLook]:
        """Return both looks.

        Raises:
            PositionError: Nothing can be gone on with from there.
        """
        batch_size = self.config["batch_size"]
        query = functools.partial(
            self.client.query,
            MarketoObject(self.output.name),
            filter_type=MARKETO_GUID,
            fields=self._asked_fields(),
            batch_size=batch_size,
        )
        comparison = Comparison(self.reader, self.log_until)
        subject = Subject(query, self.output.name, comparison, progress, self.mark)
        # A dry run wants to see some records, not to look up a million rows for them.
        most_chunks = math.inf if math.isinf(self.output.record_limit) else 1
        first = FirstLook(subject, self.file, batch_size, most_chunks)
        check_gone = functools.partial(_check_gone, self.file, self.config["max_gone_percent"])
        return first, SecondLook(subject, check_gone, first.left_over)

    def _asked_fields(self) -> list[str]:
        """Return the fields to ask for: those of leads are not fields of roles."""
        is_of_roles = self.output.name == ROLES
        of_leads = lead_columns(self.config) if is_of_roles else {}
        needed = (UPDATED_AT, LEAD_ID) if of_leads else (UPDATED_AT,)
        return [*dict.fromkeys(n for n in (*self.output.fields, *needed) if n not in of_leads)]

    def missing_columns(self) -> list[str]:
        """Return a sentence on selected fields that the file lacks, if there are any."""
        if not self.reader.missing:
            return []
        told = (
            f"{self.file.setting}: {self.file.path} has no column for "
            f"{', '.join(self.reader.missing)} of {self.output.name}: tombstones lack these "
            "fields, and SQL loaders write NULL to them. Export all columns (select *), or "
            "deselect these fields."
        )
        return [told]

    def why_not_untold(self) -> str | None:
        """Return why it cannot be said which changes the log has not told of; None if it can."""
        if not self.reader.has_updated_at:
            return f"the file has no {UPDATED_AT}"
        if not self.log_until:
            return "the state has no bookmark of the activity log"
        made_at = self.file.made_at
        if made_at is None or self.log_until >= made_at:
            return f"the log was read up to {self.log_until}, and the file dates from {made_at}"
        return None


def _progress(output: StreamOutput, mark: str) -> tuple[Progress, list[str]]:
    """Return where to begin, and sentences on that."""
    told = output.state.get(BOOKMARK_KEY)
    if told is None:
        return Progress(), []
    try:
        progress = Progress.decode(told, mark)
    except PositionError:
        warn_of_lost_position(output.name)
        return Progress(), []
    if progress is None:
        return Progress(), [_OTHER]
    return progress, [f"Resuming the interrupted reconcile at row {progress.next_row:,}."]


def _check_gone(file: WarehouseFile, max_gone_percent: int, counts: Counts, more: int) -> None:
    """Raise TooManyGoneError if more rows are gone than the user believes."""
    gone = counts.gone + more
    if gone > _FEW and gone * 100 > max_gone_percent * counts.living:
        raise TooManyGoneError(
            f"{file.setting} ({file.path})",
            gone=gone,
            looked_up=counts.living,
            written=counts.gone,
        )
