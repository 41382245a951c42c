-- A database as format 1 left it.
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE records (
    key        TEXT PRIMARY KEY,
    version    TEXT NOT NULL,
    keep_until INTEGER,
    hints      TEXT NOT NULL,
    body       BLOB NOT NULL
) STRICT;
INSERT INTO records VALUES
    ('alice#grant', '7-0011223344556677', NULL, '{"grant":"authorization_code","refreshable":true}', x'7b22666f726d6174223a317d'),
    ('alice#client', '1-8899aabbccddeeff', NULL, '{}', x'00ff'),
    ('bob#grant', '2-0101010101010101', 4102444800000, '{"refreshable":true}', x''),
    ('gone#grant', '9-0202020202020202', 1000, '{}', x'01');
PRAGMA application_id = 1416327217;
PRAGMA user_version = 1;
COMMIT;
