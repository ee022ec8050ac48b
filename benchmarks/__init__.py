"""`make bench`: speed and memory as ratios against baselines that run in the same minutes."""
