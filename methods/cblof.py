"""Cluster-based local outlier factor (PyOD's CBLOF): a row far from the centres of the large clusters is anomalous."""

from pyod.models.cblof import CBLOF as Method  # noqa: F401

NAME = "Cluster-based local outlier factor"
LABEL = "CBLOF"
PAPER = "He, Xu, Deng: Discovering Cluster-Based Local Outliers. Pattern Recognition Letters 24, 2003"
PUBLISHED = "The distance to the centre of the nearest large cluster of k-means."
DIFFERS = (
    "PyOD's defaults are used: 8 clusters, of which the large ones hold 90% of the rows or are 5 times as large as the "
    "next. They are those of 2023."
)
FAMILY = "classical"
MODALITIES = ("tabular",)
SUITES = ("dte",)
