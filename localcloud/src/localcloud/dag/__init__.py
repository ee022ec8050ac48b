"""SageMaker pipeline definitions: checked, resolved and run."""
