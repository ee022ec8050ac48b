"""What several capability packages share: errors, names, keys, buckets, roles, tags."""
