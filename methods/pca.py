"""Weighted distance to the principal axes of the training data (PyOD's PCA)."""

from pyod.models.pca import PCA as Method  # noqa: F401

NAME = "Principal component classifier"
LABEL = "PCA"
PAPER = "Shyu et al.: A Novel Anomaly Detection Scheme Based on Principal Component Classifier. ICDM Workshops 2003"
PUBLISHED = "Components of the standardised training data, of which small ones weigh more."
DIFFERS = (
    "PyOD's score is used: distances to the unit eigenvectors over the explained variance ratios, where the paper "
    "sums squared component scores over eigenvalues."
)
FAMILY = "classical"
DETERMINISTIC = True
