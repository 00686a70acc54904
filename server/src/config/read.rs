//! Reading values as people write them: numbers with units, lists, yes and no, networks, web addresses.
//!
//! Invariant: a value is never guessed; what does not read as a whole is an error.

use std::{path::PathBuf, str::FromStr};

use ipnet::IpNet;

use super::{ConfigError, keys::Values};

/// Units of ages, in milliseconds.
const AGES: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// Units of sizes, in bytes.
const SIZES: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// Anything that reads from its own text.
pub(super) fn value<T: FromStr>(
    values: &Values,
    key: &'static str,
    wanted: &'static str,
) -> Result<T, ConfigError> {
    values.text(key).parse().map_err(|_| values.wrong(key, wanted))
}

/// The same, or nothing where nothing is written.
pub(super) fn maybe<T: FromStr>(
    values: &Values,
    key: &'static str,
    wanted: &'static str,
) -> Result<Option<T>, ConfigError> {
    if values.text(key).is_empty() { Ok(None) } else { value(values, key, wanted).map(Some) }
}

/// A whole number from a range.
pub(super) fn within(
    values: &Values,
    key: &'static str,
    range: std::ops::RangeInclusive<u64>,
    wanted: &'static str,
) -> Result<u64, ConfigError> {
    let number: u64 = value(values, key, wanted)?;
    if range.contains(&number) { Ok(number) } else { Err(values.wrong(key, wanted)) }
}

/// Yes or no.
pub(super) fn flag(values: &Values, key: &'static str) -> Result<bool, ConfigError> {
    value(values, key, "`true` or `false`")
}

/// A path, or nothing where nothing is written.
pub(super) fn path(values: &Values, key: &str) -> Option<PathBuf> {
    Some(values.text(key)).filter(|text| !text.is_empty()).map(PathBuf::from)
}

/// What stands between commas.
pub(super) fn list(values: &Values, key: &str) -> Vec<String> {
    let items = values.text(key).split(',').map(str::trim);
    items.filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Milliseconds.
pub(super) fn age<T: TryFrom<u64>>(values: &Values, key: &'static str) -> Result<T, ConfigError> {
    quantity(values, key, &AGES, "an age such as 30d or 12h")
}

/// Bytes; a number alone is bytes, too.
pub(super) fn size<T: TryFrom<u64>>(values: &Values, key: &'static str) -> Result<T, ConfigError> {
    let plain = values.text(key).parse::<u64>().ok().and_then(|bytes| T::try_from(bytes).ok());
    plain.map_or_else(|| quantity(values, key, &SIZES, "a size such as 2GiB or 500MiB"), Ok)
}

/// A whole number with a unit, as people write it.
fn quantity<T: TryFrom<u64>>(
    values: &Values,
    key: &'static str,
    units: &[(&str, u64)],
    wanted: &'static str,
) -> Result<T, ConfigError> {
    let text = values.text(key);
    let read = || {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at_checked(digits)?;
        let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
        T::try_from(number.parse::<u64>().ok()?.checked_mul(*factor)?).ok()
    };
    read().ok_or_else(|| values.wrong(key, wanted))
}

/// Networks, `10.0.0.0/8` or single addresses.
pub(super) fn networks(values: &Values, key: &'static str) -> Result<Vec<IpNet>, ConfigError> {
    let read = |text: &String| {
        let alone = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
        let network = text.parse::<IpNet>().ok().or_else(alone).map(|network| network.trunc());
        network.ok_or_else(|| {
            values.wrong(key, "a list of networks or addresses, such as 10.0.0.0/8,192.0.2.7")
        })
    };
    list(values, key).iter().map(read).collect()
}

/// Origins of a browser, in the form in which browsers send them.
pub(super) fn origins(values: &Values, key: &'static str) -> Result<Vec<String>, ConfigError> {
    let read = |text: &String| {
        origin(text).ok_or_else(|| {
            values.wrong(key, "a list of origins, each `https://host` or `http://host:port`")
        })
    };
    list(values, key).iter().map(read).collect()
}

/// A web address without path, in the form in which browsers send it as `Origin`: lower case, and without
/// the port that its scheme has anyway.
pub(super) fn origin(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/').to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    let usual = match scheme {
        "https" => "443",
        "http" => "80",
        _ => return None,
    };
    let authority: http::uri::Authority = authority.parse().ok()?;
    let host = authority.host();
    let named = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if authority.as_str().contains('@') || host.is_empty() || !host.chars().all(named) {
        return None;
    }
    match authority.port() {
        Some(port) if port.as_str() != usual => Some(format!("{scheme}://{host}:{port}")),
        // A colon that no port follows is a slip.
        None if authority.as_str() != host => None,
        Some(_) | None => Some(format!("{scheme}://{host}")),
    }
}

/// A web address that secrets are sent to: HTTPS, or HTTP on this machine.
pub(super) fn safe_url(values: &Values, key: &'static str) -> Result<Option<String>, ConfigError> {
    let text = values.text(key);
    if text.is_empty() {
        return Ok(None);
    }
    let wanted = "an address `https://…` (`http://` only on 127.0.0.1, [::1] and localhost)";
    let url: http::Uri = text.parse().map_err(|_| values.wrong(key, wanted))?;
    let host = url.host().unwrap_or_default();
    let near = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
    let plain = url.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        && url.query().is_none();
    match url.scheme_str() {
        Some("https") if plain => Ok(Some(text.to_owned())),
        Some("http") if plain && near => Ok(Some(text.to_owned())),
        _ => Err(values.wrong(key, wanted)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_brought_into_the_form_in_which_browsers_send_them() {
        for (text, expected) in [
            ("https://hnp.example", Some("https://hnp.example")),
            ("HTTPS://HNP.example:443/", Some("https://hnp.example")),
            ("http://hnp.example:80", Some("http://hnp.example")),
            ("http://hnp.example:8080", Some("http://hnp.example:8080")),
            ("https://[2001:DB8::1]:3000", Some("https://[2001:db8::1]:3000")),
            ("https://hnp.example/console", None),
            ("https://user@hnp.example", None),
            ("https://hnp.example:", None),
            ("https://", None),
            ("hnp.example", None),
            ("ftp://hnp.example", None),
            ("https://*.example", None),
            ("null", None),
        ] {
            assert_eq!(origin(text).as_deref(), expected, "{text}");
        }
    }
}
