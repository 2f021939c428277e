//! How fast a node answers each class of requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{Answer, Standing};

/// Measures how fast a node answers requests of each class, for balancers that send a request to
/// the node that answers its class fastest because it has the pages in its caches.
///
/// For each class there are two sums that decay with time: the number of requests, and the time
/// that they took. Requests that ended a [half-life](Self::half_life) ago count half. Clones share
/// the sums.
///
/// ```
/// use std::time::Duration;
///
/// let resume = euryale_agent_check::Resume::new();
/// resume.record("read", Duration::from_millis(4));
/// assert!(resume.classes_json().contains("\"read\""));
/// ```
///
/// The formula is that of `zc.resumelb`: skill = requests / time.
#[derive(Clone, Debug)]
#[must_use]
pub struct Resume {
    half_life: Duration,
    classes: Arc<Mutex<BTreeMap<Box<str>, Class>>>,
}

/// Names beyond this number share one class, so that clients cannot create classes without bound.
const MOST_CLASSES: usize = 64;
const OTHERS: &str = "others";

#[derive(Clone, Copy, Debug)]
struct Class {
    requests: f64,
    seconds: f64,
    since: Instant,
}

impl Resume {
    /// Creates an empty record with a half-life of one minute.
    pub fn new() -> Self {
        Self {
            half_life: Duration::from_secs(60),
            classes: Arc::default(),
        }
    }

    /// The time after which a request counts half. Default: one minute.
    pub fn half_life(mut self, half_life: Duration) -> Self {
        self.half_life = half_life;
        self
    }

    /// Records that a request of this class was answered within this time. Use few classes that the
    /// program itself names, such as its routes: all classes from the 65th on count as one.
    pub fn record(&self, class: &str, took: Duration) {
        let now = Instant::now();
        let mut classes = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = classes.contains_key(class) || classes.len() < MOST_CLASSES;
        let name = if is_known { class } else { OTHERS };
        if let Some(class) = classes.get_mut(name) {
            *class = class.at(now, self.half_life);
            class.requests += 1.0;
            class.seconds += took.as_secs_f64();
        } else {
            classes.insert(
                name.into(),
                Class {
                    requests: 1.0,
                    seconds: took.as_secs_f64(),
                    since: now,
                },
            );
        }
    }

    /// Returns a JSON object with a member for each class:
    ///
    /// * `per_second`: the recent number of requests per second;
    /// * `skill`: the number of requests that can be answered one after the other in a second;
    ///   higher is faster;
    /// * `weight`: how reliable the skill is, as the number of undecayed requests that it is
    ///   equivalent to.
    #[must_use]
    pub fn classes_json(&self) -> String {
        self.classes().to_string()
    }

    fn classes(&self) -> Value {
        let now = Instant::now();
        let half_life = self.half_life.as_secs_f64().max(1e-3);
        let classes = self.classes.lock().unwrap_or_else(PoisonError::into_inner);
        let classes = classes.iter().map(|(name, class)| {
            let Class {
                requests, seconds, ..
            } = class.at(now, self.half_life);
            let class = json!({
                "per_second": rounded(requests * std::f64::consts::LN_2 / half_life),
                "skill": rounded(requests / seconds.max(1e-6)),
                "weight": rounded(requests),
            });
            (name.to_string(), class)
        });
        classes.collect()
    }

    /// Returns the whole report as JSON: `standing` (`ready`, `down`, `draining` or `maintenance`),
    /// `weight` (0 to 100) and `maxconn` as in an agent check, and `classes`.
    #[must_use]
    pub fn json(&self, standing: Standing, answer: Answer) -> String {
        let (weight, maxconn) = match answer {
            Answer::Up { weight, maxconn } => (weight, maxconn),
            Answer::Down(_) | Answer::Drain | Answer::Maint => (0, 0),
        };
        let standing = match standing {
            Standing::Ready if weight == 0 => "down",
            Standing::Ready => "ready",
            Standing::Down => "down",
            Standing::Draining => "draining",
            Standing::Maintenance => "maintenance",
        };
        let report = json!({
            "standing": standing,
            "weight": weight,
            "maxconn": maxconn,
            "classes": self.classes(),
        });
        format!("{report}\n")
    }
}

impl Default for Resume {
    fn default() -> Self {
        Self::new()
    }
}

impl Class {
    /// Returns the sums decayed to this moment.
    fn at(self, now: Instant, half_life: Duration) -> Self {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        let left = 0.5_f64.powf(passed / half_life.as_secs_f64().max(1e-3));
        Self {
            requests: self.requests * left,
            seconds: self.seconds * left,
            since: now,
        }
    }
}

/// Rounds to three decimal places.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
