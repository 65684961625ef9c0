"""Start-up time of commands, which every stage pays before it does any work."""

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "train_help_seconds": [sys.executable, "-m", "stages.train", "--help"],
    "simulate_help_seconds": [sys.executable, "-m", "stages.simulate", "--help"],
    "import_torch_seconds": [sys.executable, "-c", "import torch"],
}


def row(settings, steps: int, rounds: int) -> dict:
    """Median seconds over the rounds."""
    seconds = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, line in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - start)
    return {name: round(statistics.median(times), 2) for name, times in seconds.items()}
