"""The planners' pages: the week, planning, one space, the report. A sentence first, then a picture, then a table."""
