"""Histogram-based outlier score (PyOD's HBOS): a row is anomalous if its numbers are rare in their columns."""

from pyod.models.hbos import HBOS as Method  # noqa: F401

NAME = "Histogram-based outlier score"
LABEL = "HBOS"
PAPER = "Goldstein, Dengel: Histogram-Based Outlier Score (HBOS). KI 2012"
PUBLISHED = "The sum over columns of the negative log density of a histogram."
DIFFERS = "PyOD's defaults are used: 10 bins. They are those of 2023."
FAMILY = "classical"
MODALITIES = ("tabular",)
SUITES = ("dte",)
DETERMINISTIC = True
