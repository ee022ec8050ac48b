"""Features that are made from others; nothing is, until somebody has an idea."""

import pandas as pd


def features(rows: pd.DataFrame) -> pd.DataFrame:
    """Derive features.

    The same function runs in training and at the endpoint, on rows whose numeric columns are
    floats and whose categorical columns are texts, both with NaN or None for what is not known. A
    row's features may depend on that row alone.

    Args:
        rows: The features of ``columns.json``.

    Returns:
        The features that the model sees: numbers as numbers, names as texts.
    """
    return rows
