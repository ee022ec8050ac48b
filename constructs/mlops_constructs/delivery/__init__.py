"""How changes reach the environments, and what keeps them from drifting and from costing."""
