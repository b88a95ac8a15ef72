"""How right the estimator is: recordings and simulated spaces with ground truth, baselines beside it; never asserted.

`python -m benchmarks.accuracy` (or `make accuracy`) prints the tables and renews them in `docs/accuracy.md`.
"""
