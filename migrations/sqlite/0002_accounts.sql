-- What the server must know of people and no device may hold: passwords, sessions, invitations. Ids and digests are blobs.

-- A person who can sign in.
CREATE TABLE account (
    id BLOB NOT NULL PRIMARY KEY,
    -- As the person typed it, for showing.
    email TEXT NOT NULL,
    -- Trimmed and in lower case: what two spellings of one address share.
    email_key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- The PHC string of an argon2id hash; it carries its own parameters, so that stronger ones can come later.
    password TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which account is which member. What the member may do, and whether they still belong, stands in the `member` record.
CREATE TABLE membership (
    workspace BLOB NOT NULL,
    account BLOB NOT NULL,
    member BLOB NOT NULL UNIQUE,
    joined_ms INTEGER NOT NULL,
    -- When the member was first found to be removed: their last edits are taken into quarantine for a while after it.
    removed_ms INTEGER,
    PRIMARY KEY (workspace, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX membership_by_account ON membership (account);

-- One signed-in browser. The token itself is only in that browser's cookie; a copy of this table opens no door.
CREATE TABLE session (
    -- SHA-256 of the token.
    digest BLOB NOT NULL PRIMARY KEY,
    account BLOB NOT NULL,
    -- The membership this browser shows.
    member BLOB,
    -- What the browser said it is, so that a person recognises it.
    label TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    -- Refreshed at most once an hour.
    seen_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_by_account ON session (account);
CREATE INDEX session_by_expiry ON session (expires_ms);

-- A link that makes one person a member, once.
CREATE TABLE invitation (
    -- SHA-256 of the token.
    digest BLOB NOT NULL PRIMARY KEY,
    workspace BLOB NOT NULL,
    -- The member who invites.
    by BLOB NOT NULL,
    role TEXT NOT NULL,
    -- The only address that may use it; NULL if whoever has the link may.
    email_key TEXT,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    -- When it was used, and by which account.
    used_ms INTEGER,
    used_by BLOB
) STRICT, WITHOUT ROWID;
