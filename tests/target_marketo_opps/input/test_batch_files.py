"""Test records in BATCH files: order, calls, stream maps and STATE."""

from __future__ import annotations

import gzip
import json

import pytest

from target_marketo_opps.errors import InputError
from target_marketo_opps.input.batch_files import batch_records


def file_of(path, records) -> str:
    lines = "".join(json.dumps(record) + "\n" for record in records)
    path.write_bytes(gzip.compress(lines.encode()))
    return path.as_uri()


def batch(*urls, stream="opportunities"):
    encoding = {"format": "jsonl", "compression": "gzip"}
    return {"type": "BATCH", "stream": stream, "encoding": encoding, "manifest": list(urls)}


def opportunities(numbers, name="first"):
    return [{"externalOpportunityId": f"K{number}", "name": name} for number in numbers]


def asked(sandbox) -> list[int]:
    return sorted(call["asked"] for call in sandbox.journal(operation="sync opportunity"))


def names(sandbox) -> dict[str, str]:
    held = sandbox.instance.opportunities()
    return {each["externalOpportunityId"]: each["name"] for each in held}


@pytest.mark.parametrize("directory", ["my dir", "my%20dir", "täglich"])
@pytest.mark.parametrize(
    "url",
    [
        lambda path: path.as_uri(),
        lambda path: f"file://{path}",
        lambda path: f"file://localhost{path}",
        str,
    ],
    ids=["encoded", "plain", "of this host", "path"],
)
def test_file_is_found_by_every_form_of_url(marketo_sandbox, singer, tmp_path, directory, url):
    path = tmp_path / directory / "1.gz"
    path.parent.mkdir()
    file_of(path, opportunities([1]))

    singer.run(marketo_sandbox, [singer.schema(), batch(url(path))]).succeeded()

    assert names(marketo_sandbox) == {"K1": "first"}
    assert list(tmp_path.iterdir()) == [path.parent]


@pytest.mark.parametrize("url", ["file://{}/none/1.gz", "{}/none/1.gz", "{}/no%20ne/1.gz"])
def test_a_missing_batch_file_is_an_error_and_is_not_created(
    marketo_sandbox, singer, tmp_path, url
):
    run = singer.run(marketo_sandbox, [singer.schema(), batch(url.format(tmp_path))])

    assert str(run.error).startswith("The BATCH file '1.gz' cannot be read: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [AttributeError, ImportError, RuntimeError, KeyError])
def test_the_error_of_a_storage_does_not_quote_the_signature(
    marketo_sandbox, singer, monkeypatch, kind
):
    def fail(url):
        raise kind(f"no access\nto {url}")

    monkeypatch.setattr("target_marketo_opps.input.batch_files.StorageTarget.split_url", fail)
    run = singer.run(
        marketo_sandbox, [singer.schema(), batch("s3://bucket/1.gz?sig=hush"), singer.state(1)]
    )

    assert isinstance(run.error, InputError)
    assert str(run.error).startswith("The BATCH file '1.gz' cannot be read: ")
    assert "hush" not in str(run.error)
    assert "\n" not in str(run.error)
    assert run.states == []


def test_other_storage_is_read_by_the_sdk(marketo_sandbox, singer, tmp_path):
    url = file_of(tmp_path / "1.gz", opportunities([1])).replace("file:", "local:")

    singer.run(marketo_sandbox, [singer.schema(), batch(url)]).succeeded()

    assert names(marketo_sandbox) == {"K1": "first"}


def test_all_files_of_a_message_fill_the_same_calls(marketo_sandbox, singer, tmp_path):
    urls = [
        file_of(tmp_path / f"{start}.gz", opportunities(range(start, start + 200)))
        for start in (0, 200, 400)
    ]

    singer.run(marketo_sandbox, [singer.schema(), batch(*urls)]).succeeded()

    assert names(marketo_sandbox).keys() == {f"K{number}" for number in range(600)}
    assert asked(marketo_sandbox) == [300, 300]


def test_later_file_wins_and_later_record_wins_over_files(marketo_sandbox, singer, tmp_path):
    first = file_of(tmp_path / "1.gz", opportunities(range(3)))
    second = file_of(tmp_path / "2.gz", opportunities(range(1, 3), name="second"))
    messages = [singer.schema(), batch(first, second), singer.opportunity("K2", name="third")]

    singer.run(marketo_sandbox, messages).succeeded()

    assert names(marketo_sandbox) == {"K0": "first", "K1": "second", "K2": "third"}


def test_a_state_waits_for_the_records_of_the_files_before_it(marketo_sandbox, singer, tmp_path):
    known = file_of(tmp_path / "known.gz", opportunities(range(300)))
    unknown = file_of(tmp_path / "unknown.gz", opportunities([999]))
    singer.run(marketo_sandbox, [singer.schema(), batch(known)]).succeeded()
    messages = [singer.schema(), batch(known), singer.state(1), batch(unknown), singer.state(2)]

    # Marketo skips the last record, which exceeds max_rejects. One call at a time: a STATE that is
    # released after a failure is not written.
    run = singer.run(marketo_sandbox, messages, action="updateOnly", max_concurrent_calls=1)

    assert run.error is not None
    assert run.states == [1]


def test_stream_maps_apply_to_the_records_of_files(marketo_sandbox, singer, tmp_path):
    url = file_of(tmp_path / "1.gz", [{"id": 1, "title": "One"}, {"id": 2, "title": "Two"}])
    maps = {
        "deals": {
            "__filter__": "id > 1",
            "externalOpportunityId": "'D' + str(id)",
            "name": "title",
        }
    }
    messages = [singer.schema("deals", ("id", "title")), batch(url, stream="deals")]

    singer.run(marketo_sandbox, messages, stream_maps=maps).succeeded()

    assert names(marketo_sandbox) == {"D2": "Two"}


# Without a run


PLAIN = {"format": "jsonl", "compression": "none"}


def plain_file(tmp_path, content):
    path = tmp_path / "1.jsonl"
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("encoding", [PLAIN, {"format": "jsonl"}])
def test_records_of_a_plain_file_come_with_their_lines(tmp_path, encoding):
    path = plain_file(tmp_path, b'{"a":1}\n\n{"type":"RECORD","record":2}')
    assert list(batch_records(encoding, [path])) == [
        ({"a": 1}, b'{"a":1}\n'),
        ({"type": "RECORD", "record": 2}, b'{"type":"RECORD","record":2}'),
    ]


@pytest.mark.parametrize("scheme", ["file:", "FILE:", "File://"])
def test_scheme_of_a_local_file_is_read_in_any_case(tmp_path, scheme):
    path = plain_file(tmp_path, b"{}\n")
    assert [record for record, _ in batch_records(PLAIN, [scheme + path])] == [{}]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"type":"RECORD","record":{}}', "it is a Singer message, but a BATCH file must contain"),
        (b'{"a":}', "it is not valid JSON at column 6"),
        (b"[1]", "it is JSON, but not an object.$"),
        (b"null", "it is JSON, but not an object.$"),
    ],
)
def test_unusable_line_of_a_file_is_named(tmp_path, line, words):
    path = plain_file(tmp_path, b"{}\n\n" + line + b"\n")
    with pytest.raises(InputError, match=f"^Line 3 of the BATCH file '1.jsonl': {words}"):
        list(batch_records(PLAIN, [path]))


@pytest.mark.parametrize(
    "encoding",
    [None, "jsonl", {}, {"format": "parquet"}, {"format": "jsonl", "compression": "zstd"}],
)
def test_encoding_that_cannot_be_read_is_an_error(encoding):
    with pytest.raises(InputError, match="has an unsupported encoding: set the tap's batch_config"):
        list(batch_records(encoding, []))


@pytest.mark.parametrize("manifest", [None, "file:///x", {"a": 1}, [1], [""], ["/x", " "]])
def test_manifest_without_file_names_is_an_error(manifest):
    with pytest.raises(InputError, match="is not a list of file URLs"):
        list(batch_records(PLAIN, manifest))
