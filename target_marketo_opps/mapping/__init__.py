"""Map Singer records to Marketo records, without calls to Marketo.

A stream is matched with an object and its fields, once per SCHEMA:

    routing              decides which object a stream is written to
    field_map            applies the setting `field_map`
    field_plan           decides which field each property is written to
    lead_properties      finds the properties of a role that are about its lead
    lead_field           validates the setting `lead_lookup_field`
    stream_notes         collects what is not written, for log lines

Then each record is mapped:

    record_mapping       maps records, field by field or fast
    fast_encoder         validates and encodes records that need no conversion
    lookup_role_mapping  maps roles whose lead is looked up
    mapped_record        the result of mapping a record
    keys                 key fields, and keys in log lines
    delete_mark          decides whether a record is to be deleted
"""
