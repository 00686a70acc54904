//! Just enough reading of HTML to ask questions about it.

/// A tag with its attributes, and where its content begins.
#[derive(Debug)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Tag {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// All opening tags outside of scripts, in order.
pub(crate) fn tags(html: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if let Some(after) = rest.strip_prefix("!--") {
            rest = after.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let (tag, after) = tag(rest);
        rest = after;
        if tag.name == "script" {
            rest = rest.split_once("</script>").map_or("", |(_, after)| after);
        }
        tags.push(tag);
    }
    tags
}

fn tag(text: &str) -> (Tag, &str) {
    let end = text.find(|c: char| c.is_whitespace() || c == '>' || c == '/').unwrap_or(text.len());
    let mut tag = Tag { name: text[..end].to_owned(), attributes: Vec::new() };
    let mut rest = &text[end..];
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() || rest.starts_with('>') {
            return (tag, rest.strip_prefix('>').unwrap_or(rest));
        }
        let end = rest.find(|c: char| c.is_whitespace() || "=>/".contains(c)).unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(after) = rest.strip_prefix("=\"") {
            let (inside, after) = after.split_once('"').unwrap_or((after, ""));
            inside.clone_into(&mut value);
            rest = after;
        }
        tag.attributes.push((name, value));
    }
}

/// The text that a person reads in `<body>`, tags replaced by blanks.
pub(crate) fn text(html: &str) -> String {
    let body = html.split_once("<body").map_or(html, |(_, body)| body);
    let mut out = String::new();
    let mut rest = body;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        out.push(' ');
        if after.starts_with("script") {
            rest = after.split_once("</script>").map_or("", |(_, after)| after);
        } else {
            rest = after.split_once('>').map_or("", |(_, after)| after);
        }
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The part of a page between the tag with an attribute and the end of its element's siblings: enough
/// to look at one card or panel.
pub(crate) fn main_part(html: &str) -> &str {
    let start = html.find("<main").unwrap();
    &html[start..html.find("</main>").unwrap()]
}

#[test]
fn the_reader_reads() {
    let tags = tags(
        r#"<!DOCTYPE html><p class="a" hidden>x<br/><script nonce="n">if (a<b) {}</script><!-- <i> --><a href="/x">y</a>"#,
    );
    let names: Vec<_> = tags.iter().map(|tag| tag.name.as_str()).collect();
    assert_eq!(names, ["p", "br", "script", "a"]);
    assert_eq!(tags[0].get("class"), Some("a"));
    assert_eq!(tags[0].get("hidden"), Some(""));
    assert_eq!(text("<body><p>a<b>b</b></p><script>c</script>d"), "> a b d");
}
