//! A publication on a route whose release point is the end of the body.

use euryale_core::body::{Early, EarlyAnswer, EarlyAnswers, HandOver};
use euryale_core::error::{ANSWER_ABANDONED, APPLICATION, CLIENT_GONE};
use euryale_core::transaction::{AnswerGate, Lease, Outcome};
use euryale_core::{Abort, Error, Publisher, Request, Response, Transaction};

use super::{Terms, arrive, sendable};
use crate::framing::{self, Published};

/// Runs one publication, which may answer early, in its worker.
pub(super) fn publish<D, P>(
    publisher: &P,
    mut request: Request,
    terms: Terms,
    settings: &EarlyAnswers,
    hand_over: HandOver,
    lease: &mut Lease<'_, D>,
) -> Result<Response, Error>
where
    D: euryale_core::Database,
    P: Publisher<D>,
{
    let (published_as, options) = arrive(publisher, &mut request, terms, lease);
    let record = hand_over.record().clone();
    let gate = AnswerGate::of(request.extensions());
    let ledger = lease.ledger().clone();
    let is_head = !matches!(published_as, Published::AsItIs);
    let early = Early::new(
        settings.clone(),
        lease.ledger(),
        hand_over,
        is_head,
        move |response| {
            let sendable = sendable(response);
            let mut response = sendable.map_err(|error| Error::with_source(APPLICATION, error))?;
            gate.map_or(Ok(()), |gate| gate.ask(&mut response))?;
            Ok(framing::own(response, &published_as, &ledger))
        },
    );
    let outcome = Transaction::run(lease, options.early(early), |transaction| {
        let response = publisher.publish(&request, transaction)?;
        if record.has_left() {
            // Its gate was asked when it left.
            return if EarlyAnswer::has_left(&response) {
                Ok(response)
            } else {
                Err(Abort::error(Error::new(ANSWER_ABANDONED)))
            };
        }
        if EarlyAnswer::has_left(&response) {
            // It is not the answer, but an empty page.
            let ignored = "the publisher ignored that its early answer was refused";
            return Err(std::io::Error::other(ignored).into());
        }
        let mut response = sendable(response)?;
        AnswerGate::check(request.extensions(), &mut response)?;
        Ok(response)
    });
    if !record.has_left() {
        return super::finish(outcome?, &published_as, lease);
    }
    let error = match outcome {
        Ok(Outcome::Committed(_) | Outcome::Doomed(_)) => return Ok(Response::default()),
        // The answer of an abort cannot replace one that has left.
        Ok(Outcome::Refused(_)) => Error::new(if lease.client_is_gone() {
            CLIENT_GONE
        } else {
            ANSWER_ABANDONED
        }),
        Err(error) => error,
    };
    record.failed(&error, lease.ledger());
    Err(error)
}
