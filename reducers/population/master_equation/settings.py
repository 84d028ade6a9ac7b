"""The table [master_equation]."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from couple.base.schema import Block, Integer
from couple.base.units import with_unit
from reducers.population.master_equation.network import Activation

Time = Annotated[float, with_unit("time")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Rate = Annotated[float, with_unit("rate of first order")]


class MasterEquationBlock(Block):
    """Two-state neurons that activate at rate × f(Σ w s + input + drive) and decay.

    neurons:    of the network.
    degree:     synapses of each neuron on others that are drawn; 0 for all of them.
    weight:     sum of the weights of the synapses of an excitatory neuron.
    inhibitory: share of the neurons that inhibit. inhibition: sum of the weights of those.
    activation: f: "logistic", "tanh" (of what is above 0) or "linear" (between 0 and 1).
    rate:       of activation where f is 1. decay: of active neurons.
    input:      to all neurons, in the unit of f's argument. spread: standard deviation of it over neurons.
    drive:      amplitude of a common input, drawn anew in every step: normal, mean 0. step: how long it stays.
    every:      time between states. duration: of the run. settle: before the first state.
    """

    neurons: Integer = Field(ge=2, le=1_000_000)
    degree: Integer = Field(default=0, ge=0)
    weight: Finite = 1.0
    inhibitory: Finite = Field(default=0.0, ge=0, lt=1)
    inhibition: Finite = Field(default=1.0, ge=0)
    activation: Activation = "tanh"
    rate: Rate = Field(default=1.0, gt=0)
    decay: Rate = Field(gt=0)
    input: Finite = 0.01
    spread: Finite = Field(default=0.0, ge=0)
    drive: Finite = Field(default=0.0, ge=0)
    step: Time = Field(default=10.0, gt=0)
    every: Time = Field(gt=0)
    duration: Time = Field(gt=0)
    settle: Time = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.degree >= self.neurons:
            raise ValueError(f"degree: {self.neurons} neurons have at most {self.neurons - 1} others")
        if self.duration < self.every:
            raise ValueError(f"every: {self.every:g} ms is more than the {self.duration:g} ms of the run")
        return self
