"""Weighted distance to the principal axes of the training data (PyOD's PCA)."""

from pyod.models.pca import PCA as Method  # noqa: F401

NAME = "Principal component classifier"
LABEL = "PCA"
PAPER = "Shyu et al.: A Novel Anomaly Detection Scheme Based on Principal Component Classifier. ICDM Workshops 2003"
MODALITIES = ("image", "series", "audio")
DETERMINISTIC = True
