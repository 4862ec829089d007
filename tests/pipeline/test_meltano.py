"""Tap and target run by Meltano, with the repository's ``meltano.yml``."""

from __future__ import annotations

import time

from marketo_opps import ConnectionSettings, MarketoClient, MarketoObject
from marketo_opps.wire import encode_record
from tests.pipeline.compare import differences, held, keys_with_a_role

SLOW_MS = 1000


def records_sent(sandbox, since=0) -> int:
    return sum(call["asked"] for call in sandbox.journal(since, operation="sync opportunity"))


def delete(sandbox, guids) -> None:
    client = MarketoClient(ConnectionSettings.from_config(sandbox.credentials))
    keys = [encode_record({"marketoGUID": guid}) for guid in guids]
    client.delete(MarketoObject.OPPORTUNITIES, keys, delete_by="idField")
    client.close()


def secrets(*sandboxes) -> list[str]:
    kept = [each.instance.storage.meta("token") for each in sandboxes]
    kept += [each.client_secret for each in sandboxes]
    return [secret.partition(":")[0] for secret in kept]


def test_meltano_run_moves_everything_then_only_changes(project, source, destination):
    project.run()
    assert differences(held(source), held(destination)) == []
    assert len(held(destination)) == 700

    source.advance(86_400)
    changed = source.instance.opportunity_ids()[:25]
    source.instance.change(changed, {"stage": "Reopened"})
    before = len(destination.journal())
    project.run()

    assert differences(held(source), held(destination)) == []
    # One more, if a record's date equals the bookmark.
    assert 25 <= records_sent(destination, before) <= 26


def test_a_reconcile_keeps_the_state_of_the_daily_run(project, source, destination):
    project.run()
    guids = [each["marketoGUID"] for each in source.instance.opportunities()]
    keys = source.instance.opportunity_ids()
    path = project.directory / "deals.csv"
    rows = (f"{guid},{key}\n" for guid, key in zip(guids[:5], keys, strict=False))
    path.write_text(f"marketoGUID,externalOpportunityId\n{''.join(rows)}")
    delete(source, guids[:5])

    project.set("TAP", find_by="reconcile", reconcile_opportunities_path=path)
    project.set("TARGET", hard_delete=True)
    project.run()

    assert held(destination).keys() == {*keys[5:]}
    project.set("TAP", find_by="filter")
    before = len(destination.journal())
    project.run()
    assert records_sent(destination, before) <= 1


def test_meltano_output_and_files_contain_no_secret(project, source, destination):
    project.run()

    for path in (path for path in project.directory.rglob("*") if path.is_file()):
        told = path.read_bytes().decode(errors="replace")
        assert not [secret for secret in secrets(source, destination) if secret in told], path
    assert not [secret for secret in secrets(source, destination) if secret in project.printed]
    # Otherwise the log level had no effect on the plugins, and the test would prove nothing.
    assert "urllib3" in project.printed or "POST /rest" in project.printed


def test_an_interrupted_full_refresh_is_resumed(project, source, destination):
    project.set("TAP", find_by="lead_ids", lead_id_from=1, lead_id_to=120)
    project.run()
    found = len(held(destination))
    source.advance(86_400)
    destination.instance.options.latency_ms = SLOW_MS
    before = len(destination.journal())

    # When the second call is in flight, Meltano has stored the state that the first call released.
    code = project.run_until(lambda: records_sent(destination, before) > 300, "--full-refresh")

    assert code != 0
    assert 300 < records_sent(destination, before) <= found
    destination.instance.options.latency_ms = 0
    before = len(destination.journal())
    project.run()
    # The rest of the full refresh: neither all records nor only changed ones.
    assert found - 300 <= records_sent(destination, before) < found
    assert held(destination).keys() == keys_with_a_role(source)

    before = len(destination.journal())
    project.run()
    assert records_sent(destination, before) <= 1


def test_sigterm_ends_the_run_and_the_next_run_resumes(project, source, destination):
    destination.instance.options.latency_ms = SLOW_MS

    code = project.run_until(lambda: records_sent(destination))

    assert code != 0
    calls = len(source.journal()), len(destination.journal())
    time.sleep(0.5)
    assert (len(source.journal()), len(destination.journal())) == calls
    destination.instance.options.latency_ms = 0
    project.run()
    assert differences(held(source), held(destination)) == []
    assert "Traceback" not in project.printed
