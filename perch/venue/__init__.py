"""Simulated people, sensors and faults with ground truth, by seed: what the demo, tests and benchmarks live on.

Everything here is deterministic: the same seed gives the same people on every machine. Nothing looks at a clock; each
stream of chance is a `random.Random` of its own, named by what it decides (`chance.chance`), so that one space's
people do not depend on another's, nor one day's on the day before.
"""
