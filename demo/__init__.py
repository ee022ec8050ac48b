"""`make demo`: the platform on one machine, from `cdk bootstrap` to predictions."""
