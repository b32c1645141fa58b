-- What a letter log keeps, with the same names as in SQLite. A letter's number comes from the log, not from a sequence.
CREATE TABLE IF NOT EXISTS letters(
    letter BIGINT PRIMARY KEY, slug TEXT NOT NULL UNIQUE, head BYTEA NOT NULL, published BYTEA NOT NULL, cosigned BYTEA
);
CREATE TABLE IF NOT EXISTS entries(
    letter BIGINT NOT NULL, idx BIGINT NOT NULL, leaf BYTEA NOT NULL, data BYTEA NOT NULL, latest BIGINT,
    PRIMARY KEY (letter, idx)
);
CREATE INDEX IF NOT EXISTS entries_by_leaf ON entries(letter, leaf);
CREATE TABLE IF NOT EXISTS waiting(
    letter BIGINT NOT NULL, leaf BYTEA NOT NULL, key BYTEA NOT NULL, kind TEXT NOT NULL, data BYTEA NOT NULL,
    latest BIGINT NOT NULL, blob BYTEA, blob_hash BYTEA, sealed BOOLEAN NOT NULL,
    PRIMARY KEY (letter, leaf), UNIQUE (letter, key, kind)
);
CREATE TABLE IF NOT EXISTS blobs(
    letter BIGINT NOT NULL, idx BIGINT NOT NULL, hash BYTEA NOT NULL, sealed BOOLEAN NOT NULL, data BYTEA NOT NULL,
    PRIMARY KEY (letter, idx)
);
CREATE INDEX IF NOT EXISTS blobs_by_hash ON blobs(letter, hash);
CREATE TABLE IF NOT EXISTS opened(
    letter BIGINT NOT NULL, idx BIGINT NOT NULL, data BYTEA NOT NULL, PRIMARY KEY (letter, idx)
);
CREATE TABLE IF NOT EXISTS erasures(
    letter BIGINT NOT NULL, cause BIGINT NOT NULL, idx BIGINT NOT NULL, opened BOOLEAN NOT NULL,
    PRIMARY KEY (letter, cause, idx, opened)
);
CREATE TABLE IF NOT EXISTS lists(
    letter BIGINT NOT NULL, hash BYTEA NOT NULL, data BYTEA NOT NULL, PRIMARY KEY (letter, hash)
);
CREATE TABLE IF NOT EXISTS notes(
    letter BIGINT NOT NULL, name TEXT NOT NULL, note BYTEA NOT NULL, PRIMARY KEY (letter, name)
);
CREATE TABLE IF NOT EXISTS messages(
    letter BIGINT NOT NULL, "freeze" BIGINT NOT NULL, recipient BIGINT NOT NULL, sender BIGINT NOT NULL,
    type TEXT NOT NULL, part BIGINT NOT NULL, data BYTEA NOT NULL,
    PRIMARY KEY (letter, "freeze", recipient, sender, type, part)
);
-- One row, id 1: which process leads. `session` is new with each lead; every transaction of the leader must find its own.
CREATE TABLE IF NOT EXISTS lease(
    id BIGINT PRIMARY KEY CHECK (id = 1), holder TEXT NOT NULL, session BYTEA NOT NULL, expires TIMESTAMPTZ NOT NULL
);
