//! The two forms of a connection string
//! (<https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING>).

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::SettingsError;

/// The parameters that are read; every other one is refused by its name.
const KNOWN: [&str; 22] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "passfile",
    "connect_timeout",
    "application_name",
    "fallback_application_name",
    "client_encoding",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "sslmode",
    "sslrootcert",
    "target_session_attrs",
    "pooler",
    "gssencmode",
    "channel_binding",
];

/// The parameters of a connection string, by name.
#[derive(Default)]
pub(crate) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(crate) fn parse(text: &str) -> Result<Self, SettingsError> {
        let mut parameters = Self::default();
        let rest = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"));
        match rest {
            Some(rest) => parameters.parse_url(rest)?,
            None => parameters.parse_pairs(text)?,
        }
        Ok(parameters)
    }

    /// `[user[:password]@][host[:port],…][/dbname][?name=value&…]`
    fn parse_url(&mut self, rest: &str) -> Result<(), SettingsError> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let is_cut = database.contains('@') || query.contains('@');
        if is_cut && !authority.is_empty() && !authority.contains('@') {
            // A password would be read as a port or a parameter, which messages name.
            return Err(SettingsError::new(
                "an `@` follows a `/` or `?`; in a name, a password or a value, write these \
                 characters as %40, %2F and %3F",
            ));
        }
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        let mut names = Vec::new();
        let mut ports = Vec::new();
        for host in hosts.split(',') {
            // An IPv6 address in brackets contains colons.
            let end = host.find(']').map_or(0, |end| end + 1);
            let (name, port) = match host[end..].split_once(':') {
                Some((_, port)) => (&host[..host.len() - port.len() - 1], port),
                None => (host, ""),
            };
            let name = name.trim_start_matches('[').trim_end_matches(']');
            names.push(decode(name)?);
            ports.push(port.to_owned());
        }
        for (name, value) in [
            ("user", decode(user)?),
            ("password", decode(password)?),
            ("dbname", decode(database)?),
            ("host", names.join(",")),
            ("port", ports.join(",")),
        ] {
            if value.trim_matches(',').is_empty() {
                continue;
            }
            self.set(name, value)?;
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(SettingsError::new("a parameter of the URL has no `=`"));
            };
            self.set(&decode(name)?, decode(value)?)?;
        }
        Ok(())
    }

    /// `name = value name = 'a value'`, with `\` before quotes and backslashes.
    fn parse_pairs(&mut self, text: &str) -> Result<(), SettingsError> {
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let Some((name, value)) = rest.split_once('=') else {
                let what = "neither a URL (postgres://…) nor pairs (host=… dbname=…)";
                return Err(SettingsError::new(what));
            };
            let (value, left) = take_value(value.trim_start())?;
            let name = name.trim();
            if self.0.contains_key("password") && !KNOWN.contains(&name) {
                // It may be a part of the password.
                return Err(SettingsError::new(
                    "a parameter after the password is not supported; a value with spaces needs \
                     quotes: password='a b'",
                ));
            }
            self.set(name, value)?;
            rest = left.trim_start();
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), SettingsError> {
        if KNOWN.contains(&name) {
            self.0.insert(name.to_owned(), value);
            return Ok(());
        }
        Err(SettingsError::new(match name {
            "options" => "options would be a state of the session; set it for the role instead: \
                ALTER ROLE … SET …"
                .to_owned(),
            "ssl" => "ssl is not a parameter of libpq; use sslmode".to_owned(),
            name => format!("the parameter `{name}` is not supported"),
        }))
    }

    /// Sets a parameter that is not set.
    pub(crate) fn complete(&mut self, name: &str, value: impl FnOnce() -> Option<String>) {
        if !self.0.contains_key(name)
            && let Some(value) = value()
        {
            self.0.insert(name.to_owned(), value);
        }
    }

    /// Removes and returns a parameter. An empty one counts as missing.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }

    /// Removes and returns a parameter that must have one of these values.
    pub(crate) fn one_of<T: Copy>(
        &mut self,
        name: &str,
        default: T,
        values: &[(&str, T)],
    ) -> Result<T, SettingsError> {
        let Some(text) = self.take(name) else {
            return Ok(default);
        };
        let found = values.iter().find(|(value, _)| *value == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let values: Vec<_> = values.iter().map(|(value, _)| *value).collect();
            let values = values.join(", ");
            SettingsError::new(format!("{name}: `{text}` is not one of {values}"))
        })
    }

    /// Checks the parameters that have only one supported value.
    pub(crate) fn finish(mut self) -> Result<(), SettingsError> {
        for (name, values) in [
            ("client_encoding", ["UTF8", "utf8", "auto"].as_slice()),
            ("gssencmode", &["disable", "prefer"]),
            ("channel_binding", &["disable", "prefer"]),
        ] {
            if let Some(value) = self.take(name)
                && !values.contains(&value.as_str())
            {
                let what = format!("{name}: `{value}` is not supported");
                return Err(SettingsError::new(what));
            }
        }
        Ok(())
    }
}

fn decode(text: &str) -> Result<String, SettingsError> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(SettingsError::new("a part of the URL is not UTF-8")),
    }
}

/// Returns the value at the beginning of `text`, and the rest.
fn take_value(text: &str) -> Result<(String, &str), SettingsError> {
    let quoted = text.strip_prefix('\'');
    let is_quoted = quoted.is_some();
    let text = quoted.unwrap_or(text);
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, next)| next)),
            '\'' if is_quoted => return Ok((value, &text[at + 1..])),
            space if space.is_whitespace() && !is_quoted => return Ok((value, &text[at..])),
            other => value.push(other),
        }
    }
    if is_quoted {
        return Err(SettingsError::new("a quote is not closed"));
    }
    Ok((value, ""))
}
