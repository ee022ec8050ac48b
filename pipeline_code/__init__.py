"""Use cases: per folder a SageMaker pipeline, its step scripts and its compiled definition."""
