"""One-class support vector machine with an RBF kernel (PyOD's OCSVM), whose boundary encloses normal samples."""

from pyod.models.ocsvm import OCSVM as Method  # noqa: F401

NAME = "One-class SVM"
LABEL = "OCSVM"
PAPER = "Schölkopf et al.: Estimating the Support of a High-Dimensional Distribution. Neural Computation 2001"
PUBLISHED = "The nu-SVM with an RBF kernel."
DIFFERS = "PyOD's defaults are used, on flattened samples: nu = .5 and gamma = 1 / features."
FAMILY = "classical"
DETERMINISTIC = True
