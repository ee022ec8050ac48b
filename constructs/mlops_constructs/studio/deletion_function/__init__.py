"""The function that empties and deletes a Studio domain: plain Python and boto3, for Lambda.

It runs as ``deletion_function.index.handler`` and imports nothing else of this library.
"""
