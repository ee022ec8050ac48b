"""Imports XGBoost without scikit-learn; to be imported before anything that imports XGBoost.

XGBoost imports scikit-learn where there is one, for wrapper classes that no step uses. That takes
five times as long as XGBoost itself, and longer than the work of most steps.
"""

import sys

_hidden = "sklearn" not in sys.modules
if _hidden:
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # what Python takes for "not there"
try:
    import xgboost  # noqa: F401  # for what it leaves in sys.modules
finally:
    if _hidden:
        del sys.modules["sklearn"]
