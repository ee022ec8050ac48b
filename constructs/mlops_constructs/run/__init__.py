"""`mlops-constructs run` and `dag`: a pipeline on this machine, and its picture.

Nothing here imports aws_cdk, boto3 or the SageMaker SDK. The run itself is the local cloud's
(`localcloud.run`), in its own environment; this package reads the use case, checks what was asked
for, and hands over.
"""
