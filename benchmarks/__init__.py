"""What is timed or scored: ratios against a named peer in the same run, medians; never asserted."""
