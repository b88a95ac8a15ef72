"""`perch doctor`: looks at every part that an agent or a server needs, and says of each how it is and what to do.

A check is a function without arguments that gives findings; what it looks at is handed to it when it is made. No check
leaves a trace where anybody else reads: not in the journal, not in the quarantine, not among the retained states.
"""
