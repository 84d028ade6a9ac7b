"""Where the next simulations are made, and estimates without a flow. Imports density and what is below it."""
