-- audit.db as schema 1 had it.
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE look (
    key BLOB PRIMARY KEY, site TEXT NOT NULL, space TEXT NOT NULL, seen_s INTEGER NOT NULL, people INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "look" VALUES(X'BBEF4E5A62AD1910D92B783309CDA11C','hq','d01',1795348800,1);
CREATE INDEX look_at ON look (site, space, seen_s);
CREATE INDEX look_age ON look (seen_s)
;
COMMIT;
