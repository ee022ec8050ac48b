"""A pipeline definition, run on this machine without any deployment.

``mlops-constructs run`` starts this as ``python -m localcloud.run REQUEST``: a local cloud inside
this one process, on a free port of 127.0.0.1, with the sentinels of the definition bound to
resources in it. What a run leaves behind lies in the folder that the request names.
"""
