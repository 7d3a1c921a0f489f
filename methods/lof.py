"""Local outlier factor (PyOD's LOF): a sample in a sparser place than its neighbours is anomalous."""

from pyod.models.lof import LOF as Method  # noqa: F401

NAME = "Local outlier factor"
LABEL = "LOF"
PAPER = "Breunig et al.: LOF: Identifying Density-Based Local Outliers. SIGMOD 2000"
PUBLISHED = "The density around a sample, relative to the density around its neighbours."
DIFFERS = "PyOD's defaults are used, on flattened samples: 20 neighbours, which are training samples."
FAMILY = "classical"
SUITES = ("extended", "paper-cpu", "paper-quick")
DETERMINISTIC = True
