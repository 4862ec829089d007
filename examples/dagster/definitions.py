"""A Dagster job and schedule for each Marketo instance in instances.json."""

# No `from __future__ import annotations`: Dagster inspects the annotation of `context`.
import os
from pathlib import Path

from dagster import (
    AssetMaterialization,
    Definitions,
    Failure,
    Field,
    JobDefinition,
    MetadataValue,
    OpDefinition,
    OpExecutionContext,
    Permissive,
    RetryPolicy,
    ScheduleDefinition,
    in_process_executor,
    job,
    op,
)
from instances import Instance, read_instances
from pair import Artefacts, Pair
from shared_states import InstanceBusyError, hold

HERE = Path(__file__).parent
ARTEFACTS = Path(os.environ.get("MARKETO_ARTEFACTS", HERE / "artefacts"))


def move_of(instance: Instance) -> OpDefinition:
    """Return the Dagster op that runs tap and target for a Marketo instance."""

    @op(
        name=f"move_{instance.name}",
        retry_policy=RetryPolicy(max_retries=instance.retries, delay=instance.retry_seconds),
        config_schema={"tap": Field(Permissive(), default_value={})},
    )
    def move(context: OpExecutionContext) -> None:
        artefacts = Artefacts(
            ARTEFACTS / instance.name / context.run_id / str(context.retry_number)
        )
        pair = Pair(
            tap={**instance.tap, **context.op_config["tap"]},
            target=instance.target,
            environment=instance.environment(os.environ),
            artefacts=artefacts,
        )
        try:
            with hold(os.environ["DAGSTER_POSTGRES_URL"], instance.name) as held:
                statuses = pair.run(held.last_state(), held.save)
        except InstanceBusyError as error:
            raise Failure(str(error)) from None
        finally:
            show(context, instance, artefacts)
        if any(statuses):
            raise Failure(" ".join(artefacts.said("ERROR", "CRITICAL")) or f"exit {statuses}")

    return move


def show(context: OpExecutionContext, instance: Instance, artefacts: Artefacts) -> None:
    """Log an attempt's warnings in Dagster, and report its run reports and receipts as assets."""
    for line in artefacts.said("WARNING"):
        context.log.warning(line)
    for run in artefacts.runs():
        counts = {
            f"{stream} {name}": number
            for stream, numbers in run["streams"].items()
            for name, number in numbers.items()
        }
        whole = {name: run[name] for name in ("exit", "calls", "retries", "seconds")}
        materialize(context, instance, run["plugin"], artefacts.report, whole | counts)
    if artefacts.receipts.exists():
        statuses = artefacts.receipts_by_status()
        materialize(context, instance, "receipts", artefacts.receipts, statuses)


def materialize(
    context: OpExecutionContext,
    instance: Instance,
    name: str,
    path: Path,
    numbers: dict[str, float],
) -> None:
    """Report a file to Dagster as an asset, with numbers that Dagster plots over time."""
    context.log_event(
        AssetMaterialization(
            asset_key=["marketo", instance.name, name],
            metadata={"path": MetadataValue.path(str(path)), **numbers},
        )
    )


def job_of(instance: Instance) -> JobDefinition:
    """Return the Dagster job that runs tap and target for a Marketo instance."""
    move = move_of(instance)

    # Runs in the process of the Dagster run, which receives Dagster's signals directly.
    @job(
        name=f"marketo_{instance.name}",
        executor_def=in_process_executor,
        tags={"marketo_instance": instance.name},
    )
    def marketo() -> None:
        move()

    return marketo


def schedule_of(instance: Instance) -> ScheduleDefinition:
    """Return the schedule of an instance's job; the user has to switch it on in Dagster."""
    return ScheduleDefinition(job=job_of(instance), cron_schedule=instance.schedule)


defs = Definitions(
    schedules=[schedule_of(each) for each in read_instances(HERE / "instances.json")]
)
