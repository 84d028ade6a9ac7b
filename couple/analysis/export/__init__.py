"""Records, chemistry and surfaces for other programs."""

from couple.analysis.export.export import FORMS, export

__all__ = ["FORMS", "export"]
