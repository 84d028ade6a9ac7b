"""A rule that takes the finer engine for a while and comes back."""


def gridded(now):
    """The voxels in the middle of two milliseconds."""
    return "gridded" if 0.4 <= now.time < 1.3 else "langevin"
