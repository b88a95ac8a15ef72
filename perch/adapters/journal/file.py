"""How a journal lies on disk, and how one of a former form becomes one of this.

`floor` is the position up to which events may have been let go of, `let_go` how many were; up to `disordered` they may
lie in another order than they came in. A stream's `gone` is the largest number of its events that were let go of. A
word is there as long as a stream that has events `mention`s it; `last_word` is the largest number a word ever had, for
it is given once. Words of a journal from before mentions are held by a stream of number 0 until its floor has passed
`unmentioned`. An `erasure` is written in the log at `position`, and carried out in all rows up to `walked`.
"""

import sqlite3

from perch.adapters.upgrade import Step

SCHEMA = """
CREATE TABLE journal (
    id TEXT NOT NULL, floor INTEGER NOT NULL DEFAULT 0, let_go INTEGER NOT NULL DEFAULT 0,
    disordered INTEGER NOT NULL DEFAULT 0, last_word INTEGER NOT NULL DEFAULT 0, unmentioned INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE word (word INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE stream (
    stream INTEGER PRIMARY KEY, site TEXT NOT NULL, agent TEXT NOT NULL, epoch TEXT NOT NULL,
    upto INTEGER NOT NULL, have BLOB NOT NULL, gone INTEGER NOT NULL DEFAULT 0, UNIQUE (site, agent, epoch)
);
CREATE TABLE run (
    position INTEGER PRIMARY KEY, stream INTEGER NOT NULL, seq INTEGER NOT NULL, count INTEGER NOT NULL,
    boot INTEGER NOT NULL, sent_mono_ms INTEGER, received_ms INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE UNIQUE INDEX run_identity ON run (stream, seq);
CREATE TABLE mention (stream INTEGER NOT NULL, word INTEGER NOT NULL, PRIMARY KEY (stream, word)) WITHOUT ROWID;
CREATE INDEX mention_word ON mention (word);
CREATE TABLE erasure (
    position INTEGER PRIMARY KEY, site TEXT NOT NULL, space TEXT NOT NULL, from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL, erased_ms INTEGER NOT NULL, walked INTEGER NOT NULL
)
"""


def _can_let_go(db: sqlite3.Connection) -> None:
    """Make room for what is known of events that are no more; all words of before are held until theirs are gone."""
    for column in ("floor", "let_go", "disordered", "last_word", "unmentioned"):
        db.execute(f"ALTER TABLE journal ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE stream ADD COLUMN gone INTEGER NOT NULL DEFAULT 0")
    for statement in SCHEMA.split(";")[-3:]:
        db.execute(statement)
    db.execute("INSERT INTO mention SELECT 0, word FROM word")
    newest = "SELECT position + count - 1 FROM run ORDER BY position DESC LIMIT 1"
    db.execute(f"UPDATE journal SET unmentioned = coalesce(({newest}), 0)")  # noqa: S608 - words of our own


STEPS = (Step(1, _can_let_go),)
"""What makes a file of a former version one of the next."""
