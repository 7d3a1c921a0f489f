"""Isolation forest (PyOD's IForest): a sample that few random cuts isolate is anomalous."""

from pyod.models.iforest import IForest as Method  # noqa: F401

NAME = "Isolation forest"
LABEL = "IForest"
PAPER = "Liu, Ting, Zhou: Isolation Forest. ICDM 2008"
PUBLISHED = "100 trees, each grown on at most 256 samples."
DIFFERS = "PyOD's defaults are used, on flattened samples."
FAMILY = "classical"
