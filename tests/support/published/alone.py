"""Models in NEURON alone, as their authors run them: python -m support.published.alone FOLDER LIBRARY DURATION NAME...

In FOLDER/NAME lies cell.hoc; beside it V of soma(0.5) is put, at every step, as alone.npy. Each model has a process of
its own, a fork of one that has nothing but NEURON.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from neuron import h

from support.published.traits import TRAITS

DT = 0.025


def run(folder: Path, library: str, duration: float, start: str) -> None:
    """One model, in this process."""
    os.chdir(folder)
    assert h.nrn_load_dll(library) == 1.0
    h.load_file(1, "cell.hoc")
    soma = next(s for s in h.allsec() if s.name().endswith("soma"))
    v = h.Vector().record(soma(0.5)._ref_v)
    h.dt = DT
    h(start)
    while h.t < duration - DT / 2:
        h.fadvance()
    np.save("alone.npy", np.array(v))


def main() -> None:
    """All models of the command line."""
    place, library, duration, *names = sys.argv[1:]
    traits = {trait.name: trait for trait in TRAITS}
    for name in names:
        child = os.fork()
        if not child:
            code = 1
            try:
                run(Path(place, name), library, float(duration), traits[name].start)
                code = 0
            finally:
                os._exit(code)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
