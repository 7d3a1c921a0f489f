"""Distance to the k-th nearest training sample (PyOD's KNN, k = 5)."""

from pyod.models.knn import KNN as Method  # noqa: F401

NAME = "k-nearest neighbours"
LABEL = "kNN"
PAPER = "Ramaswamy, Rastogi, Shim: Efficient Algorithms for Mining Outliers from Large Data Sets. SIGMOD 2000"
PUBLISHED = "The distance to the k-th nearest neighbour."
DIFFERS = (
    "PyOD's defaults are used, on flattened samples: k = 5 and Euclidean distance. Neighbours are training samples."
)
FAMILY = "classical"
DETERMINISTIC = True
