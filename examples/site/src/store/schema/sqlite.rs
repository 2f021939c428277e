//! The schema for SQLite.

/// The steps, in order. Never change a released step; append another one.
pub(crate) const STEPS: [&str; 7] = [DOCUMENTS, SEARCH, FILES, SCALES, IDENTITY, RECENT, MARKED];

const DOCUMENTS: &str = "
    CREATE TABLE document (
        path TEXT PRIMARY KEY,
        -- The folder that lists it; none for the root.
        parent TEXT,
        -- Its place in the folder; documents at the same place stand by title.
        position INTEGER NOT NULL,
        title TEXT NOT NULL,
        format TEXT NOT NULL CHECK (format IN ('markdown', 'html')),
        body TEXT NOT NULL,
        -- Seconds since 1970.
        modified INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX document_parent ON document (parent, position, title);
    CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL) STRICT;
    INSERT INTO counter VALUES (1, 0);
    -- What was imported once is not imported again, even if every document of it was deleted since.
    CREATE TABLE imported (name TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT;
";

/// Full-text search. The index refers to the documents and holds no copy of them. Its rows need
/// numbers, which documents do not have: `searched` assigns them. Triggers keep both up to date.
/// `INSERT OR REPLACE` removes rows without a trigger, so it must not be used for documents.
const SEARCH: &str = "
    CREATE TABLE searched (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE) STRICT;
    CREATE VIEW searchable AS
        SELECT id, title, body FROM searched JOIN document ON document.path = searched.path;
    CREATE VIRTUAL TABLE search USING fts5 (
        title, body, content = 'searchable', content_rowid = 'id',
        tokenize = 'porter unicode61 remove_diacritics 2'
    );
    -- A word in the title counts as much as ten in the text.
    INSERT INTO search (search, rank) VALUES ('rank', 'bm25(10.0, 1.0)');

    CREATE TRIGGER document_added AFTER INSERT ON document BEGIN
        INSERT INTO searched (path) VALUES (new.path);
        INSERT INTO search (rowid, title, body)
            SELECT id, new.title, new.body FROM searched WHERE path = new.path;
    END;
    CREATE TRIGGER document_changed AFTER UPDATE ON document BEGIN
        INSERT INTO search (search, rowid, title, body)
            SELECT 'delete', id, old.title, old.body FROM searched WHERE path = old.path;
        UPDATE searched SET path = new.path WHERE path = old.path;
        INSERT INTO search (rowid, title, body)
            SELECT id, new.title, new.body FROM searched WHERE path = new.path;
    END;
    CREATE TRIGGER document_removed AFTER DELETE ON document BEGIN
        INSERT INTO search (search, rowid, title, body)
            SELECT 'delete', id, old.title, old.body FROM searched WHERE path = old.path;
        DELETE FROM searched WHERE path = old.path;
    END;

    INSERT INTO searched (path) SELECT path FROM document;
    INSERT INTO search (search) VALUES ('rebuild');
";

/// The tokenizer of the index of [`SEARCH`].
pub(crate) const TOKENIZER: &str = "porter unicode61 remove_diacritics 2";

/// Files are among the documents; no path is both. Their contents are stored outside the database.
const FILES: &str = "
    CREATE TABLE file (
        path TEXT PRIMARY KEY,
        parent TEXT NOT NULL,
        -- Its name in the folder of blobs. Another content has another one.
        blob TEXT NOT NULL UNIQUE,
        -- In bytes.
        size INTEGER NOT NULL,
        content_type TEXT NOT NULL,
        -- Seconds since 1970.
        modified INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX file_parent ON file (parent, path);
";

/// Smaller pictures, by the blob of the original, because a changed original has different ones.
const SCALES: &str = "
    CREATE TABLE scale (
        original TEXT NOT NULL,
        width INTEGER NOT NULL,
        blob TEXT NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        content_type TEXT NOT NULL,
        modified INTEGER NOT NULL,
        PRIMARY KEY (original, width)
    ) STRICT, WITHOUT ROWID;
    -- Whoever replaces or removes a picture: what was made of it goes, too, and its blobs with \
    the next sweep.
    CREATE TRIGGER file_changed AFTER UPDATE OF blob ON file WHEN old.blob <> new.blob BEGIN
        DELETE FROM scale WHERE original = old.blob;
    END;
    CREATE TRIGGER file_removed AFTER DELETE ON file BEGIN
        DELETE FROM scale WHERE original = old.blob;
    END;
";

/// Identifies this database: the folder of blobs names the database to which it belongs.
const IDENTITY: &str = "
    CREATE TABLE identity (id TEXT NOT NULL) STRICT;
    INSERT INTO identity VALUES (lower(hex(randomblob(16))));
";

/// The home page shows what was changed last.
const RECENT: &str = "CREATE INDEX document_modified ON document (modified DESC, path);";

/// Whether this database has marked a folder of blobs as its own. If so, it accepts no other one.
const MARKED: &str = "ALTER TABLE identity ADD COLUMN has_marked_blobs INTEGER NOT NULL DEFAULT 0;";
