"""The models by their names in files."""

from __future__ import annotations

from reducers.population.models.dichotomised_gaussian import DichotomisedGaussian
from reducers.population.models.energy.machines import KPairwise, Pairwise, Restricted, SemiRestricted
from reducers.population.models.given_count import (
    Homogeneous,
    PopulationCoupling,
    PopulationTracking,
    TrackingLikelihood,
)
from reducers.population.models.independent import Independent
from reducers.population.models.logistic import CascadedLogistic, HistoryGLM
from reducers.population.models.model import PatternModel

MODELS: dict[str, type[PatternModel]] = {
    model.KIND: model
    for model in (
        *(Independent, Homogeneous, PopulationCoupling, PopulationTracking, TrackingLikelihood),
        *(DichotomisedGaussian, Pairwise, KPairwise, Restricted, SemiRestricted, CascadedLogistic, HistoryGLM),
    )
}
