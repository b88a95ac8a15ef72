"""Exactly once, in what order, and whether it still holds. Pure.

- sending: `sender` and `standing` (the table of a number's life), `hearing` (what an acknowledgement does), `journals`;
- receiving: `receiver` and `watermark`; `lost` for events that could not be kept; `allowance` for agents in a flood;
- when it was: `boots` and `placing` give a time to what an agent without a clock has said;
- what holds now: `liveness` is the rule, `board` a network's spaces, `fleet` its agents.
"""
