"""One-class support vector machine with an RBF kernel (PyOD's OCSVM)."""

from pyod.models.ocsvm import OCSVM as Method  # noqa: F401

NAME = "One-class SVM"
LABEL = "OCSVM"
PAPER = "Schölkopf et al.: Estimating the Support of a High-Dimensional Distribution. Neural Computation 2001"
MODALITIES = ("image", "series", "audio")
DETERMINISTIC = True
