//! What a widget asks the server again and again: one question at a time, and not more often than a person can follow.

use crate::api::ApiError;
use crate::app::dom;
use leptos::prelude::*;
use std::sync::Arc;

/// Between a change and the question what it was, milliseconds: a burst of changes is one question.
const ASK_AFTER_MS: u64 = 1_000;

/// Whether to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// At once: nothing is known yet.
    Now,
    /// Soon: what is known may be old.
    Soon,
    /// Not at all: it is known, or nobody would answer.
    Not,
}

/// What came of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// An answer, or none: then the connection's return asks again.
    Done,
    /// The server wants to be asked later.
    Later,
}

impl Came {
    /// What came of a question with this answer.
    pub fn of<T>(answer: &Result<T, ApiError>) -> Self {
        match answer {
            Err(ApiError::TooFast { .. }) => Self::Later,
            Ok(_) | Err(_) => Self::Done,
        }
    }
}

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    None,
    Asked,
    /// Something changed since it was asked.
    AskedBefore,
}

/// The question itself; what it is given is told what came of it.
type Ask = Arc<dyn Fn(Box<dyn FnOnce(Came)>) + Send + Sync>;

/// What to ask now, by what it reads.
type Wanted = Arc<dyn Fn() -> Want + Send + Sync>;

/// Asks whenever something that `want` reads has changed and it says so.
pub fn keep_asking(want: Wanted, ask: Ask) {
    let question = StoredValue::new(Question::None);
    Effect::new(move || {
        let wait_ms = match want() {
            Want::Now => 0,
            Want::Soon => ASK_AFTER_MS,
            Want::Not => return,
        };
        match question.get_value() {
            Question::None => put(question, wait_ms, Arc::clone(&want), Arc::clone(&ask)),
            Question::Asked | Question::AskedBefore => question.set_value(Question::AskedBefore),
        }
    });
}

fn put(question: StoredValue<Question>, wait_ms: u64, want: Wanted, ask: Ask) {
    question.set_value(Question::Asked);
    dom::later(wait_ms, move || {
        // From here on changes are later than the question. Nobody asks for a page that has gone.
        if question.try_set_value(Question::Asked).is_some() {
            return;
        }
        // The connection, or the right to ask, may have gone during the wait; their return asks.
        if untrack(|| want()) == Want::Not {
            question.set_value(Question::None);
            return;
        }
        let again = Arc::clone(&ask);
        ask(Box::new(move |came| {
            let before = question.try_get_value();
            if question.try_set_value(Question::None).is_some() {
                return;
            }
            if before == Some(Question::AskedBefore) || came == Came::Later {
                put(question, ASK_AFTER_MS, want, again);
            }
        }));
    });
}
