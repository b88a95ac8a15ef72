"""The HTTP shell: live states, history and the page, read from the broker and from the collector's files."""
