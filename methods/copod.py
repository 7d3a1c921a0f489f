"""Tail probabilities of empirical copulas (PyOD's COPOD); a score depends on the other test samples."""

from pyod.models.copod import COPOD as Method  # noqa: F401

NAME = "Copula-based outlier detection"
LABEL = "COPOD"
PAPER = "Li et al.: COPOD: Copula-Based Outlier Detection. ICDM 2020"
PUBLISHED = "Tail probabilities of the empirical copula, corrected for skewness."
DIFFERS = "PyOD's class is used, on flattened samples. It is transductive: test rows enter the distributions."
FAMILY = "classical"
SUITES = ("extended", "paper-cpu", "paper-quick")
DETERMINISTIC = True
TRANSDUCTIVE = True
