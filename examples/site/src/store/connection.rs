//! A connection to either engine, and how a statement runs on it.

use euryale_sqlite::rusqlite::CachedStatement;

use super::error::{Error, Result};
use super::sql::Sql;
use super::value::{Row, Value};

/// A connection of [`Engine`](super::Engine). Only this folder runs statements on it.
#[derive(Debug)]
pub(crate) enum Connection {
    Sqlite(Box<euryale_sqlite::Connection>),
    #[cfg(feature = "postgres")]
    Postgres(Box<euryale_postgres::Connection>),
}

/// The names of parameters. SQLite numbers them by their first places in the text, so values are
/// bound by name.
const NAMES: [&str; 6] = ["$1", "$2", "$3", "$4", "$5", "$6"];

fn bind(statement: &mut CachedStatement<'_>, values: &[Value<'_>]) -> Result<()> {
    for (name, value) in NAMES.into_iter().zip(values) {
        if let Some(index) = statement.parameter_index(name)? {
            statement.raw_bind_parameter(index, value)?;
        }
    }
    Ok(())
}

#[cfg(feature = "postgres")]
type Parameter<'a> = &'a (dyn euryale_postgres::tokio_postgres::types::ToSql + Sync);

#[cfg(feature = "postgres")]
fn parameters<'a>(values: &'a [Value<'_>]) -> Vec<Parameter<'a>> {
    values.iter().map(|value| value as Parameter<'a>).collect()
}

impl Connection {
    /// The rows of a query, each read by `read`.
    pub(super) fn query<T>(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        #[cfg(all(test, feature = "postgres"))]
        super::tests::ran(sql);
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql.sqlite())?;
                bind(&mut statement, values)?;
                let mut rows = statement.raw_query();
                let mut all = Vec::new();
                while let Some(row) = rows.next()? {
                    all.push(read(&Row::Sqlite(row))?);
                }
                Ok(all)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => {
                let rows = connection.query(sql.postgres(), &parameters(values))?;
                rows.iter().map(|row| read(&Row::Postgres(row))).collect()
            }
        }
    }

    /// The row of a query that has at most one.
    pub(super) fn query_opt<T>(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.query(sql, values, read)?.pop())
    }

    /// The row of a query that always has one.
    pub(super) fn query_one<T>(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.query_opt(sql, values, read)?.ok_or(Error::NoRow)
    }

    /// Runs a statement without rows.
    pub(super) fn execute(&mut self, sql: Sql, values: &[Value<'_>]) -> Result<()> {
        #[cfg(all(test, feature = "postgres"))]
        super::tests::ran(sql);
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql.sqlite())?;
                bind(&mut statement, values)?;
                statement.raw_execute()?;
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => {
                connection.execute(sql.postgres(), &parameters(values))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
impl Connection {
    /// The connection to SQLite, for tests of a site on SQLite.
    pub(crate) fn sqlite(&mut self) -> &mut euryale_sqlite::Connection {
        match self {
            Self::Sqlite(connection) => connection,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => panic!("this connection leads to PostgreSQL"),
        }
    }
}
