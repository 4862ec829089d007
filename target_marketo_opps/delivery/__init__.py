"""Send records to Marketo in batches, and determine the outcome of every record.

A record is *settled* when its outcome is known: Marketo has accepted it, or it was rejected.

The main thread decides what to send, and processes the results:

    dispatcher           sends batches and lookups, processes results, releases STATEs
    calls_in_flight      makes calls on worker threads
    settlement           processes the result of a batch
    outcome_recorder     counts outcomes, writes rejects and receipts
    progress_log         logs a line every few seconds

Records wait until they can be sent:

    batches              records to send, and the batches that carry them
    versions             merges several versions of a record into one body
    waiting              all records whose outcome is not known yet
    open_batches         batches that are being filled
    key_queues           queues of records that must be sent in order of arrival
    parked_roles         roles that wait until Marketo has their opportunity
    parked_role_store    keeps these roles in memory, then in a temporary file
    overdue_roles        looks up the opportunities of roles that wait for too long
    opportunity_history  opportunities that were accepted or deleted in this run

Worker threads send batches:

    batch_writer         sends a batch, in as many calls as needed
    bisection            finds the bad records of a refused call
    version_search       finds the bad versions of a rejected record
    stored_records       compares a batch with the records in Marketo
    key_lookup           looks up records by key
    comparison           compares two records
    outcomes             outcomes of records and batches
    dry_run              predicts outcomes instead of sending
    predicted_records    what a dry run would have written

Leads of roles are looked up before the roles are sent:

    lead_lookup          starts lookups, and gives their results to the roles
    lead_query           makes the calls of a lookup, on worker threads
    lookup_size          decides how many values a call looks up
    lead_choice          chooses the lead of a role
    known_leads          remembers the lead of each value
    lead_counts          counts lookups for the closing line

The run is reported in files and log lines:

    rejects              the file at `rejects_path`
    reject_policy        counts rejects, and ends the run if there are too many
    reject_causes        log lines about rejects
    receipts             the file at `receipts_path`
    diff                 the file at `diff_path`
    counters             counts records, and describes them in log lines
    attribution          counts opportunities that attribution in Marketo cannot use
"""
