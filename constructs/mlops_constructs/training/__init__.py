"""Training: from new data to an approved model.

`TrainingPipeline` deploys a compiled SageMaker pipeline; `ModelRegistry` holds the versions that it
registers and which of them is approved.
"""
