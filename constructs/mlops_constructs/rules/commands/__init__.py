"""The sub-commands `mlops-constructs check` and `mlops-constructs rules`."""
