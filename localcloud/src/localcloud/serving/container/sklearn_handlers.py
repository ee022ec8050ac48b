"""Default functions of the scikit-learn container; it serves scripts only.

Behaviour as in github.com/aws/sagemaker-scikit-learn-container, ``handler_service.py``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

_content_types: Any = import_module("sagemaker_inference.content_types")
_decoder: Any = import_module("sagemaker_inference.decoder")
_encoder: Any = import_module("sagemaker_inference.encoder")
_numpy: Any = import_module("numpy")


def script_handler() -> Any:
    """What is used for the functions that the user's script does not define."""
    return ScriptHandler()


def algorithm_handler() -> Any:
    """There is none."""
    sys.exit(
        "SAGEMAKER_PROGRAM is not set. The scikit-learn container serves scripts only: set it to "
        "the script in model.tar.gz under code/, and SAGEMAKER_SUBMIT_DIRECTORY to "
        "/opt/ml/model/code."
    )


class ScriptHandler:
    """The script must load the model, the rest has defaults."""

    def default_model_fn(self, model_dir: str) -> Any:
        """There is no default."""
        raise NotImplementedError(
            f"Please provide a model_fn implementation: the script loads the model in {model_dir}."
        )

    def default_input_fn(self, input_data: str | bytes, content_type: str) -> Any:
        """JSON, CSV or NPY as an array; text becomes 32-bit floats."""
        array = _decoder.decode(input_data, content_type)
        is_text = content_type in _content_types.UTF8_TYPES
        return array.astype(_numpy.float32) if is_text else array

    def default_predict_fn(self, input_data: Any, model: Any) -> Any:
        """The model's prediction."""
        return model.predict(input_data)

    def default_output_fn(self, prediction: Any, accept: str) -> Any:
        """JSON, CSV or NPY."""
        return _encoder.encode(prediction, accept)
