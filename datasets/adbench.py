"""ADBench: tables as rows, and images and texts as the embeddings of a pretrained network (Han et al. 2022)."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from anomark.contracts import Array, DataError, Prepared
from anomark.data.rawfiles import RawFiles
from anomark.data.rows import halves, split_rows

NAME = "ADBench"
LABEL = "ADBench"
MODALITY = "tabular"
LEVEL = "row"
LICENCE = "BSD-2 (the collection); each table by its owner's licence"
SOURCE = "https://github.com/Minqi824/ADBench"
CITATION = "Han et al.: ADBench: Anomaly Detection Benchmark, NeurIPS 2022"
#: The owner's file of each item. Items bear the names of Livernoche et al. 2024, table by table.
ITEMS = {
    "aloi": {"file": "Classical/1_ALOI"},
    "annthyroid": {"file": "Classical/2_annthyroid"},
    "backdoor": {"file": "Classical/3_backdoor"},
    "breastw": {"file": "Classical/4_breastw"},
    "campaign": {"file": "Classical/5_campaign"},
    "cardio": {"file": "Classical/6_cardio"},
    "cardiotocography": {"file": "Classical/7_Cardiotocography"},
    "celeba": {"file": "Classical/8_celeba"},
    "census": {"file": "Classical/9_census"},
    "cover": {"file": "Classical/10_cover"},
    "donors": {"file": "Classical/11_donors"},
    "fault": {"file": "Classical/12_fault"},
    "fraud": {"file": "Classical/13_fraud"},
    "glass": {"file": "Classical/14_glass"},
    "hepatitis": {"file": "Classical/15_Hepatitis"},
    "http": {"file": "Classical/16_http"},
    "internetads": {"file": "Classical/17_InternetAds"},
    "ionosphere": {"file": "Classical/18_Ionosphere"},
    "landsat": {"file": "Classical/19_landsat"},
    "letter": {"file": "Classical/20_letter"},
    "lymphography": {"file": "Classical/21_Lymphography"},
    "magic.gamma": {"file": "Classical/22_magic.gamma"},
    "mammography": {"file": "Classical/23_mammography"},
    "mnist": {"file": "Classical/24_mnist"},
    "musk": {"file": "Classical/25_musk"},
    "optdigits": {"file": "Classical/26_optdigits"},
    "pageblocks": {"file": "Classical/27_PageBlocks"},
    "pendigits": {"file": "Classical/28_pendigits"},
    "pima": {"file": "Classical/29_Pima"},
    "satellite": {"file": "Classical/30_satellite"},
    "satimage-2": {"file": "Classical/31_satimage-2"},
    "shuttle": {"file": "Classical/32_shuttle"},
    "skin": {"file": "Classical/33_skin"},
    "smtp": {"file": "Classical/34_smtp"},
    "spambase": {"file": "Classical/35_SpamBase"},
    "speech": {"file": "Classical/36_speech"},
    "stamps": {"file": "Classical/37_Stamps"},
    "thyroid": {"file": "Classical/38_thyroid"},
    "vertebral": {"file": "Classical/39_vertebral"},
    "vowels": {"file": "Classical/40_vowels"},
    "waveform": {"file": "Classical/41_Waveform"},
    "wbc": {"file": "Classical/42_WBC"},
    "wdbc": {"file": "Classical/43_WDBC"},
    "wilt": {"file": "Classical/44_Wilt"},
    "wine": {"file": "Classical/45_wine"},
    "wpbc": {"file": "Classical/46_WPBC"},
    "yeast": {"file": "Classical/47_yeast"},
    "cifar10_0": {"file": "CV_by_ResNet18/CIFAR10_0"},
    "cifar10_1": {"file": "CV_by_ResNet18/CIFAR10_1"},
    "cifar10_2": {"file": "CV_by_ResNet18/CIFAR10_2"},
    "cifar10_3": {"file": "CV_by_ResNet18/CIFAR10_3"},
    "cifar10_4": {"file": "CV_by_ResNet18/CIFAR10_4"},
    "cifar10_5": {"file": "CV_by_ResNet18/CIFAR10_5"},
    "cifar10_6": {"file": "CV_by_ResNet18/CIFAR10_6"},
    "cifar10_7": {"file": "CV_by_ResNet18/CIFAR10_7"},
    "cifar10_8": {"file": "CV_by_ResNet18/CIFAR10_8"},
    "cifar10_9": {"file": "CV_by_ResNet18/CIFAR10_9"},
    "fashionmnist_0": {"file": "CV_by_ResNet18/FashionMNIST_0"},
    "fashionmnist_1": {"file": "CV_by_ResNet18/FashionMNIST_1"},
    "fashionmnist_2": {"file": "CV_by_ResNet18/FashionMNIST_2"},
    "fashionmnist_3": {"file": "CV_by_ResNet18/FashionMNIST_3"},
    "fashionmnist_4": {"file": "CV_by_ResNet18/FashionMNIST_4"},
    "fashionmnist_5": {"file": "CV_by_ResNet18/FashionMNIST_5"},
    "fashionmnist_6": {"file": "CV_by_ResNet18/FashionMNIST_6"},
    "fashionmnist_7": {"file": "CV_by_ResNet18/FashionMNIST_7"},
    "fashionmnist_8": {"file": "CV_by_ResNet18/FashionMNIST_8"},
    "fashionmnist_9": {"file": "CV_by_ResNet18/FashionMNIST_9"},
    "mnist-c_brightness": {"file": "CV_by_ResNet18/MNIST-C_brightness"},
    "mnist-c_canny_edges": {"file": "CV_by_ResNet18/MNIST-C_canny_edges"},
    "mnist-c_dotted_line": {"file": "CV_by_ResNet18/MNIST-C_dotted_line"},
    "mnist-c_fog": {"file": "CV_by_ResNet18/MNIST-C_fog"},
    "mnist-c_glass_blur": {"file": "CV_by_ResNet18/MNIST-C_glass_blur"},
    "mnist-c_identity": {"file": "CV_by_ResNet18/MNIST-C_identity"},
    "mnist-c_impulse_noise": {"file": "CV_by_ResNet18/MNIST-C_impulse_noise"},
    "mnist-c_motion_blur": {"file": "CV_by_ResNet18/MNIST-C_motion_blur"},
    "mnist-c_rotate": {"file": "CV_by_ResNet18/MNIST-C_rotate"},
    "mnist-c_scale": {"file": "CV_by_ResNet18/MNIST-C_scale"},
    "mnist-c_shear": {"file": "CV_by_ResNet18/MNIST-C_shear"},
    "mnist-c_shot_noise": {"file": "CV_by_ResNet18/MNIST-C_shot_noise"},
    "mnist-c_spatter": {"file": "CV_by_ResNet18/MNIST-C_spatter"},
    "mnist-c_stripe": {"file": "CV_by_ResNet18/MNIST-C_stripe"},
    "mnist-c_translate": {"file": "CV_by_ResNet18/MNIST-C_translate"},
    "mnist-c_zigzag": {"file": "CV_by_ResNet18/MNIST-C_zigzag"},
    "mvtec-ad_bottle": {"file": "CV_by_ResNet18/MVTec-AD_bottle"},
    "mvtec-ad_cable": {"file": "CV_by_ResNet18/MVTec-AD_cable"},
    "mvtec-ad_capsule": {"file": "CV_by_ResNet18/MVTec-AD_capsule"},
    "mvtec-ad_carpet": {"file": "CV_by_ResNet18/MVTec-AD_carpet"},
    "mvtec-ad_grid": {"file": "CV_by_ResNet18/MVTec-AD_grid"},
    "mvtec-ad_hazelnut": {"file": "CV_by_ResNet18/MVTec-AD_hazelnut"},
    "mvtec-ad_leather": {"file": "CV_by_ResNet18/MVTec-AD_leather"},
    "mvtec-ad_metal_nut": {"file": "CV_by_ResNet18/MVTec-AD_metal_nut"},
    "mvtec-ad_pill": {"file": "CV_by_ResNet18/MVTec-AD_pill"},
    "mvtec-ad_screw": {"file": "CV_by_ResNet18/MVTec-AD_screw"},
    "mvtec-ad_tile": {"file": "CV_by_ResNet18/MVTec-AD_tile"},
    "mvtec-ad_toothbrush": {"file": "CV_by_ResNet18/MVTec-AD_toothbrush"},
    "mvtec-ad_transistor": {"file": "CV_by_ResNet18/MVTec-AD_transistor"},
    "mvtec-ad_wood": {"file": "CV_by_ResNet18/MVTec-AD_wood"},
    "mvtec-ad_zipper": {"file": "CV_by_ResNet18/MVTec-AD_zipper"},
    "svhn_0": {"file": "CV_by_ResNet18/SVHN_0"},
    "svhn_1": {"file": "CV_by_ResNet18/SVHN_1"},
    "svhn_2": {"file": "CV_by_ResNet18/SVHN_2"},
    "svhn_3": {"file": "CV_by_ResNet18/SVHN_3"},
    "svhn_4": {"file": "CV_by_ResNet18/SVHN_4"},
    "svhn_5": {"file": "CV_by_ResNet18/SVHN_5"},
    "svhn_6": {"file": "CV_by_ResNet18/SVHN_6"},
    "svhn_7": {"file": "CV_by_ResNet18/SVHN_7"},
    "svhn_8": {"file": "CV_by_ResNet18/SVHN_8"},
    "svhn_9": {"file": "CV_by_ResNet18/SVHN_9"},
    "20news_0": {"file": "NLP_by_BERT/20news_0"},
    "20news_1": {"file": "NLP_by_BERT/20news_1"},
    "20news_2": {"file": "NLP_by_BERT/20news_2"},
    "20news_3": {"file": "NLP_by_BERT/20news_3"},
    "20news_4": {"file": "NLP_by_BERT/20news_4"},
    "20news_5": {"file": "NLP_by_BERT/20news_5"},
    "agnews_0": {"file": "NLP_by_BERT/agnews_0"},
    "agnews_1": {"file": "NLP_by_BERT/agnews_1"},
    "agnews_2": {"file": "NLP_by_BERT/agnews_2"},
    "agnews_3": {"file": "NLP_by_BERT/agnews_3"},
    "amazon": {"file": "NLP_by_BERT/amazon"},
    "imdb": {"file": "NLP_by_BERT/imdb"},
    "yelp": {"file": "NLP_by_BERT/yelp"},
}
#: The protocol of Livernoche et al. 2024, whose data generator draws rows anew for each seed.
VARIANTS = {"resampled": {"LABEL": "resampled", "resampled": True, "SEEDED": "draw"}}
DEFAULTS = {"resampled": False, "draw": 0}
FILES = (("adbench/{file}.npz",), ("adbench/datasets/{file}.npz",))
#: Smaller tables are drawn to so many rows with replacement, larger ones to so many without, under that protocol.
FEWEST, MOST = 1000, 50000


def prepare(raw: Path, *, item: str, file: str, resampled: bool, draw: int) -> Prepared:
    """Rows (N, D), standardised on the training part: the first half of the normal rows, in the order of the file.

    The rest of the normal rows and all anomalous ones are the test part. With `resampled`, rows are drawn before that
    split, with the generator and the seed (`draw`) of the paper's own code. A row that is drawn twice may then stand
    on both sides of the split.

    Raises:
        DataError: the file is missing or broken, or the paper's protocol leaves the table as it is.
    """
    files = RawFiles(raw, FILES, item=item, file=file)
    name = files.one(f"{file.rpartition('/')[2]}.npz")
    rows, labels = _read(files, name)
    choices, drawn = ["normal rows in the order of the file"], np.arange(len(rows))
    if resampled:
        small = len(rows) < FEWEST
        if FEWEST <= len(rows) <= MOST:
            raise DataError(
                f"{name}: has {len(rows)} rows, and the protocol of the paper draws only from fewer than {FEWEST} or "
                f"more than {MOST}; it is the same as without, so name adbench-{item} instead"
            )
        size = FEWEST if small else MOST
        drawn = np.random.RandomState(draw).choice(len(rows), size, replace=small)
        choices.append(
            f"{size} rows drawn with{'' if small else 'out'} replacement before the split, anew for each seed"
        )
    rows, labels = rows[drawn], labels[drawn]
    train, test = halves(name, labels)
    copies = int(np.isin(drawn[test], drawn[train]).sum())
    notes = (f"{copies} of {len(test)} test rows are copies of training rows",) if resampled else ()
    return split_rows(name, rows, labels, normal_class="label 0", choices=tuple(choices), notes=notes)


def _read(files: RawFiles, name: str) -> tuple[Array, Array]:
    """Rows float64 (N, D) and labels uint8 (N,) of one file, which holds them as X and y."""
    try:
        with files.open(name) as stream, np.load(stream, allow_pickle=False) as stored:
            rows, labels = np.asarray(stored["X"], np.float64), np.asarray(stored["y"]).ravel()
    except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{name}: is no npz file with arrays X and y ({error}); fetch it again") from error
    if (
        rows.ndim != 2
        or rows.shape[0] != len(labels)
        or not np.isfinite(rows).all()
        or not np.isin(labels, (0, 1)).all()
    ):
        raise DataError(
            f"{name}: X is {rows.shape} and y {labels.shape}, expected finite numbers (N, D) and labels (N,) of 0 and "
            "1; fetch it again"
        )
    return rows, labels.astype(np.uint8)
