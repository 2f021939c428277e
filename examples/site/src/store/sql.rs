//! The statements, each for both engines.
//!
//! Most texts are the same for both: SQLite accepts `$1` as the name of a parameter. Those that
//! differ are written with the name of each engine. A test runs all of them on both engines and
//! compares the results.

/// A statement, in the language of each engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sql {
    sqlite: &'static str,
    postgres: &'static str,
}

impl Sql {
    const fn both(text: &'static str) -> Self {
        Self {
            sqlite: text,
            postgres: text,
        }
    }

    const fn each(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres }
    }

    pub(super) fn sqlite(self) -> &'static str {
        self.sqlite
    }

    #[cfg(feature = "postgres")]
    pub(super) fn postgres(self) -> &'static str {
        self.postgres
    }
}

/// Declares the statements, and the list of them all for the test.
macro_rules! statements {
    ($($(#[$attribute:meta])? $name:ident = $sql:expr;)*) => {
        $(
            $(#[$attribute])?
            pub(super) const $name: Sql = $sql;
        )*

        /// Every statement, with its name.
        #[cfg(all(test, feature = "postgres"))]
        pub(super) const ALL: &[(&str, Sql)] = &[$((stringify!($name), $name)),*];
    };
}

// What is below a path begins with it and a slash; 0 is the character after the slash.
statements! {
    ADD = Sql::both(
        "INSERT INTO document (path, parent, position, title, format, body, modified)
         SELECT $1, $2, coalesce(max(position), -1) + 1, $3, $4, $5, $6
         FROM document WHERE parent = $2",
    );
    CHANGE = Sql::both(
        "UPDATE document SET title = $2, body = $3, modified = $4 WHERE path = $1",
    );
    CHILDREN = Sql::both(
        "SELECT path, title FROM document WHERE parent = $1 ORDER BY position, title
         LIMIT $2 OFFSET $3",
    );
    COUNTER = Sql::both("SELECT value FROM counter WHERE id = 1");
    DOCUMENT = Sql::each(
        "SELECT path, title, format, body,
             strftime('%Y-%m-%dT%H:%MZ', modified, 'unixepoch'), modified
         FROM document WHERE path = $1",
        "SELECT path, title, format, body,
             to_char(to_timestamp(modified) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI\"Z\"'),
             modified
         FROM document WHERE path = $1",
    );
    ENTRY = Sql::both("SELECT path, title FROM document WHERE path = $1");
    EXISTS = Sql::both("SELECT EXISTS (SELECT 1 FROM document WHERE path = $1)");
    FILE = Sql::both("SELECT path, blob, size, content_type, modified FROM file WHERE path = $1");
    FILES = Sql::both(
        "SELECT path, blob, size, content_type, modified FROM file WHERE parent = $1
         ORDER BY path LIMIT $2 OFFSET $3",
    );
    FILES_BELOW = Sql::both(
        "SELECT path, blob, size, content_type, modified FROM file
         WHERE $1 = '/' OR path = $1 OR (path > $1 || '/' AND path < $1 || '0')
         ORDER BY path LIMIT $2",
    );
    FOUND = Sql::both(
        "SELECT path, title, format, substr(body, 1, $2) FROM document WHERE path = $1",
    );
    HAS_CHILDREN = Sql::both(
        "SELECT EXISTS (SELECT 1 FROM document WHERE parent = $1)
             OR EXISTS (SELECT 1 FROM file WHERE parent = $1)",
    );
    HAS_MARKED_BLOBS = Sql::both("SELECT has_marked_blobs FROM identity");
    IDENTITY = Sql::both("SELECT id FROM identity");
    // SQLite's triggers do this.
    #[cfg(feature = "postgres")]
    INDEX = Sql::each(
        "",
        "INSERT INTO search (path, words) VALUES ($1, CAST(CAST($2 AS text) AS tsvector))
         ON CONFLICT (path) DO UPDATE SET words = excluded.words",
    );
    IS_IMPORTED = Sql::both("SELECT EXISTS (SELECT 1 FROM imported WHERE name = 'samples')");
    NAMED = Sql::each(
        "SELECT blob FROM file WHERE blob IN (SELECT value FROM json_each($1))
         UNION ALL SELECT blob FROM scale WHERE blob IN (SELECT value FROM json_each($1))",
        "SELECT blob FROM file
         WHERE blob IN (SELECT json_array_elements_text(CAST($1 AS text)::json))
         UNION ALL SELECT blob FROM scale
         WHERE blob IN (SELECT json_array_elements_text(CAST($1 AS text)::json))",
    );
    NUMBERS = Sql::both(
        "SELECT (SELECT count(*) FROM document), (SELECT count(*) FROM file)",
    );
    PUT_FILE = Sql::both(
        "INSERT INTO file (path, parent, blob, size, content_type, modified)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (path) DO UPDATE SET blob = excluded.blob, size = excluded.size,
             content_type = excluded.content_type, modified = excluded.modified",
    );
    PUT_SCALE = Sql::both(
        "INSERT INTO scale (original, width, blob, size, content_type, modified)
         VALUES ($1, $2, $3, $4, $5, $6)",
    );
    RECENT = Sql::each(
        "SELECT path, title, strftime('%Y-%m-%d', modified, 'unixepoch') FROM document
         WHERE path <> '/' ORDER BY modified DESC, path LIMIT $1",
        "SELECT path, title, to_char(to_timestamp(modified) AT TIME ZONE 'UTC', 'YYYY-MM-DD')
         FROM document WHERE path <> '/' ORDER BY modified DESC, path LIMIT $1",
    );
    REMOVE = Sql::both("DELETE FROM document WHERE path = $1");
    REMOVE_FILE = Sql::both("DELETE FROM file WHERE path = $1");
    REMOVE_SCALES = Sql::both("DELETE FROM scale WHERE original = $1 RETURNING blob");
    REPLACE = Sql::both(
        "UPDATE document SET title = $2, format = $3, body = $4, modified = $5 WHERE path = $1",
    );
    SCALE = Sql::both(
        "SELECT CAST($1 AS text), blob, size, content_type, modified FROM scale
         WHERE original = $2 AND width = $3",
    );
    // FTS5 ranks all matches before it gives the first one, so counting some more costs little.
    SEARCH = Sql::each(
        "SELECT searched.path FROM search
         CROSS JOIN searched ON searched.id = search.rowid
         WHERE search MATCH $1
             AND ($2 = '/' OR searched.path = $2
                 OR (searched.path > $2 || '/' AND searched.path < $2 || '0'))
         ORDER BY search.rank LIMIT $3",
        // A word in the title (A) counts as much as ten in the text (D), as in SQLite's index.
        "SELECT path FROM search, CAST(CAST($1 AS text) AS tsquery) AS wanted
         WHERE words @@ wanted
             AND ($2 = '/' OR path = $2 OR (path > $2 || '/' AND path < $2 || '0'))
         ORDER BY ts_rank('{0.1, 0.1, 0.1, 1.0}', words, wanted, 1) DESC, path LIMIT $3",
    );
    SET_COUNTER = Sql::both("UPDATE counter SET value = $1 WHERE id = 1");
    SET_IMPORTED = Sql::both("INSERT INTO imported VALUES ('samples', $1)");
    SET_MARKED_BLOBS = Sql::both("UPDATE identity SET has_marked_blobs = true");
    SOME_BLOB = Sql::both("SELECT blob FROM file LIMIT 1");
    TEXTS_BELOW = Sql::both(
        "SELECT path, title, format, body, modified, position FROM document
         WHERE $1 = '/' OR path = $1 OR (path > $1 || '/' AND path < $1 || '0') ORDER BY path",
    );
    TEXT_BELOW = Sql::both(
        "SELECT coalesce(sum(octet_length(body)), 0) FROM document
         WHERE $1 = '/' OR path = $1 OR (path > $1 || '/' AND path < $1 || '0')",
    );
}
