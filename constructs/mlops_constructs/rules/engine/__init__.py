"""The engine under the service rules: reading templates, resolving values, running rules."""
