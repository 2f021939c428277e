//! Classifies PostgreSQL's error codes.
//!
//! <https://www.postgresql.org/docs/15/errcodes-appendix.html>

use euryale_core::transaction::{Access, Fault};

/// The parts of a server's error that decide what to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    /// The SQLSTATE.
    pub(crate) code: &'a str,
    /// `ERROR` ends a statement, `FATAL` and `PANIC` the session.
    pub(crate) ends_session: bool,
    /// The table that the error is about.
    pub(crate) table: Option<&'a str>,
    /// The function in the server's source.
    pub(crate) routine: Option<&'a str>,
}

/// The state of the connection when it got the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    /// The access of the transaction.
    pub(crate) access: Access,
    /// Whether `COMMIT` has been sent.
    pub(crate) committing: bool,
    /// Whether this crate limits the waits for locks, so that a lock time-out is a conflict.
    pub(crate) bounds_locks: bool,
}

impl Situation {
    /// Classifies the end of the connection without an answer.
    pub(crate) fn lost(self) -> Fault {
        if self.committing {
            Fault::InDoubt
        } else {
            Fault::Disconnected
        }
    }
}

/// The table of marks, see [`marks`](crate::marks).
pub(crate) const MARKS: &str = "euryale_commit";

/// The plan of a prepared statement changed because a table was altered.
const REVALIDATES_PLANS: &str = "RevalidateCachedQuery";

pub(crate) fn fault(answer: Answer<'_>, at: Situation) -> Fault {
    // The server may end a session before or after it has committed.
    if at.committing && (answer.ends_session || answer.code.starts_with("08")) {
        return Fault::InDoubt;
    }
    match answer.code {
        "40001" | "40P01" => Fault::Conflict,
        "55P03" if at.bounds_locks => Fault::Conflict,
        "57014" => Fault::Elapsed,
        "25006" => match at.access {
            // The transaction began as a reader, and the request must be published again as a
            // writer.
            Access::Read => Fault::Conflict,
            // The server is no longer a primary.
            Access::Write => Fault::Disconnected,
        },
        "53100" => Fault::Full,
        // The key was settled before this commit arrived.
        "23505" if answer.table == Some(MARKS) => Fault::Conflict,
        // The statement is prepared again.
        _ if is_stale_statement(answer) => Fault::Conflict,
        _ if answer.ends_session || answer.code.starts_with("08") => Fault::Disconnected,
        _ => Fault::Other,
    }
}

/// Returns whether the server no longer has the statement, or has changed its plan.
pub(crate) fn is_stale_statement(answer: Answer<'_>) -> bool {
    answer.code == "26000" || (answer.code == "0A000" && answer.routine == Some(REVALIDATES_PLANS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str, access: Access, committing: bool, ends_session: bool) -> Fault {
        let answer = Answer {
            code,
            ends_session,
            table: None,
            routine: None,
        };
        let at = Situation {
            access,
            committing,
            bounds_locks: false,
        };
        fault(answer, at)
    }

    #[test]
    fn each_code_has_its_meaning() {
        use Access::{Read, Write};
        for (code, access, committing, ends_session, expected) in [
            ("40001", Read, false, false, Fault::Conflict),
            ("40001", Write, true, false, Fault::Conflict),
            ("40P01", Write, false, false, Fault::Conflict),
            ("55P03", Write, false, false, Fault::Other),
            ("57014", Write, false, false, Fault::Elapsed),
            ("25006", Read, false, false, Fault::Conflict),
            ("25006", Write, false, false, Fault::Disconnected),
            ("57P01", Write, false, true, Fault::Disconnected),
            ("57P01", Write, true, true, Fault::InDoubt),
            ("57P02", Write, true, true, Fault::InDoubt),
            ("08006", Write, true, false, Fault::InDoubt),
            ("25P03", Write, false, true, Fault::Disconnected),
            ("57P03", Read, false, true, Fault::Disconnected),
            ("53300", Read, false, true, Fault::Disconnected),
            ("53100", Write, false, false, Fault::Full),
            ("53100", Write, true, false, Fault::Full),
            ("23505", Write, false, false, Fault::Other),
            ("26000", Read, false, false, Fault::Conflict),
            ("0A000", Read, false, false, Fault::Other),
            ("25P02", Write, true, false, Fault::Other),
            ("42P01", Read, false, false, Fault::Other),
        ] {
            let found = of(code, access, committing, ends_session);
            assert_eq!(
                found, expected,
                "{code} {access:?} {committing} {ends_session}"
            );
        }
    }

    #[test]
    fn the_table_of_an_error_can_decide_its_fault() {
        let mut answer = Answer {
            code: "23505",
            ends_session: false,
            table: Some(MARKS),
            routine: None,
        };
        let mut at = Situation {
            access: Access::Write,
            committing: true,
            bounds_locks: false,
        };
        assert_eq!(fault(answer, at), Fault::Conflict);
        answer.code = "0A000";
        answer.routine = Some(REVALIDATES_PLANS);
        assert_eq!(fault(answer, at), Fault::Conflict);
        answer.code = "55P03";
        at.bounds_locks = true;
        assert_eq!(fault(answer, at), Fault::Conflict);
    }
}
