-- Format 2. The application id is "Tkp1" in ASCII.
CREATE TABLE records (
    namespace  TEXT NOT NULL,
    key        TEXT NOT NULL,
    version    TEXT NOT NULL,
    keep_until INTEGER,              -- milliseconds since 1970; NULL: it is kept
    hints      TEXT NOT NULL,        -- JSON, no secret
    body       BLOB NOT NULL,
    PRIMARY KEY (namespace, key)
) STRICT;

CREATE INDEX records_by_end ON records (keep_until) WHERE keep_until IS NOT NULL;

PRAGMA application_id = 1416327217;
PRAGMA user_version = 2;
