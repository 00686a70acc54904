//! Where somebody goes on after signing in: `next=` of an address.
//!
//! Invariant: nobody is ever sent to another site; what is not a plain path of our own is no place at all.

/// Longest place, in bytes.
const LONGEST: usize = 2_048;

/// The place, if it is an absolute path of our own and nothing that a browser may read as something else.
pub fn safe(text: &str) -> Option<&str> {
    // `//evil`, `/\evil`: browsers read both as another host. Control characters and blanks: they drop some.
    let second = text.as_bytes().get(1);
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    let ours = text.starts_with('/')
        && !matches!(second, Some(b'/' | b'\\'))
        && text.len() <= LONGEST
        && text.bytes().all(plain)
        && !goes_up(text);
    // Straight back to where one signs in or out would be a circle.
    let circle = ["/login", "/logout", "/setup"].iter().any(|path| {
        text.strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
    });
    (ours && !circle).then_some(text)
}

/// Whether a path has `.` or `..` or an empty part in it: browsers resolve those, and `/.//evil` becomes `//evil`.
fn goes_up(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let lower =
        path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    let mut parts = lower.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let inner_gap = part.is_empty() && parts.peek().is_some();
        if inner_gap || part == "." || part == ".." {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_plain_paths_of_our_own_are_places() {
        for good in [
            "/",
            "/f/prod",
            "/f/prod/switches?q=a%20b&sort=name#top",
            "/settings/users/",
            "/loginx",
        ] {
            assert_eq!(safe(good), Some(good));
        }
        for bad in [
            "",
            "f/prod",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil",
            "/\t/evil.example",
            "/\n/evil",
            "https://evil.example",
            "javascript:alert(1)",
            " /f",
            "/f prod",
            "/é",
            "/.//evil.example",
            "/%2e//evil.example",
            "/a/..//evil",
            "/%2F/evil",
            "/%5cevil",
            "/f/\u{0}",
            "/login",
            "/login?next=/",
            "/setup/abc",
            "/logout",
        ] {
            assert_eq!(safe(bad), None, "{bad:?}");
        }
        assert_eq!(safe(&format!("/{}", "x".repeat(2_048))), None);
    }

    /// What a browser makes of a place on our page, by the rules of the URL standard that matter here.
    fn host_of(place: &str) -> String {
        let cleaned: String = place
            .trim_matches(|c: char| c <= ' ')
            .chars()
            .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
            .map(|c| if c == '\\' { '/' } else { c })
            .collect();
        match cleaned.strip_prefix("//") {
            Some(rest) => rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned(),
            None if cleaned.starts_with('/') => "ours".to_owned(),
            None => "elsewhere".to_owned(),
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_the_browser_stays_on_our_host(
            text in "[/\\\\ \t\n\r.:@a-z%0-9?#]{0,24}",
        ) {
            if let Some(place) = safe(&text) {
                prop_assert_eq!(host_of(place), "ours");
            }
        }

        #[test]
        fn an_ordinary_path_is_always_a_place(text in "(/[a-z0-9_-]{1,8}){1,4}(\\?[a-z]=[a-z0-9]{0,8})?") {
            prop_assume!(!["/login", "/logout", "/setup"].iter().any(|path| text.starts_with(path)));
            prop_assert_eq!(safe(&text), Some(text.as_str()));
        }
    }
}
