//! How fast a node answers each class of requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{Answer, Standing};

/// How fast a node answers requests of each class: for balancers that send a request to where its
/// class is answered fastest, because its pages are in that node's caches.
///
/// For each class it keeps two sums that decay with time: the number of requests, and the time that
/// they took. Requests of a [half-life](Self::half_life) ago count half. Clones share the sums.
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

/// Further names are one class, so that clients cannot create classes without bound.
const MOST_CLASSES: usize = 64;
const OTHERS: &str = "others";

#[derive(Clone, Copy, Debug)]
struct Class {
    requests: f64,
    seconds: f64,
    since: Instant,
}

impl Resume {
    /// Empty, with a half-life of a minute.
    pub fn new() -> Self {
        Self {
            half_life: Duration::from_secs(60),
            classes: Arc::default(),
        }
    }

    /// After what time a request counts half. Default: one minute.
    pub fn half_life(mut self, half_life: Duration) -> Self {
        self.half_life = half_life;
        self
    }

    /// A request of this class was answered within this time. Classes are few and the program's
    /// own, as names of routes are: from the 65th on they count as one.
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

    /// A JSON object with a member for each class:
    ///
    /// * `per_second`: the recent number of requests per second;
    /// * `skill`: how many requests a second is enough for, one after the other; higher is faster;
    /// * `weight`: how reliable that is, as a number of requests that count in full.
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

    /// The whole report: `standing` (`ready`, `down`, `draining` or `maintenance`), `weight` (0 to
    /// 100) and `maxconn`, which are what an agent check says, and `classes`.
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
    /// Decayed to this moment.
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

/// To three digits after the point.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
