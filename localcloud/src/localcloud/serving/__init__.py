"""Models as local processes with the inference contract of SageMaker."""

from localcloud.serving.model_process import Answer, ModelProcess

__all__ = ["Answer", "ModelProcess"]
