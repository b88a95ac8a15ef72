-- api.db as schema 1 had it.
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE key (
    id TEXT PRIMARY KEY, hash BLOB NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL, sites TEXT,
    created_s INTEGER NOT NULL, expires_s INTEGER, revoked_s INTEGER, used_day INTEGER
) WITHOUT ROWID;
INSERT INTO "key" VALUES('0a1b2c3d4e5f',X'0000000000000000000000000000000000000000000000000000000000000000','Lobby','member','["hq"]',1795348800,NULL,NULL,NULL);
CREATE TABLE post (
    cursor INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, watch TEXT NOT NULL, at_ms INTEGER NOT NULL,
    type TEXT NOT NULL, body TEXT NOT NULL, standing TEXT NOT NULL, attempts INTEGER NOT NULL, due_ms INTEGER NOT NULL,
    said TEXT
);
CREATE TABLE reading (number INTEGER PRIMARY KEY, at_s INTEGER NOT NULL, key TEXT NOT NULL, what TEXT NOT NULL);
INSERT INTO "reading" VALUES(1,1,'0a1b2c3d4e5f','/api/v1/history/transitions');
CREATE TABLE session (hash BLOB PRIMARY KEY, key TEXT NOT NULL, until_s INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE watch (
    id TEXT PRIMARY KEY, key TEXT, name TEXT NOT NULL, wish TEXT NOT NULL, url TEXT NOT NULL, secret TEXT NOT NULL,
    created_ms INTEGER NOT NULL, holds TEXT NOT NULL, disabled TEXT, well_ms INTEGER
) WITHOUT ROWID;
CREATE INDEX session_of ON session (key, until_s);
CREATE INDEX post_of ON post (watch, cursor);
CREATE INDEX post_due ON post (due_ms) WHERE standing = 'waiting'
;
DELETE FROM "sqlite_sequence";
COMMIT;
