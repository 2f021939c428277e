//! Values that go into statements and come out of rows.

use euryale_sqlite::rusqlite;
use euryale_sqlite::rusqlite::types::{FromSql, ToSqlOutput, ValueRef};

use super::error::Result;

/// The value of a parameter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Null,
    Number(i64),
    Text(&'a str),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// Numbers beyond those of SQL become the greatest one.
impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value<'_> {
    fn from(number: usize) -> Self {
        Self::from(number as u64)
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// A row of a result.
pub(crate) enum Row<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    #[cfg(feature = "postgres")]
    Postgres(&'a euryale_postgres::tokio_postgres::Row),
}

impl Row<'_> {
    /// The value of a column.
    pub(super) fn get<T: Column>(&self, column: usize) -> Result<T> {
        match self {
            Self::Sqlite(row) => Ok(row.get(column)?),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column).map_err(super::Error::Column),
        }
    }
}

/// A value that both engines can return.
#[cfg(not(feature = "postgres"))]
pub(super) trait Column: FromSql {}

#[cfg(not(feature = "postgres"))]
impl<T: FromSql> Column for T {}

#[cfg(feature = "postgres")]
pub(super) use self::postgres::Column;

#[cfg(feature = "postgres")]
mod postgres {
    use std::error::Error;

    use euryale_postgres::tokio_postgres::types::private::BytesMut;
    use euryale_postgres::tokio_postgres::types::{FromSqlOwned, IsNull, ToSql, Type};

    use super::{FromSql, Value};

    /// A value that both engines can return.
    pub(crate) trait Column: FromSql + FromSqlOwned {}

    impl<T: FromSql + FromSqlOwned> Column for T {}

    impl ToSql for Value<'_> {
        fn to_sql(
            &self,
            kind: &Type,
            out: &mut BytesMut,
        ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
            match self {
                Self::Null => Ok(IsNull::Yes),
                Self::Number(number) if *kind == Type::INT4 => {
                    i32::try_from(*number).unwrap_or(i32::MAX).to_sql(kind, out)
                }
                Self::Number(number) => number.to_sql(kind, out),
                Self::Text(text) => text.to_sql(kind, out),
            }
        }

        /// The statements are constants, and their types are the columns'.
        fn accepts(kind: &Type) -> bool {
            [Type::INT4, Type::INT8, Type::TEXT].contains(kind)
        }

        euryale_postgres::tokio_postgres::types::to_sql_checked!();
    }
}
