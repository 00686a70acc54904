//! Office pages within the frame, and by themselves.

use app::{
    domain::report::Me,
    office::{Content, Surround},
};
use leptos::prelude::*;

use crate::{
    fake::{self, World},
    html::{main_part, tags, text},
    render::{Rendered, page, page_with},
};

/// Every address that is an office page within the frame.
const FRAMED: [&str; 7] = [
    "/settings",
    "/settings/users",
    "/settings/fabrics/demo/connection",
    "/audit",
    "/audit/4711",
    "/account",
    "/account/tokens",
];

fn users() -> Content {
    Content::framed(
        "Users",
        view! { <div class="office-page"><h1>"Users"</h1><p>{"<b>ann</b> & bo"}</p></div> },
    )
}

fn world(me: Option<Me>) -> World {
    World { me, ..fake::connected() }
}

fn links(rendered: &Rendered) -> Vec<(String, bool)> {
    let links = tags(&rendered.html).into_iter().filter(|tag| tag.name == "a");
    links
        .filter_map(|tag| Some((tag.get("href")?.to_owned(), tag.get("rel") == Some("external"))))
        .collect()
}

#[test]
fn an_office_page_stands_within_the_live_frame_and_has_its_own_style() {
    for path in FRAMED {
        let rendered = page_with(path, world(Some(fake::admin())).backend(), Some(users()));
        assert_eq!(rendered.status, 200, "{path}");
        let main = main_part(&rendered.html);
        assert!(main.contains("&lt;b&gt;ann&lt;/b&gt; &amp; bo"), "{path}: {main}");
        assert!(rendered.html.contains("<title>Users · HNP</title>"), "{path}");
        let styles: Vec<_> = tags(&rendered.html)
            .into_iter()
            .filter(|tag| tag.get("rel") == Some("stylesheet"))
            .filter_map(|tag| tag.get("href").map(str::to_owned))
            .collect();
        assert_eq!(styles, ["/pkg/hnp.css", "/pkg/office.css"], "{path}");
        assert!(tags(&rendered.html).iter().any(|tag| tag.get("data-live").is_some()), "the pill");
        assert!(rendered.html.contains("hydrate"), "the page wakes up");
    }
    assert!(!page("/", world(None).backend()).html.contains("office.css"), "others do not pay");
}

#[test]
fn whoever_is_not_known_gets_no_frame_no_name_and_no_script_of_ours() {
    let form = view! { <div class="gate"><h1>"Sign in"</h1><form method="post"></form></div> };
    let content = Content::bare("Sign in", form);
    assert_eq!(content.surround, Surround::Bare);
    for path in ["/login?next=%2Ff%2Fdemo", "/setup/abc"] {
        let rendered = page_with(path, world(Some(fake::admin())).backend(), Some(content.clone()));
        assert_eq!(rendered.status, 200);
        for word in
            ["hydrate", "data-live", "/pkg/hnp.js", "modulepreload", "/f/demo", "ann", "rail-entry"]
        {
            assert!(!rendered.html.contains(word), "{path}: {word} in {}", rendered.html);
        }
        // What the framework writes behind the document is cut off by the server.
        let document = rendered.html.split_once("</html>").unwrap().0;
        assert!(!document.contains("<script"), "{document}");
        assert!(text(&rendered.html).ends_with("> Sign in"), "nothing else is said");
        assert!(rendered.html.contains("<title>Sign in · HNP</title>"), "{}", rendered.html);
        assert!(rendered.html.contains("/pkg/office.css"));
    }
}

#[test]
fn an_office_address_for_which_the_server_made_nothing_is_no_page() {
    for path in FRAMED {
        let rendered = page(path, world(None).backend());
        assert_eq!(rendered.status, 404, "{path}");
        assert!(text(main_part(&rendered.html)).contains("There is no such page"), "{path}");
    }
}

#[test]
fn the_frame_shows_the_ways_that_this_person_may_go() {
    let way = |me: Option<Me>, href: &str| {
        let rendered = page("/", world(me).backend());
        links(&rendered).into_iter().find(|(to, _)| to == href).map(|(_, external)| external)
    };
    let viewer = Me { may_settings: false, may_audit: false, ..fake::admin() };
    let auditor = Me { may_audit: true, ..viewer.clone() };
    for (me, href, expected) in [
        (Some(fake::admin()), "/settings", Some(true)),
        (Some(fake::admin()), "/audit", Some(true)),
        (Some(auditor.clone()), "/settings", None),
        (Some(auditor), "/audit", Some(true)),
        (Some(viewer.clone()), "/settings", None),
        (Some(viewer.clone()), "/audit", None),
        (Some(viewer), "/account", Some(true)),
        (None, "/settings", None),
        (None, "/account", None),
    ] {
        assert_eq!(way(me.clone(), href), expected, "{href} for {me:?}");
    }
}

#[test]
fn the_account_menu_says_who_one_is_and_signs_out_without_script() {
    let hostile =
        Me { name: "a<b>\u{202e}".into(), role: "viewer of <demo>".into(), ..fake::admin() };
    let rendered = page("/f/demo", world(Some(hostile)).backend());
    assert!(rendered.html.contains("viewer of &lt;demo&gt;"));
    assert!(!rendered.html.contains("a<b>") && !rendered.html.contains('\u{202e}'));
    let form = tags(&rendered.html).into_iter().find(|tag| tag.name == "form").unwrap();
    assert_eq!((form.get("method"), form.get("action")), (Some("post"), Some("/logout")));
    let rendered = page("/f/demo", world(None).backend());
    assert!(!rendered.html.contains("/logout"), "nobody can leave who did not come");
}
