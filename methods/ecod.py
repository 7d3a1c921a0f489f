"""Tail probabilities of empirical distributions (PyOD's ECOD); a score depends on the other test samples."""

from pyod.models.ecod import ECOD as Method  # noqa: F401

NAME = "Empirical cumulative distribution outlier detection"
LABEL = "ECOD"
PAPER = "Li et al.: ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution Functions. TKDE 2022"
PUBLISHED = "Tail probabilities of each dimension: the largest of the left, the right and the skewness-corrected one."
DIFFERS = "PyOD's class is used, on flattened samples. It is transductive: test rows enter the distributions."
FAMILY = "classical"
SUITES = ("extended", "paper-cpu", "paper-quick")
DETERMINISTIC = True
TRANSDUCTIVE = True
