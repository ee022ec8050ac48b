"""`mlops-constructs new`: a use case from a table of data.

Nothing here imports aws_cdk, pandas or the SageMaker SDK: the table is looked at, and the pipeline
compiled, in the environment of ``pipeline_code/``.
"""
