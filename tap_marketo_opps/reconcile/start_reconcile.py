"""Preparation of a reconcile run: its file, its position, and what it can report."""

from __future__ import annotations

import functools
import math
import typing as t

from marketo_opps import MarketoObject
from marketo_opps.fields import MARKETO_GUID, UPDATED_AT
from tap_marketo_opps.errors import TooManyGoneError
from tap_marketo_opps.finding.activity_log import LEAD_ID
from tap_marketo_opps.finding.lead_stage import lead_stage
from tap_marketo_opps.finding.positions import PositionError
from tap_marketo_opps.finding.stage_plan import ROLES
from tap_marketo_opps.reconcile.comparison import Comparison
from tap_marketo_opps.reconcile.passes import FirstPass, SecondPass
from tap_marketo_opps.reconcile.position import Progress
from tap_marketo_opps.reconcile.row_lookup import PassContext
from tap_marketo_opps.reconcile.row_types import RowReader
from tap_marketo_opps.reconcile.run import BOOKMARK_KEY, ReconcileRun
from tap_marketo_opps.reconcile.stages import ReconcileStages
from tap_marketo_opps.reconcile.tombstones import Tombstones
from tap_marketo_opps.reconcile.warehouse_file import WarehouseFile
from tap_marketo_opps.settings import RECONCILE_PATHS, lead_columns
from tap_marketo_opps.sync.bookmarks import own_bookmark, warn_of_lost_position
from tap_marketo_opps.sync.lead_catalog import catalog_warnings
from tap_marketo_opps.sync.state import fingerprint

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from marketo_opps import Page
    from tap_marketo_opps.finding.lead_stage import LeadStage
    from tap_marketo_opps.reconcile.position import Counts
    from tap_marketo_opps.sync.run_context import RunContext
    from tap_marketo_opps.sync.stream_output import StreamOutput

_FEW = 100
"""Rows that may be gone regardless of `max_gone_percent`, which is too strict for small tables."""

_FEW_OF_FEW = 10
"""The same if no other row was found, as with the file of another stream or instance."""


def start_reconcile(
    output: StreamOutput, outputs: list[StreamOutput], context: RunContext
) -> ReconcileRun:
    """Return the run that compares a stream's warehouse file with Marketo.

    Args:
        output: Output of the stream.
        outputs: Outputs of all streams of the reconcile, in the order of their runs.
        context: Objects that all runs of the tap share.

    Raises:
        SettingsError: Settings, file or state are invalid for a run.
    """
    config = context.config
    setting = RECONCILE_PATHS[output.name]
    columns = lead_columns(config) if output.name == ROLES else {}
    warnings = catalog_warnings(output, columns) if output.name == ROLES else []
    setup = _Setup(output, context, WarehouseFile(setting, config[setting]), columns)
    progress, notes = setup.progress()
    try:
        stages = setup.stages(progress)
    except PositionError:
        warn_of_lost_position(output.name)
        notes = []
        stages = setup.stages(Progress())
    return ReconcileRun(
        context,
        output,
        outputs,
        setup.file,
        stages,
        setup.tombstones(),
        setup.why_log_is_no_measure(),
        notes,
        warnings,
    )


class _Setup:
    """Creates the parts of a run with `find_by: reconcile`, from settings and state.

    Args:
        output: Output of the stream.
        context: Objects that all runs of the tap share.
        file: The warehouse's rows of the stream.
        columns: Maps lead columns of roles (`lead_email`) to REST names of lead fields (`email`).

    Raises:
        SettingsError: The state is unreadable, or belongs to another instance.
    """

    def __init__(
        self,
        output: StreamOutput,
        context: RunContext,
        file: WarehouseFile,
        columns: Mapping[str, str],
    ) -> None:
        self.file = file
        self._output = output
        self._context = context
        self._columns = columns
        self._reader = RowReader(
            file.columns, output.fields, output.field_types, output.note_misfit
        )
        self._log_until = own_bookmark(output, context.instance).log_until
        self._fingerprint = fingerprint(
            {"file": file.digest, "fields": output.fields, "instance": context.instance}
        )

    def progress(self) -> tuple[Progress, list[str]]:
        """Return how far an interrupted reconcile has come, by the state, and sentences to log.

        Return the progress of a new run if there is none in the state, or if it cannot be resumed.
        """
        saved = self._output.state.get(BOOKMARK_KEY)
        if saved is None:
            return Progress(), []
        try:
            progress = Progress.decode(saved, self._fingerprint)
        except PositionError:
            warn_of_lost_position(self._output.name)
            return Progress(), []
        if progress is None:
            note = (
                "The file, the selected fields or the instance changed since the interrupted "
                "reconcile: starting over."
            )
            return Progress(), [note]
        if progress.is_at_end(self.file.total):
            return progress, ["The interrupted reconcile has already compared all rows."]
        return progress, [f"Resuming the interrupted reconcile at row {progress.next_row:,}."]

    def stages(self, progress: Progress) -> ReconcileStages:
        """Return the pipeline stages of the run.

        Raises:
            PositionError: The progress does not match the file.
        """
        config = self._context.config
        passes = PassContext(
            self._query(),
            self._output.name,
            Comparison(self._reader, self._log_until, f"{self.file.setting}: {self.file.path}"),
            progress,
            self._fingerprint,
        )
        # A dry run needs only some records, so it does not look up all rows.
        most_chunks = math.inf if math.isinf(self._output.record_limit) else 1
        first = FirstPass(passes, self.file, config["batch_size"], most_chunks)
        check_gone = functools.partial(_check_gone, self.file, config["max_gone_percent"])
        second = SecondPass(passes, check_gone, first.left_over)
        return ReconcileStages(first, second, self._lead_stage(), progress.counts)

    def _query(self) -> Callable[..., Page]:
        """Return a function that queries the stream's records by GUID, without lead columns."""
        needed = (UPDATED_AT, LEAD_ID) if self._columns else (UPDATED_AT,)
        fields = dict.fromkeys((*self._output.fields, *needed))
        return functools.partial(
            self._context.client.query,
            MarketoObject(self._output.name),
            filter_type=MARKETO_GUID,
            fields=[name for name in fields if name not in self._columns],
            batch_size=self._context.config["batch_size"],
        )

    def _lead_stage(self) -> LeadStage | None:
        fields = self._output.fields
        wanted = {name: self._columns[name] for name in fields if name in self._columns}
        return lead_stage(self._context.client, wanted, lambda _: True) if wanted else None

    def tombstones(self) -> Tombstones:
        """Return the object that creates tombstones for rows that no longer exist in Marketo.

        It has a warning to log, if the file has no columns for some of the selected fields.
        """
        missing = ", ".join(self._reader.missing)
        warning = (
            f"{self.file.setting}: {self.file.path} has no column for {missing} of "
            f"{self._output.name}: tombstones lack these fields, and SQL loaders write NULL to "
            "them. Export all columns (select *), or deselect these fields."
        )
        now = self._context.client.server_now
        return Tombstones(self._reader, now, [warning] if missing else [])

    def why_log_is_no_measure(self) -> str | None:
        """Return why the run cannot count the changes that are missing in the activity log.

        It can count them, and None is returned, if the file has `updatedAt` and was made after
        earlier runs had read the log: then a row that still differs is a change that the log lacks.
        """
        if not self._reader.has_updated_at:
            return f"the file has no {UPDATED_AT}"
        if not self._log_until:
            return "the state has no bookmark of the activity log"
        if not self.file.made_at:
            return "the date of the file is unknown"
        if self._log_until >= self.file.made_at:
            return (
                f"the log was read up to {self._log_until}, and the file dates from "
                f"{self.file.made_at}"
            )
        return None


def _check_gone(file: WarehouseFile, max_gone_percent: int, counts: Counts, more: int) -> None:
    """Raise TooManyGoneError if more rows are missing in Marketo than `max_gone_percent` allows.

    Up to 100 missing rows are always allowed, but only up to 10 if all rows are missing.

    Args:
        file: The warehouse's rows.
        max_gone_percent: Value of the setting.
        counts: Counts of the rows so far.
        more: Number of rows missing in Marketo that `counts` does not include yet.
    """
    gone = counts.gone + more
    few = _FEW if gone < counts.living else _FEW_OF_FEW
    if gone > few and gone * 100 > max_gone_percent * counts.living:
        raise TooManyGoneError(
            f"{file.setting} ({file.path})",
            gone=gone,
            looked_up=counts.living,
            written=counts.gone,
        )
