//! Formats numbers and text for people, in HTML.

use std::fmt::{self, Display};

use super::figures::Value;

impl Value {
    /// Another value of this kind.
    pub(super) fn like(self, value: f64) -> Self {
        match self {
            Self::Count(_) => Self::Count(whole_number(value)),
            Self::Bytes(_) => Self::Bytes(u64::try_from(whole_number(value)).unwrap_or(0)),
            Self::Seconds(_) => Self::Seconds(Some(value)),
            Self::PerSecond(_) => Self::PerSecond(Some(value)),
            Self::BytesPerSecond(_) => Self::BytesPerSecond(Some(value)),
        }
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Count(count) => write!(f, "{}", Grouped(count)),
            Self::Bytes(bytes) => write!(f, "{}", Bytes(bytes)),
            Self::Seconds(Some(seconds)) => write!(f, "{}", Seconds(seconds)),
            Self::PerSecond(Some(rate)) if rate < 0.05 => f.write_str("0/s"),
            Self::PerSecond(Some(rate)) if rate < 10.0 => write!(f, "{rate:.1}/s"),
            Self::PerSecond(Some(rate)) => write!(f, "{}/s", Grouped(whole_number(rate))),
            Self::BytesPerSecond(Some(rate)) => {
                write!(
                    f,
                    "{}/s",
                    Bytes(u64::try_from(whole_number(rate)).unwrap_or(0))
                )
            }
            Self::Seconds(None) | Self::PerSecond(None) | Self::BytesPerSecond(None) => {
                f.write_str("–")
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rates are far below 2^63")]
fn whole_number(rate: f64) -> i64 {
    rate.round() as i64
}

/// An integer with its digits in groups of three, separated by commas.
struct Grouped(i64);

impl Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.unsigned_abs().to_string();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

struct Bytes(u64);

impl Display for Bytes {
    #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut amount = self.0 as f64;
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        for unit in ["KiB", "MiB", "GiB", "TiB"] {
            amount /= 1024.0;
            // A value that would be shown as 1024.0 is shown as 1.0 of the next unit.
            if amount < 1023.95 || unit == "TiB" {
                return write!(f, "{amount:.1} {unit}");
            }
        }
        Ok(())
    }
}

/// Seconds with a readable number of digits.
pub(super) struct Seconds(pub(super) f64);

impl Display for Seconds {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times of a process"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0;
        match seconds {
            _ if seconds.is_infinite() => f.write_str("over 10 s"),
            _ if seconds < 0.009_95 => write!(f, "{:.2} ms", seconds * 1e3),
            _ if seconds < 0.999_5 => write!(f, "{:.0} ms", seconds * 1e3),
            _ if seconds < 9.95 => write!(f, "{seconds:.1} s"),
            _ if seconds < 119.5 => write!(f, "{seconds:.0} s"),
            _ => {
                let minutes = (seconds / 60.0) as u64;
                match minutes {
                    0..120 => write!(f, "{minutes} min"),
                    120..2880 => write!(f, "{} h {} min", minutes / 60, minutes % 60),
                    _ => write!(f, "{} d {} h", minutes / 1440, minutes / 60 % 24),
                }
            }
        }
    }
}
