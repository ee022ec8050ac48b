"""What another evaluator says about the same policies and requests."""
