"""Numbers of runs: measures of a record, features of eFEL, functions of users. May import storage and what is below."""

from couple.analysis.features.feature import Feature, feature
from couple.analysis.features.table import FeatureTable, features

__all__ = ["Feature", "FeatureTable", "feature", "features"]
