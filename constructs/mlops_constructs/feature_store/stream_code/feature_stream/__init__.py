"""The function that writes a Kinesis stream to a feature group; shipped as it is, without CDK."""
