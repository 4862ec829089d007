"""Random end-to-end runs of tap and target against a sandbox, judged by a model of the promises.

`make fuzz SECONDS=3600 SEED=7` plays cases until the time is up; `make fuzz SEED=7 CASE=123` plays
one case alone, which is the command that a failed case prints. A case draws an instance, settings
and a history from seed and number: `target_case` delivers a random input, `tap_case` loads a
changing instance, `log_case` its activity log, `pipe_case` pipes a tap into a target, and
`crowd_case` runs several processes on one `limits_path`. They run the plugins as processes over
HTTP, with faults in calls, with SIGKILL, SIGTERM and SIGINT at random calls, and start them again
from the last STATE or an earlier one.

`target_model` and `tap_model` are written from README and manual, and import nothing of plugins.
`target_judge` and `witness` compare STATEs, receipts, rejects and the instance with them. `quick`
shortens the waits in the processes and makes calls small, so that a case takes a second or two.
What a case draws is repeatable; how the threads of a process interleave is not, so that a failure
may need some repetitions. At the end the counts are printed, and appended to the file `COUNTS`.
"""
