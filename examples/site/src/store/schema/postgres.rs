//! The schema for PostgreSQL.
//!
//! It has the tables of SQLite's, with three differences. Texts that are compared and sorted have
//! the collation `C`, so that their order is SQLite's. Numbers are `bigint`. The index of the
//! search is a table that the program fills, with the words that SQLite's tokenizer finds.

/// The steps, in order. Never change a released step; append another one.
pub(crate) const STEPS: [&str; 1] = [ALL];

const ALL: &str = "
    CREATE TABLE document (
        path text COLLATE \"C\" PRIMARY KEY,
        -- The folder that lists it; none for the root.
        parent text COLLATE \"C\",
        -- Its place in the folder; documents at the same place stand by title.
        position bigint NOT NULL,
        title text COLLATE \"C\" NOT NULL,
        format text NOT NULL CHECK (format IN ('markdown', 'html')),
        body text NOT NULL,
        -- Seconds since 1970.
        modified bigint NOT NULL
    );
    CREATE INDEX document_parent ON document (parent, position, title);
    CREATE INDEX document_modified ON document (modified DESC, path);

    CREATE TABLE search (
        path text COLLATE \"C\" PRIMARY KEY
            REFERENCES document ON UPDATE CASCADE ON DELETE CASCADE,
        words tsvector NOT NULL
    );
    CREATE INDEX search_words ON search USING gin (words);

    CREATE TABLE counter (id bigint PRIMARY KEY CHECK (id = 1), value bigint NOT NULL);
    INSERT INTO counter VALUES (1, 0);

    -- What was imported once is not imported again, even if every document of it was deleted since.
    CREATE TABLE imported (name text PRIMARY KEY, at bigint NOT NULL);

    CREATE TABLE file (
        path text COLLATE \"C\" PRIMARY KEY,
        parent text COLLATE \"C\" NOT NULL,
        -- Its name in the folder of blobs. Another content has another one.
        blob text NOT NULL UNIQUE,
        -- In bytes.
        size bigint NOT NULL,
        content_type text NOT NULL,
        -- Seconds since 1970.
        modified bigint NOT NULL
    );
    CREATE INDEX file_parent ON file (parent, path);

    -- Smaller pictures, by the blob of the original, because a changed original has different ones.
    CREATE TABLE scale (
        original text NOT NULL,
        width bigint NOT NULL,
        blob text NOT NULL UNIQUE,
        size bigint NOT NULL,
        content_type text NOT NULL,
        modified bigint NOT NULL,
        PRIMARY KEY (original, width)
    );
    -- If a picture is replaced or removed, its scales go, too, and their blobs with the next sweep.
    CREATE FUNCTION remove_scales() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM scale WHERE original = old.blob;
        RETURN NULL;
    END $$;
    CREATE TRIGGER file_changed AFTER UPDATE OF blob ON file
        FOR EACH ROW WHEN (old.blob <> new.blob) EXECUTE FUNCTION remove_scales();
    CREATE TRIGGER file_removed AFTER DELETE ON file
        FOR EACH ROW EXECUTE FUNCTION remove_scales();

    -- The folder of blobs names the database to which it belongs.
    CREATE TABLE identity (
        id text NOT NULL,
        -- Whether it has marked a folder of blobs as its own. If so, it accepts no other one.
        has_marked_blobs boolean NOT NULL DEFAULT false
    );
    INSERT INTO identity (id) VALUES (replace(gen_random_uuid()::text, '-', ''));
";
