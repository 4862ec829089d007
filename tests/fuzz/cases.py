"""Play one case by its seed and number, and describe its failure."""

from __future__ import annotations

import random
import shutil
import tempfile
import traceback
import typing as t
from pathlib import Path

from tests.fuzz.crowd_case import CrowdCase
from tests.fuzz.log_case import LogCase
from tests.fuzz.pipe_case import PipeCase
from tests.fuzz.runs import FoundError, Tally
from tests.fuzz.tap_case import TapCase
from tests.fuzz.target_case import TargetCase

CASES = [*[TapCase] * 8, *[TargetCase] * 8, *[LogCase] * 3, *[PipeCase] * 3, CrowdCase]


def play_case(seed: int, number: int, tally: Tally) -> str | None:
    """Play a case; return the description of its failure, or None if it has passed."""
    directory = Path(tempfile.mkdtemp(prefix="marketo-fuzz-"))
    dice = random.Random(f"{seed}:{number}")
    settings: t.Any = None
    try:
        case = dice.choice(CASES)(dice, directory, tally)
        settings = case.settings
        try:
            case.play()
        finally:
            case.close()
    except Exception as error:  # noqa: BLE001 - reported, and the next case is played
        what = str(error) if isinstance(error, FoundError) else traceback.format_exc()
        again = f"make fuzz SEED={seed} CASE={number}"
        return (
            f"FAILED  {again}   (files: {directory})\n        settings: {settings}\n        {what}"
        )
    shutil.rmtree(directory)
    return None
