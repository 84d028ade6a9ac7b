"""Records for other programs: CSV, Parquet, NWB."""

from couple.analysis.export.export import FORMS, export

__all__ = ["FORMS", "export"]
