"""Voltages and spikes of a run as a SONATA report."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from couple import Experiment, Results, Simulation
from couple.analysis.export import export
from support.paths import EXAMPLES


def test_a_report_has_every_voltage_under_its_section_and_place(tmp_path: Path) -> None:
    changes = ["site.head.engine=ode", "experiment.duration=20 ms"]
    Simulation.new(Experiment.load(EXAMPLES / "spine" / "spine.toml", changes), tmp_path / "out").run()
    with Results(tmp_path / "out") as results:
        path = export(results, "sonata")
        assert path.name == "results.sonata.h5"
        voltages, time = results.voltages(), results.time
    with h5py.File(path) as file:
        report = file["report/couple"]
        mapping = report["mapping"]
        sections = list(mapping.attrs["sections"])
        assert report["data"].shape == (len(time), len(voltages)) and report["data"].attrs["units"] == "mV"
        assert mapping["node_ids"][...].tolist() == [0]
        assert mapping["index_pointers"][...].tolist() == [0, len(voltages)]
        start, stop, step = mapping["time"][...]
        assert (start, step) == pytest.approx((time[0], time[1] - time[0])) and stop == pytest.approx(time[-1] + step)
        for k, (element, x) in enumerate(zip(mapping["element_ids"], mapping["element_pos"], strict=True)):
            name = f"{sections[element]}({x:g})"
            np.testing.assert_allclose(report["data"][:, k], voltages[name], rtol=1e-6)
        spikes = file["spikes/couple"]
        assert len(spikes["timestamps"]) == len(spikes["node_ids"])
