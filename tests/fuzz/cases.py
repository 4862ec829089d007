"""Play one case by its seed and number, and describe its failure."""

from __future__ import annotations

import random
import shutil
import tempfile
import traceback
from pathlib import Path

from tests.fuzz.runs import FoundError, Tally
from tests.fuzz.tap_case import TapCase
from tests.fuzz.target_case import TargetCase


def play_case(seed: int, number: int, tally: Tally) -> str | None:
    """Play a case; return the description of its failure, or None if it has passed."""
    directory = Path(tempfile.mkdtemp(prefix="marketo-fuzz-"))
    dice = random.Random(f"{seed}:{number}")
    case = dice.choice([TapCase, TargetCase])(dice, directory, tally)
    try:
        case.play()
        case.close()
    except FoundError as found:
        return _failure(seed, number, case, str(found), directory)
    except Exception:  # noqa: BLE001 - reported, and the next case is played
        return _failure(seed, number, case, traceback.format_exc(), directory)
    finally:
        case.close()
    shutil.rmtree(directory)
    return None


def _failure(seed: int, number: int, case: TapCase | TargetCase, what: str, directory: Path) -> str:
    return (
        f"FAILED  make fuzz SEED={seed} CASE={number}   (files: {directory})\n"
        f"        settings: {case.settings}\n        {what}"
    )
