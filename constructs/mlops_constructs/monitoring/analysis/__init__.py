"""The analysis of the open engine: plain Python for AWS's scikit-learn containers.

It runs as ``python3 -m analysis.analyze`` with the libraries that those containers hold (Python
3.9, numpy, scipy, pandas, pyarrow and boto3, or later) and imports nothing else of this library.
"""
