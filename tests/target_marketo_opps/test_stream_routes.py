"""Which sinks take the records of a stream, under which of its SCHEMAs."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from singer_sdk.mapper import PluginMapper

from marketo_opps import SettingsError
from target_marketo_opps.errors import InputError
from target_marketo_opps.sample import Sample
from target_marketo_opps.stream_routes import StreamRoutes

PROPERTIES = {"id": {"type": "string"}, "name": {"type": "string"}}


def schema(stream="crm", keys=("id",), properties=PROPERTIES, **more):
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": properties, **more},
        "key_properties": [*keys],
    }


class FakeSink:
    """Notes what it is asked to do."""

    def __init__(self, name, stream_schema, keys):
        self.stream_name, self.schema, self.keys = name, stream_schema, keys
        self.taken, self.rejected, self.prepared, self.ends = [], [], [], 0

    def prepare(self, *given, is_excluded, line_number):
        self.prepared.append((*given, is_excluded, line_number()))

    def take(self, record, stream, source):
        self.taken.append((record, stream, source))

    def reject(self, reasons, record, stream, source):
        self.rejected.append(([each.message for each in reasons], record, stream, source))

    def clean_up(self):
        self.ends += 1


class Routes:
    """Routes with fake sinks, in the order in which they were made."""

    def __init__(self, **config):
        self.sinks, self.noted = [], []
        report = SimpleNamespace(
            note_stream=lambda *names: self.noted.append(names),
            notes_of=lambda name: f"notes of {name}",
        )
        reader = SimpleNamespace(line_number=7, error=InputError)
        self.routes = StreamRoutes(
            reader=reader,
            mapper=PluginMapper(config, logging.getLogger("test")),
            make_sink=self._make,
            run=lambda: "the run",
            report=report,
            sample=Sample(None),
        )

    def _make(self, *given):
        self.sinks.append(FakeSink(*given))
        return self.sinks[-1]

    def use(self, message):
        """Return the number of sinks that the SCHEMA made."""
        before = len(self.sinks)
        self.routes.use_schema(message)
        return len(self.sinks) - before

    def take(self, record, stream="crm"):
        self.routes.current[stream](record, b"line")


def test_a_sink_is_made_and_prepared_for_a_schema():
    routes = Routes()
    assert routes.use(schema()) == 1
    (sink,) = routes.sinks
    assert (sink.stream_name, sink.schema, sink.keys) == ("crm", schema()["schema"], ["id"])
    assert sink.prepared == [("the run", "notes of crm", False, 7)]
    assert routes.noted == [("crm", "crm")]
    routes.take({"id": "1", "other": 2})
    assert sink.taken == [({"id": "1", "other": 2}, "crm", b"line")]


def test_a_renamed_stream_has_the_new_name_in_its_notes():
    routes = Routes(stream_maps={"crm": {"__alias__": "deals", "key": "id", "id": None}})
    routes.use(schema(keys=()))
    (sink,) = routes.sinks
    assert sink.stream_name == "deals"
    assert sink.prepared[0][1] == "notes of deals"
    assert routes.noted == [("crm", "deals")]


def test_key_properties_are_those_after_the_maps():
    maps = {"crm": {"key": "id", "__key_properties__": ["key"]}}
    routes = Routes(stream_maps=maps)
    routes.use(schema())
    assert routes.sinks[0].keys == ["key"]


def test_records_are_flattened_if_the_settings_ask_for_it():
    routes = Routes(flattening_enabled=True, flattening_max_depth=1)
    name = {"type": "object", "properties": {"first": {"type": "string"}}}
    routes.use(schema(properties={"id": {}, "name": name}))
    routes.take({"id": "1", "name": {"first": "Ann"}})
    assert [taken for taken, *_ in routes.sinks[0].taken] == [{"id": "1", "name__first": "Ann"}]


def test_a_stream_that_is_copied_goes_to_both_sinks():
    routes = Routes(stream_maps={"copy": {"__source__": "crm"}})
    assert routes.use(schema()) == 2
    routes.take({"id": "1"})
    assert {sink.stream_name: len(sink.taken) for sink in routes.sinks} == {"crm": 1, "copy": 1}


def test_a_schema_that_comes_again_uses_its_sinks_again():
    routes = Routes()
    assert [
        routes.use(each) for each in (schema(), schema(keys=()), schema(), schema(keys=()))
    ] == [
        1,
        1,
        0,
        0,
    ]
    routes.use(schema())
    routes.take({"id": "1"})
    assert [len(each.taken) for each in routes.sinks] == [1, 0]


def test_of_many_schemas_the_ones_used_last_are_kept():
    routes = Routes()
    many = [schema(properties={f"p{n}": {}}) for n in range(100)]
    assert sum(map(routes.use, many)) == 100
    assert routes.use(many[0]) == 0
    assert routes.use(schema()) == 1
    assert [sink.ends for sink in routes.sinks[:3]] == [0, 1, 0]
    assert routes.use(many[1]) == 1
    assert routes.use(many[0]) == 0


def test_the_current_sinks_of_a_stream_are_never_forgotten():
    routes = Routes()
    routes.use(schema("roles"))
    for number in range(150):
        routes.use(schema(properties={f"p{number}": {}}))
    assert routes.sinks[0].ends == 0
    assert routes.use(schema("roles")) == 0


def test_at_the_end_the_sinks_report_their_counts():
    routes = Routes()
    routes.use(schema())
    routes.use(schema("roles"))
    routes.routes.clean_up()
    assert [sink.ends for sink in routes.sinks] == [1, 1]


@pytest.mark.parametrize(
    ("allowed", "taken"),
    [
        ({}, {"id": "1", "extra": 2, "key": "1"}),
        ({"additionalProperties": True}, {"id": "1", "extra": 2, "key": "1"}),
        ({"additionalProperties": False}, {"id": "1", "key": "1"}),
    ],
)
def test_maps_see_only_properties_that_the_schema_allows(allowed, taken):
    routes = Routes(stream_maps={"crm": {"key": "id"}})
    routes.use(schema(**allowed))
    routes.take({"id": "1", "extra": 2})
    assert routes.sinks[0].taken == [(taken, "crm", b"line")]


def test_a_failing_map_rejects_the_record_and_leaves_the_copy_alone():
    maps = {"crm": {"key": "1 / 0"}, "copy": {"__source__": "crm"}}
    routes = Routes(stream_maps=maps)
    assert routes.use(schema()) == 2
    routes.take({"id": "1"})
    broken, copy = sorted(routes.sinks, key=lambda sink: sink.stream_name, reverse=True)
    assert broken.taken == []
    assert broken.rejected == [
        (
            ["stream_maps fails on 'key' (1 / 0) with ZeroDivisionError"],
            {"id": "1"},
            "crm",
            b"line",
        )
    ]
    assert [record for record, _, _ in copy.taken] == [{"id": "1"}]


def test_a_removed_stream_is_prepared_as_excluded():
    routes = Routes(stream_maps={"crm": None})
    routes.use(schema())
    assert routes.sinks[0].prepared[0][2] is True


def test_a_schema_that_the_sdk_cannot_read_is_an_input_error():
    routes = Routes(stream_maps={"crm": {"key": "id"}})
    with pytest.raises(InputError, match=r"failed on the schema of stream 'crm' \(\w+Error\)"):
        routes.use(schema(properties=5))


@pytest.mark.parametrize("maps", [{"crm": {"name": ""}}, {"x": {"__source__": "c*", "name": ""}}])
def test_an_invalid_expression_is_an_error_of_the_setting(maps):
    (key,) = maps
    with pytest.raises(SettingsError, match=rf"'stream_maps'\['{key}'\]\['name'\]: must be a"):
        Routes(stream_maps=maps).use(schema())


def test_an_invalid_expression_for_another_stream_is_ignored():
    assert Routes(stream_maps={"other": {"name": ""}}).use(schema()) == 1


def test_a_dropped_stream_takes_nothing():
    routes = Routes()
    routes.use(schema())
    routes.routes.drop("crm")
    routes.take({"id": "1"})
    assert routes.sinks[0].taken == []
