-- The directory: who may use the house, which fabrics are registered, what was done, and what each
-- person should be told. No password, session key, token or credential is here in clear.

-- Grows with each change that another process has to notice.
ALTER TABLE house ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
-- Digest of the set-up token; NULL: there is none.
ALTER TABLE house ADD COLUMN set_up TEXT;

-- Small facts by name, never a secret.
CREATE TABLE facts (
  name  TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
  name       TEXT NOT NULL PRIMARY KEY,
  enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  password   TEXT,                       -- argon2id string; NULL: cannot sign in with one
  oidc       TEXT UNIQUE,                -- `issuer subject`
  created_ms INTEGER NOT NULL,
  seen_ms    INTEGER,
  revision   INTEGER NOT NULL,
  epoch      TEXT NOT NULL,              -- identity of their list of notices
  head       INTEGER NOT NULL DEFAULT 0  -- position of the newest of them
) STRICT;

-- Roles; the fabric '' means everywhere.
CREATE TABLE grants (
  user   TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
  fabric TEXT NOT NULL,
  role   TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
  PRIMARY KEY (user, fabric)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_on_fabric ON grants (fabric, role);

CREATE TABLE sessions (
  digest     TEXT NOT NULL PRIMARY KEY,
  user       TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
  ended      INTEGER NOT NULL DEFAULT 0 CHECK (ended IN (0, 1)), -- it stays ended, whoever writes it anew
  created_ms INTEGER NOT NULL,
  seen_ms    INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  origin     TEXT,
  agent      TEXT,
  data       TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of_user ON sessions (user, ended, seen_ms);

CREATE TABLE tokens (
  digest     TEXT NOT NULL PRIMARY KEY,
  user       TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
  label      TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  used_ms    INTEGER,
  revoked_ms INTEGER
) STRICT;
CREATE INDEX tokens_of_user ON tokens (user, created_ms);

-- The most that tokens may do; the fabric '' means everywhere.
CREATE TABLE scopes (
  token  TEXT NOT NULL REFERENCES tokens (digest) ON DELETE CASCADE,
  fabric TEXT NOT NULL,
  role   TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
  PRIMARY KEY (token, fabric)
) STRICT, WITHOUT ROWID;
CREATE INDEX scopes_on_fabric ON scopes (fabric);

-- How often signing in failed, by who it was tried as and where it came from.
CREATE TABLE failures (
  key     TEXT NOT NULL PRIMARY KEY,
  count   INTEGER NOT NULL,
  last_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX failures_by_time ON failures (last_ms);

-- Fabrics that somebody registered. (`fabrics` are those that anything was recorded of.)
CREATE TABLE registered (
  name       TEXT NOT NULL PRIMARY KEY,
  settings   TEXT NOT NULL,
  sealed     BLOB,                       -- credentials, sealed; empty: they were lost with their key
  enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  created_ms INTEGER NOT NULL,
  changed_ms INTEGER NOT NULL,
  revision   INTEGER NOT NULL
) STRICT;

-- What was done, as a chain. What it is found by is always read from the text, so it says nothing else.
CREATE TABLE audit (
  seq     INTEGER PRIMARY KEY,
  at_ms   INTEGER NOT NULL,
  text    TEXT NOT NULL,
  digest  TEXT NOT NULL,
  user    TEXT GENERATED ALWAYS AS (json_extract(text, '$.who.user')) VIRTUAL,
  act     TEXT GENERATED ALWAYS AS (json_extract(text, '$.act')) VIRTUAL,
  fabric  TEXT GENERATED ALWAYS AS (json_extract(text, '$.fabric')) VIRTUAL,
  outcome TEXT GENERATED ALWAYS AS (json_extract(text, '$.outcome')) VIRTUAL
) STRICT;
CREATE INDEX audit_by_user ON audit (user, seq) WHERE user IS NOT NULL;
CREATE INDEX audit_by_act ON audit (act, seq);
CREATE INDEX audit_by_fabric ON audit (fabric, seq) WHERE fabric IS NOT NULL;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
  BEGIN SELECT RAISE(ABORT, 'the audit log is never changed'); END;
CREATE TRIGGER audit_is_never_cut BEFORE DELETE ON audit
  BEGIN SELECT RAISE(ABORT, 'the audit log is never cut'); END;
-- Also keeps a row from being replaced, which fires no trigger of deletion.
CREATE TRIGGER audit_grows_by_one BEFORE INSERT ON audit
  WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit)
  BEGIN SELECT RAISE(ABORT, 'the audit log grows by one at its end'); END;

-- The seal of its end, made with a key that is not here.
CREATE TABLE seal (
  id  INTEGER PRIMARY KEY CHECK (id = 1),
  seq INTEGER NOT NULL,
  mac TEXT NOT NULL,
  key TEXT NOT NULL
) STRICT;

CREATE TABLE notices (
  user     TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  at_ms    INTEGER NOT NULL,
  text     TEXT NOT NULL,
  PRIMARY KEY (user, position)
) STRICT, WITHOUT ROWID;
