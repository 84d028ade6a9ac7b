"""What the kernels of well-mixed engines return, below 8 so that a site's number fits beside it."""

OK, COLLAPSED, NEGATIVE, BAD_PROPENSITY, BAD_INFLUX, TOO_FEW, BAD_CLAMP = range(7)
