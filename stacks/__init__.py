"""The reference platform: one module per stack, in the order of deployment."""
