"""Random end-to-end runs of tap and target against a sandbox, judged by a model of the promises.

`make fuzz SECONDS=3600 SEED=7` runs cases until the time is up; `make fuzz SEED=7 CASE=123` runs
one case alone, which a failed case prints as its command. A case draws an instance, the settings
and a history from seed and number: `target_case` delivers a random input, `tap_case` loads a
changing instance. Both run the plugins as processes over HTTP, with faults in calls, with SIGKILL
and SIGTERM at random calls, and start them again from the last STATE or an earlier one.

The models (`target_model`, `tap_case`) are written from README and manual, and import nothing of
the plugins. `quick` shortens the waits in the processes, so that a case takes a second or two.
What a case draws is repeatable; how the threads of a process interleave is not, so a failure may
need some repetitions.
"""
