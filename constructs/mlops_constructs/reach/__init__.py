"""Reachability from templates alone: who calls which AWS API by which VPC endpoint.

`services` says which endpoint an API is called through, `paths` whether packets get there,
`analysis` puts both together for every persona and job.
"""

from mlops_constructs.reach.analysis import Proof, Route, prove

__all__ = ["Proof", "Route", "prove"]
