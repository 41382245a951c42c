-- Format 1 had no namespaces and found what is past its end by reading everything.
ALTER TABLE records RENAME TO records_1;

CREATE TABLE records (
    namespace  TEXT NOT NULL,
    key        TEXT NOT NULL,
    version    TEXT NOT NULL,
    keep_until INTEGER,
    hints      TEXT NOT NULL,
    body       BLOB NOT NULL,
    PRIMARY KEY (namespace, key)
) STRICT;

INSERT INTO records (namespace, key, version, keep_until, hints, body)
SELECT 'default', key, version, keep_until, hints, body FROM records_1;

DROP TABLE records_1;

CREATE INDEX records_by_end ON records (keep_until) WHERE keep_until IS NOT NULL;

PRAGMA user_version = 2;
