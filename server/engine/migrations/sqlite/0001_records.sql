-- Records of fabrics: the feed, the history of each kind, and who may write them.
-- Names are told once (fabrics, series, objects); the big tables carry numbers.

-- Claims ever given out, over all fabrics, so that a claim is never given twice.
CREATE TABLE house (
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  claims  INTEGER NOT NULL DEFAULT 0,
  checked INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO house (id) VALUES (1);

CREATE TABLE fabrics (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  name       TEXT UNIQUE,                 -- NULL: forgotten, its records are being removed
  epoch      TEXT NOT NULL,
  head       INTEGER NOT NULL DEFAULT 0,  -- position of the newest event
  reserved   INTEGER NOT NULL DEFAULT 0,  -- positions up to this one may have been told
  claim      INTEGER NOT NULL DEFAULT 0,
  holder     TEXT,                        -- NULL: nobody, the last one gave it back
  until_ms   INTEGER NOT NULL DEFAULT 0,
  renewed_ms INTEGER,                     -- NULL: never claimed
  last_batch BLOB                         -- digest of the newest batch, so that a retry is written once
) STRICT;

CREATE TABLE events (
  id       INTEGER PRIMARY KEY,
  fabric   INTEGER NOT NULL REFERENCES fabrics (id),
  position INTEGER NOT NULL,
  at_ms    INTEGER NOT NULL,
  type     INTEGER NOT NULL,
  subject  TEXT,
  body     BLOB NOT NULL,
  UNIQUE (fabric, position)
) STRICT;
CREATE INDEX events_of_subject ON events (fabric, subject, position) WHERE subject IS NOT NULL;
CREATE INDEX events_of_type ON events (fabric, type, position);

-- A kind of a fabric.
CREATE TABLE series (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  fabric      INTEGER NOT NULL REFERENCES fabrics (id),
  kind        TEXT NOT NULL,
  origin      INTEGER NOT NULL DEFAULT 0, -- the newest of its origins; 0: none was told
  top         INTEGER NOT NULL DEFAULT 0, -- newest version of that origin
  head        INTEGER NOT NULL DEFAULT 0, -- seq of its newest change
  at_ms       INTEGER,                    -- time of its newest change
  floor       INTEGER NOT NULL DEFAULT 0, -- changes up to this seq were let go
  since_count INTEGER NOT NULL DEFAULT 0, -- changes since the newest checkpoint
  since_bytes INTEGER NOT NULL DEFAULT 0, -- and their bytes
  UNIQUE (fabric, kind)
) STRICT;

-- Storages of the cluster that versions belonged to, one after the other, numbered from 1.
CREATE TABLE origins (
  series   INTEGER NOT NULL REFERENCES series (id),
  number   INTEGER NOT NULL,
  identity TEXT NOT NULL,
  rewinds  INTEGER NOT NULL,
  PRIMARY KEY (series, number)
) STRICT;

CREATE TABLE marks (
  id     INTEGER PRIMARY KEY,
  series INTEGER NOT NULL REFERENCES series (id),
  at_ms  INTEGER NOT NULL,
  live   INTEGER NOT NULL
) STRICT;
CREATE INDEX marks_of_series ON marks (series, at_ms);

CREATE TABLE objects (
  id        INTEGER PRIMARY KEY,
  series    INTEGER NOT NULL REFERENCES series (id),
  namespace TEXT NOT NULL,
  name      TEXT NOT NULL,
  UNIQUE (series, namespace, name)
) STRICT;

CREATE TABLE changes (
  seq     INTEGER PRIMARY KEY AUTOINCREMENT,
  series  INTEGER NOT NULL REFERENCES series (id),
  object  INTEGER NOT NULL REFERENCES objects (id),
  origin  INTEGER NOT NULL,
  version INTEGER NOT NULL,
  at_ms   INTEGER NOT NULL,
  found   INTEGER NOT NULL,
  op      INTEGER NOT NULL,
  uid     TEXT NOT NULL,
  manager TEXT,
  body    BLOB
) STRICT;
-- Both end in seq, which is the row's number.
CREATE INDEX changes_of_series ON changes (series);
CREATE INDEX changes_of_object ON changes (object);

-- All objects of a kind as of a change.
CREATE TABLE checkpoints (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  series  INTEGER NOT NULL REFERENCES series (id),
  seq     INTEGER NOT NULL,
  at_ms   INTEGER NOT NULL,
  origin  INTEGER NOT NULL,
  low     INTEGER NOT NULL, -- no version between the checkpoint before and this one is smaller
  top     INTEGER NOT NULL, -- no version of this origin up to here is greater
  objects INTEGER NOT NULL,
  bytes   INTEGER NOT NULL,
  UNIQUE (series, seq)
) STRICT;
CREATE TABLE checkpoint_parts (
  checkpoint INTEGER NOT NULL REFERENCES checkpoints (id),
  part       INTEGER NOT NULL,
  body       BLOB NOT NULL,
  PRIMARY KEY (checkpoint, part)
) STRICT;
