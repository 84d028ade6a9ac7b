"""What `couple sample` costs besides the runs: a hundred runs per second and core need less than 10 ms in all.

python tests/bench/ensembles.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from figures import report

sys.path.insert(0, str(Path(__file__).parent.parent))
from couple.ensemble import sample
from couple.ensemble.sampler import Sampler
from support.ensembles import birth_death

WINDOWS, RUNS = 500, 300


def main() -> None:
    """One JSON line per figure, in CPU seconds of this process."""
    for engine in ("ssa", "lattice"):
        experiment = birth_death("250 ms", engine)
        sampler = Sampler(experiment)
        for run in range(5):
            sampler.run(run)
        begun, loop = time.process_time(), 0.0
        for run in range(100):
            loop += sampler.run(run).seconds
        whole = (time.process_time() - begun) / 100
        report(f"{engine}: a run of {WINDOWS} windows", 1e3 * loop / 100, "ms")
        report(f"{engine}: setting back before it", 1e3 * (whole - loop / 100), "ms", 2.0)
        with tempfile.TemporaryDirectory() as folder:
            begun = time.process_time()
            sample(experiment, RUNS, 1, folder, jobs=1).close()
            cpu = time.process_time() - begun
            extra = cpu / RUNS - loop / 100
            report(f"{engine}: all besides, of {RUNS} runs and their file, a run", 1e3 * extra, "ms", 5.0)


if __name__ == "__main__":
    main()
