"""An experiment: frozen, checked, and independent of the file it was read from.

The TOML format is a thin reader into these models: keys are the fields, quantities carry units, an unknown
key is an error with the nearest known one. Nothing is simulated or imported here.
"""

from couple.experiment.chemistry.chemistry import Chemistry, Initial
from couple.experiment.drive import ClampCourse, DriveBlock, Events
from couple.experiment.experiment import Experiment
from couple.experiment.link import LinkBlock
from couple.experiment.record import QUANTITIES, Record
from couple.experiment.run import Checkpoint, Run
from couple.experiment.sites.site import RESERVED, GeometryBlock, SiteBlock

__all__ = [
    "QUANTITIES",
    "RESERVED",
    "Checkpoint",
    "Chemistry",
    "ClampCourse",
    "DriveBlock",
    "Events",
    "Experiment",
    "GeometryBlock",
    "Initial",
    "LinkBlock",
    "Record",
    "Run",
    "SiteBlock",
]
