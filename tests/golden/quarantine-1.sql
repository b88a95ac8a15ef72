-- quarantine.db as schema 1 had it.
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE day (day INTEGER PRIMARY KEY, worked_ms INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, received_ms INTEGER NOT NULL, code TEXT NOT NULL, why TEXT NOT NULL,
    topic TEXT NOT NULL, payload BLOB NOT NULL, cut INTEGER NOT NULL);
INSERT INTO "message" VALUES(1,1,'undecodable','no JSON','perch/v1/hq/pi-1/up',X'7B',0);
INSERT INTO "message" VALUES(2,2,'bad-topic','?','elsewhere',X'',0);
CREATE TABLE tally (code TEXT PRIMARY KEY, seen INTEGER NOT NULL, dropped INTEGER NOT NULL) WITHOUT ROWID
;
INSERT INTO "tally" VALUES('bad-topic',1,0);
INSERT INTO "tally" VALUES('undecodable',1,0);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('message',2);
COMMIT;
