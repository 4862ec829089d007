"""Tests of the preparation of a reconcile: its calls, its place, and what it can report."""

from __future__ import annotations

import pytest

from marketo_opps import Page, SettingsError
from tap_marketo_opps.errors import TooManyGoneError
from tests.tap_marketo_opps.reconcile.preparation import (
    DEALS,
    EARLY,
    HOST,
    LATE,
    ROWS,
    Client,
    results_of,
    rows_of,
)
from tests.tap_marketo_opps.reconcile.warehouse import OPPORTUNITIES, PATHS, ROLES


def test_all_rows_are_looked_up_by_their_guids(prepared):
    client = Client()
    (result,) = results_of(prepared(client=client))
    fields = ["marketoGUID", "name", "updatedAt"]
    asked = {"filter_type": "marketoGUID", "fields": fields, "batch_size": 200}
    assert client.asked == [("opportunities", ["a", "b", "c"], asked)]
    assert [each["marketoGUID"] for each in result.records] == ["a", "b", "c"]
    assert result.stream == OPPORTUNITIES


class UnsureClient(Client):
    """An instance that does not say whether a page is the last one."""

    def query(self, obj, *, filter_values, next_page_token, **asked):
        start = int(next_page_token or 0)
        page = super().query(obj, filter_values=filter_values, next_page_token=None, **asked)
        end = start + asked["batch_size"]
        return Page(page.records[start:end], str(end), more=None, request_id=None)


def test_a_page_that_is_full_is_followed_by_another(prepared):
    client = UnsureClient()
    run = prepared(client=client, batch_size=2)
    assert [len(result.records) for result in results_of(run)] == [2, 1]
    assert [keys for _, keys, _ in client.asked] == [["a", "b", "c"]] * 2


def test_when_a_record_changed_is_read_although_not_selected(prepared):
    client = Client()
    assert [*results_of(prepared(client=client, fields=("name",)))]
    assert client.asked[0][2]["fields"] == ["name", "updatedAt"]


def test_rows_that_are_not_found_are_looked_up_twice(prepared):
    client = Client("b")
    run = prepared(client=client)
    gone = [row.key for result in results_of(run) for row in result.gone]
    assert gone == ["b"]
    assert [keys for _, keys, _ in client.asked] == [["a", "b", "c"], ["b"]]


class TestLeadFields:
    SETTINGS = {"lead_fields": ["email", "phone"]}  # noqa: RUF012

    def test_they_are_looked_up_once_per_lead_and_added_to_roles(self, prepared):
        client = Client()
        run = prepared(ROLES, client=client, **self.SETTINGS)
        records = [record for result in results_of(run) for record in result.records]
        assert {each["lead_email"] for each in records} == {"a@b.example"}
        roles, leads = client.asked
        assert roles[2]["fields"] == ["marketoGUID", "leadId", "updatedAt"]
        assert leads == (
            "leads",
            ["1"],
            {
                "filter_type": "id",
                "fields": ["id", "email"],
                "batch_size": 300,
                "next_page_token": None,
            },
        )

    def test_the_lead_of_a_role_is_read_although_not_selected(self, prepared):
        client = Client()
        fields = ("marketoGUID", "lead_email")
        assert [*results_of(prepared(ROLES, client=client, fields=fields, **self.SETTINGS))]
        assert client.asked[0][2]["fields"] == ["marketoGUID", "updatedAt", "leadId"]

    def test_a_field_that_the_catalog_lacks_is_warned_of(self, prepared):
        (warning,) = prepared(ROLES, **self.SETTINGS).catalog_warnings
        assert warning.startswith("lead_fields includes 'phone', which the catalog does not have")

    def test_a_column_of_the_catalog_that_is_not_asked_for_is_an_error(self, prepared):
        with pytest.raises(SettingsError, match="lead_email"):
            prepared(ROLES, lead_fields=["phone"])

    def test_without_a_selected_column_no_lead_is_looked_up(self, prepared):
        run = prepared(ROLES, fields=("marketoGUID", "leadId"), **self.SETTINGS)
        assert run.stages.leads is None
        assert [*run.stages.lookups] == [run.stages.second]

    def test_they_are_not_fields_of_opportunities(self, prepared):
        fields = ("marketoGUID", "lead_email")
        client = Client()
        run = prepared(client=client, fields=fields, **self.SETTINGS)
        assert (run.catalog_warnings, run.stages.leads) == ([], None)
        assert [*results_of(run)]
        assert client.asked[0][2]["fields"] == [*fields, "updatedAt"]


class TestInterrupted:
    @staticmethod
    def _state(prepared, *, done=None, **more):
        """Return the state after as many results of a run as given, by default one."""
        state = {}
        results = results_of(prepared(state=state, client=Client("b"), **more))
        for _, result in zip(range(done or 1), results, strict=False):
            state["reconcile"] = result.encoded_position or state.get("reconcile")
        return state

    def test_it_resumes_with_the_rows_that_are_left(self, prepared):
        client = Client("b")
        run = prepared(state=self._state(prepared), client=client)
        assert run.notes == ["Resuming the interrupted reconcile at row 3."]
        gone = [row.key for result in results_of(run) for row in result.gone]
        assert (gone, [keys for _, keys, _ in client.asked]) == (["b"], [["b"]])
        assert (run.stages.counts.changed, run.stages.counts.gone) == (2, 1)

    def test_it_says_if_all_rows_are_compared(self, prepared):
        client = Client()
        run = prepared(state=self._state(prepared, done=2), client=client)
        assert run.notes == ["The interrupted reconcile has already compared all rows."]
        assert [*results_of(run)] == client.asked == []
        assert run.stages.counts.gone == 1

    @pytest.mark.parametrize(
        "changed",
        [
            {"fields": ("marketoGUID", "updatedAt")},
            {"endpoint": "https://two.example"},
            {"rows": ROWS + f"d,z,{EARLY}\n"},
        ],
    )
    def test_another_file_field_or_instance_starts_over(self, prepared, changed):
        state = self._state(prepared)
        prepared.write(changed.pop("rows", ROWS))
        client = Client()
        run = prepared(state=state, client=client, **changed)
        (note,) = run.notes
        assert note.endswith("changed since the interrupted reconcile: starting over.")
        assert [*results_of(run)]
        assert client.asked[0][1][:3] == ["a", "b", "c"]

    # No chunk of the file begins at row 2.
    @pytest.mark.parametrize("damage", [("}", ""), ('"next":3', '"next":2')])
    def test_a_place_that_cannot_be_found_is_warned_of(self, prepared, damage, caplog):
        state = self._state(prepared)
        state["reconcile"] = state["reconcile"].replace(*damage)
        run = prepared(state=state)
        assert run.notes == []
        assert [len(result.records) for result in results_of(run)] == [3]
        (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
        assert "interrupted run of opportunities" in warning


def test_a_state_of_the_same_instance_is_taken(prepared):
    assert [*results_of(prepared(state={"instance": HOST}))]


def test_a_state_of_another_instance_is_an_error(prepared):
    with pytest.raises(SettingsError, match=r"two\.example"):
        prepared(state={"instance": "two.example"})


def test_a_cell_of_a_tombstone_that_is_no_value_is_noted(prepared):
    prepared.write("marketoGUID,leadId\na,many\n")
    run = prepared(ROLES, client=Client("a"), fields=("marketoGUID", "leadId"))
    (gone,) = [row for result in results_of(run) for row in result.gone]
    (tombstone,) = run.tombstones.of([gone])
    assert tombstone == {
        "marketoGUID": "a",
        "leadId": None,
        "_sdc_deleted_at": "2026-04-01T00:00:00Z",
    }
    assert prepared.misfits == [("leadId", "a")]


def test_tombstones_warn_of_selected_fields_without_a_column(prepared):
    assert prepared().tombstones.warnings == []
    (warning,) = prepared(fields=(*DEALS, "amount", "stage")).tombstones.warnings
    assert f"{PATHS[OPPORTUNITIES]}: " in warning
    assert "no column for amount, stage of opportunities" in warning


@pytest.mark.parametrize(
    ("log_until", "rows", "reason"),
    [
        (LATE, ROWS, "the log was read up to 2026-03-01T00:00:00Z, and the file dates from "),
        ("2026-02-01T00:00:00Z", ROWS, "the file dates from 2026-02-01T00:00:00Z"),
        ("2026-01-31T23:59:59Z", ROWS, None),
        (None, ROWS, "the state has no bookmark of the activity log"),
        (EARLY, "a\nb\n", "the file has no updatedAt"),
        (None, "a\nb\n", "the file has no updatedAt"),
    ],
)
def test_a_changed_row_tells_of_the_log_only_if_its_file_is_later(
    prepared, log_until, rows, reason
):
    prepared.write(rows)
    run = prepared(state={"log_until": log_until} if log_until else {})
    assert (run.why_unknown is None) == (reason is None)
    assert reason is None or reason in run.why_unknown


def test_changes_older_than_the_log_read_are_counted(prepared):
    run = prepared(state={"log_until": "2026-03-01T00:00:01Z"})
    assert [*results_of(run)]
    assert (run.stages.counts.changed, run.stages.counts.untold) == (3, 3)
    run = prepared(state={"log_until": LATE})
    assert [*results_of(run)]
    assert run.stages.counts.untold == 0


@pytest.mark.parametrize(
    ("gone", "living", "percent", "is_refused"),
    [
        (10, 10, 5, False),
        (11, 11, 5, True),
        (11, 11, 100, False),
        (11, 12, 5, False),
        (100, 101, 5, False),
        (101, 100, 5, True),
        (101, 2020, 5, False),
        (101, 2019, 5, True),
        (150, 150, 100, False),
        (101, 1_000_000, 0, True),
    ],
)
def test_more_rows_gone_than_allowed_end_the_run(prepared, gone, living, percent, is_refused):
    prepared.write(rows_of(gone))
    client = Client(*(f"g{number}" for number in range(gone)))
    run = prepared(client=client, max_gone_percent=percent)
    run.stages.counts.living = living - gone
    if not is_refused:
        assert sum(len(result.gone) for result in results_of(run)) == gone
        return
    with pytest.raises(TooManyGoneError) as caught:
        [*results_of(run)]
    assert f"{PATHS[OPPORTUNITIES]} (" in str(caught.value)
    assert f"{gone:,}" in str(caught.value)
    assert f"{living:,}" in str(caught.value)


def test_tombstones_written_before_the_error_are_told(prepared):
    run = prepared(client=Client("a", "b", "c"))
    run.stages.counts.gone = run.stages.counts.living = 100
    with pytest.raises(TooManyGoneError, match="Already written: 100 tombstones"):
        [*results_of(run)]


@pytest.mark.parametrize("percent", [0, 10, 99])
def test_if_no_row_is_found_there_is_no_tombstone(prepared, percent):
    prepared.write(rows_of(5000))
    run = prepared(client=Client(*(f"g{n}" for n in range(5000))), max_gone_percent=percent)
    with pytest.raises(TooManyGoneError, match="No tombstone was written"):
        assert not [row for result in results_of(run) for row in result.gone]


MARKED = f"marketoGUID,updatedAt,_sdc_deleted_at\na,{LATE},{{0}}\n"


@pytest.mark.parametrize("null", ["", " ", "NULL", r"\N"])
def test_a_mark_that_is_null_is_none(prepared, null):
    prepared.write(MARKED.format(null))
    run = prepared()
    assert not [record for result in results_of(run) for record in result.records]
    assert run.stages.counts.alike == 1


@pytest.mark.parametrize("mark", ["true", "0", "NaT", "None", "4/5/2026"])
def test_a_mark_that_is_no_date_time_is_an_error(prepared, mark):
    prepared.write(MARKED.format(mark))
    with pytest.raises(SettingsError) as caught:
        [*results_of(prepared(client=Client("a")))]
    assert str(caught.value).startswith(f"{PATHS[OPPORTUNITIES]}: ")
    assert "rows.csv: _sdc_deleted_at of row 1 is not a date-time." in str(caught.value)
    with pytest.raises(SettingsError):
        [*results_of(prepared())]


def test_rows_whose_date_cannot_be_read_are_counted(prepared):
    dates = [LATE, EARLY, "", "NULL", "9/24/2026 15:34", "24.09.2026"]
    rows = "".join(f"g{n},x,{date}\n" for n, date in enumerate(dates))
    prepared.write(f"marketoGUID,name,updatedAt\n{rows}")
    run = prepared()
    assert [len(result.records) for result in results_of(run)] == [5]
    assert (run.stages.counts.changed, run.stages.counts.undated) == (5, 2)


@pytest.mark.parametrize(
    ("limit", "calls"), [(float("inf"), [300, 300, 100]), (5, [300]), (0, [300])]
)
def test_a_dry_run_looks_up_one_call_ofrows_of(prepared, limit, calls):
    prepared.write(rows_of(700))
    client = Client()
    assert [*results_of(prepared(client=client, record_limit=limit))]
    assert [len(keys) for _, keys, _ in client.asked] == calls
