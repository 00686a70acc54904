//! Users, tokens, sessions and passwords over HTTP: what they give, what they refuse, what changes for others.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{Answer, TestHouse, Yard};

/// A password that nothing objects to.
const PASSWORD: &str = "four words make one";

/// A house with nothing to watch: people alone.
async fn house() -> TestHouse {
    TestHouse::without_fabric(Yard::empty().await, |_| ()).await
}

/// Somebody who asks.
struct Person<'a> {
    house: &'a TestHouse,
    cookie: Option<String>,
    token: Option<String>,
}

impl<'a> Person<'a> {
    /// The admin of every house, by token.
    fn admin(house: &'a TestHouse) -> Self {
        Self { house, cookie: None, token: Some(testkit::account::TOKEN.to_owned()) }
    }

    fn with_token(house: &'a TestHouse, token: &str) -> Self {
        Self { house, cookie: None, token: Some(token.to_owned()) }
    }

    /// Signs somebody in.
    async fn signed_in(house: &'a TestHouse, name: &str, password: &str) -> Self {
        let nobody = Self { house, cookie: None, token: None };
        let answer = nobody
            .ask(Method::POST, "/api/v1/session", &json!({"user": name, "password": password}))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        Self { house, cookie: Some(cookie), token: None }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mut request = reqwest::Client::new().request(method, self.house.url(path));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie).header("origin", self.house.url(""));
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(method, path).json(body)).await
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    /// Makes a user with a role everywhere.
    async fn makes(&self, name: &str, role: &str) -> Answer {
        let body = json!({"name": name, "password": PASSWORD, "rights": {"everywhere": role}});
        let made = self.ask(Method::POST, "/api/v1/users", &body).await;
        assert_eq!(made.status, 201, "{}", made.body);
        made
    }
}

/// Acts of the audit log, the oldest first, with what they were on.
async fn told(house: &TestHouse) -> Vec<(String, String)> {
    let links = house.directory.links(0, 1_000).await.unwrap();
    let read = |text: &str| -> (String, String) {
        let deed: Value = serde_json::from_str(text).unwrap();
        let word = |name: &str| deed[name].as_str().unwrap_or_default().to_owned();
        (word("act"), word("on"))
    };
    links.iter().map(|link| read(&link.text)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_made_changed_and_removed_and_the_log_has_it_all() {
    let house = house().await;
    let admin = Person::admin(&house);
    let made = admin.makes("Ann", "viewer").await;
    assert_eq!(made.header("location"), "/api/v1/users/ann");
    assert!(!made.body.contains("argon2") && !made.body.contains(PASSWORD), "{}", made.body);
    let (ann, etag) = (made.json(), made.header("etag").to_owned());
    assert_eq!(
        (&ann["name"], &ann["enabled"], &ann["roles"], &ann["source"], &ann["seen"]),
        (&json!("ann"), &json!(true), &json!(["viewer"]), &json!("password"), &Value::Null)
    );
    let read = admin.get("/api/v1/users/ann").await;
    assert_eq!((read.json(), read.header("etag")), (ann, etag.as_str()));
    let again = admin.request(Method::GET, "/api/v1/users/ann").header("if-none-match", &etag);
    assert_eq!(Answer::of(again).await.status, 304);

    let change = json!({"rights": {"fabrics": {"prod": "operator"}}, "enabled": false});
    let changed =
        admin.request(Method::PATCH, "/api/v1/users/ann").header("if-match", &etag).json(&change);
    let changed = Answer::of(changed).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let body = changed.json();
    assert_eq!((&body["roles"], &body["enabled"]), (&json!(["operator:prod"]), &json!(false)));
    assert_ne!(changed.header("etag"), etag);

    assert_eq!(admin.delete("/api/v1/users/ann").await.status, 204);
    admin.get("/api/v1/users/ann").await.is_problem(404, "not_found");
    let acts: Vec<_> = told(&house).await.into_iter().skip(2).collect();
    let on_ann = |act: &str| (act.to_owned(), "user/ann".to_owned());
    assert_eq!(
        acts,
        [
            on_ann("user-create"),
            on_ann("role-grant"),
            on_ann("user-disable"),
            on_ann("user-delete")
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_on_an_older_state_is_refused_and_changes_nothing() {
    let house = house().await;
    let admin = Person::admin(&house);
    let etag = admin.makes("ann", "viewer").await.header("etag").to_owned();
    let change = json!({"rights": {"everywhere": "operator"}});
    let mine = admin.request(Method::PATCH, "/api/v1/users/ann").header("if-match", &etag);
    assert_eq!(Answer::of(mine.json(&change)).await.status, 200);
    for (method, body) in [
        (Method::PATCH, json!({"rights": {"everywhere": "viewer"}})),
        (Method::PATCH, json!({"enabled": false})),
        (Method::PATCH, json!({"password": "another set of words"})),
        (Method::DELETE, Value::Null),
    ] {
        let late = admin.request(method, "/api/v1/users/ann").header("if-match", &etag);
        let late = Answer::of(late.json(&body)).await;
        late.is_problem(412, "changed");
        assert!(!late.header("etag").is_empty(), "what it is now is said");
    }
    let ann = admin.get("/api/v1/users/ann").await.json();
    assert_eq!((&ann["roles"], &ann["enabled"]), (&json!(["operator"]), &json!(true)));
    Person::signed_in(&house, "ann", PASSWORD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_will_not_do_names_its_field_and_repeats_no_password() {
    let house = house().await;
    let admin = Person::admin(&house);
    admin.makes("ann", "viewer").await;
    let secret = "hunter2hunter2hunter2";
    let user = |name: &str, password: Value| json!({"name": name, "password": password});
    let post = Method::POST;
    for (path, body, status, code, field) in [
        ("/api/v1/users", user("a b", json!(secret)), 422, "invalid", "name"),
        ("/api/v1/users", user("ben", json!("short")), 422, "invalid", "password"),
        ("/api/v1/users", user("benedict", json!("benedict-benedict")), 422, "invalid", "password"),
        ("/api/v1/users", user("ben", json!([secret])), 422, "invalid", "password"),
        ("/api/v1/users", json!({"name": "ben"}), 422, "invalid", "password"),
        ("/api/v1/users", user("ann", json!(secret)), 409, "exists", ""),
        ("/api/v1/users", json!({"nam": secret}), 422, "invalid", "nam"),
        (
            "/api/v1/users",
            json!({"name": "ben", "password": secret, "rights": {"everywhere": "god"}}),
            422,
            "invalid",
            "rights.everywhere",
        ),
    ] {
        let refused = admin.ask(post.clone(), path, &body).await;
        refused.is_problem(status, code);
        assert_eq!(refused.json()["field"].as_str().unwrap_or_default(), field, "{body}");
        assert!(!refused.body.contains(secret), "{}", refused.body);
    }
    let raw = |kind: &'static str, body: String| {
        admin.request(Method::POST, "/api/v1/users").header("content-type", kind).body(body)
    };
    Answer::of(raw("text/plain", "{}".into())).await.is_problem(415, "not_json");
    Answer::of(raw("application/json", "{".into())).await.is_problem(400, "bad_json");
    let long = format!("\"{}\"", "x".repeat(300_000));
    Answer::of(raw("application/json", long)).await.is_problem(413, "too_large");
    admin.get("/api/v1/users?limit=0").await.is_problem(400, "bad_query");
    admin.get("/api/v1/users?sort=name").await.is_problem(400, "bad_query");
    admin.get("/api/v1/users/no%20name").await.is_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_come_in_pages_that_follow_each_other() {
    let house = house().await;
    let admin = Person::admin(&house);
    for name in ["cat", "ann", "ben"] {
        admin.makes(name, "viewer").await;
    }
    let mut names = Vec::new();
    let mut path = "/api/v1/users?limit=3".to_owned();
    for _ in 0..3 {
        let page = admin.get(&path).await.json();
        let users = page["users"].as_array().unwrap();
        names.extend(users.iter().map(|user| user["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/users?limit=3&cursor={next}");
    }
    assert_eq!(names, ["admin", "ann", "ben", "cat"]);
    let found = admin.get("/api/v1/users?q=EN").await.json();
    assert_eq!(found["users"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_an_admin_touches_users_and_the_last_admin_stays() {
    let house = house().await;
    let admin = Person::admin(&house);
    admin.makes("ann", "operator").await;
    let ann = Person::signed_in(&house, "ann", PASSWORD).await;
    for (method, path) in [
        (Method::GET, "/api/v1/users"),
        (Method::POST, "/api/v1/users"),
        (Method::GET, "/api/v1/users/ann"),
        (Method::PATCH, "/api/v1/users/ann"),
        (Method::DELETE, "/api/v1/users/admin"),
        (Method::GET, "/api/v1/users/admin/sessions"),
    ] {
        ann.ask(method, path, &json!({})).await.is_problem(403, "forbidden");
    }
    ann.get("/api/v1/tokens?user=admin").await.is_problem(403, "forbidden");
    ann.get("/api/v1/tokens?user=*").await.is_problem(403, "forbidden");
    for body in [json!({"enabled": false}), json!({"rights": {"everywhere": "viewer"}})] {
        let refused = admin.ask(Method::PATCH, "/api/v1/users/admin", &body).await;
        refused.is_problem(409, "last_admin");
    }
    admin.delete("/api/v1/users/admin").await.is_problem(409, "last_admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_holds_what_it_says_and_ends_when_revoked() {
    let house = house().await;
    Person::admin(&house).makes("ann", "operator").await;
    let ann = Person::signed_in(&house, "ann", PASSWORD).await;
    let body =
        json!({"label": "grafana", "rights": {"fabrics": {"prod": "viewer"}}, "expires_in": "2h"});
    let made = ann.ask(Method::POST, "/api/v1/tokens", &body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let clear = made.json()["token"].as_str().unwrap().to_owned();
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert!(clear.starts_with("hnp_"), "{clear}");

    let script = Person::with_token(&house, &clear);
    let who = script.get("/api/v1/session").await.json();
    assert_eq!((&who["user"], &who["roles"]), (&json!("ann"), &json!(["viewer:prod"])));
    // A token makes no tokens, changes no password and ends no session.
    for (method, path) in [
        (Method::POST, "/api/v1/tokens"),
        (Method::PUT, "/api/v1/password"),
        (Method::DELETE, "/api/v1/sessions"),
        (Method::DELETE, &format!("/api/v1/tokens/{id}")),
    ] {
        script.ask(method, path, &body).await.is_problem(403, "forbidden");
    }
    let listed = ann.get("/api/v1/tokens").await;
    assert!(!listed.body.contains(&clear), "never again");
    assert_eq!(listed.json()["tokens"][0]["state"], "active");

    assert_eq!(ann.delete(&format!("/api/v1/tokens/{id}")).await.status, 204);
    script.get("/api/v1/session").await.is_problem(401, "unauthorized");
    let after = ann.get(&format!("/api/v1/tokens/{id}")).await.json();
    assert_eq!(after["state"], "revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_reaches_no_further_than_its_owner_and_belongs_to_them_alone() {
    let house = house().await;
    let admin = Person::admin(&house);
    for name in ["ann", "ben"] {
        admin.makes(name, "viewer").await;
    }
    let ann = Person::signed_in(&house, "ann", PASSWORD).await;
    let ben = Person::signed_in(&house, "ben", PASSWORD).await;
    for (body, field) in [
        (json!({"label": "x", "rights": {"everywhere": "admin"}}), "rights"),
        (json!({"label": "x", "rights": {"fabrics": {"lab": "operator"}}}), "rights"),
        (json!({"label": "x", "rights": {}}), "rights"),
        (json!({"label": "  "}), "label"),
        (json!({"label": "x", "expires_in": "1y"}), "expires_in"),
        (json!({"label": "x", "expires_in": "400d"}), "expires_in"),
        (json!({"label": "x", "expires_in": "0m"}), "expires_in"),
    ] {
        let refused = ann.ask(Method::POST, "/api/v1/tokens", &body).await;
        refused.is_problem(422, "invalid");
        assert_eq!(refused.json()["field"], field, "{body}");
    }
    let made = ann.ask(Method::POST, "/api/v1/tokens", &json!({"label": "mine"})).await.json();
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    let others = ben.get(&path).await;
    others.is_problem(404, "not_found");
    ben.delete(&path).await.is_problem(404, "not_found");
    assert_eq!(ben.get("/api/v1/tokens").await.json()["tokens"], json!([]));
    assert_eq!(admin.get(&path).await.status, 200, "an admin sees it");
    assert_eq!(admin.delete(&path).await.status, 204, "and may revoke it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_needs_the_old_one_and_ends_the_other_sessions() {
    let house = house().await;
    Person::admin(&house).makes("ann", "viewer").await;
    let here = Person::signed_in(&house, "ann", PASSWORD).await;
    let there = Person::signed_in(&house, "ann", PASSWORD).await;
    let change = async |current: &str, new: &str| {
        here.ask(Method::PUT, "/api/v1/password", &json!({"current": current, "new": new})).await
    };
    for (current, new, field) in [
        ("not this one at all", "quite another phrase", "current"),
        (PASSWORD, "short", "new"),
        (PASSWORD, PASSWORD, "new"),
    ] {
        let refused = change(current, new).await;
        refused.is_problem(422, "invalid");
        assert_eq!(refused.json()["field"], field);
    }
    assert_eq!(change(PASSWORD, "quite another phrase").await.status, 204);
    assert_eq!(here.get("/api/v1/sessions").await.json()["sessions"].as_array().unwrap().len(), 1);
    there.get("/api/v1/session").await.is_problem(401, "unauthorized");
    Person::signed_in(&house, "ann", "quite another phrase").await;
    let acts = told(&house).await;
    assert!(acts.contains(&("password-change".into(), "user/ann".into())), "{acts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_the_current_password_is_slowed_down_as_at_the_door() {
    let house = house().await;
    Person::admin(&house).makes("ann", "viewer").await;
    let ann = Person::signed_in(&house, "ann", PASSWORD).await;
    let guess = json!({"current": "a guess like others", "new": "quite another phrase"});
    for _ in 0..5 {
        ann.ask(Method::PUT, "/api/v1/password", &guess).await.is_problem(422, "invalid");
    }
    let throttled = ann.ask(Method::PUT, "/api/v1/password", &guess).await;
    throttled.is_problem(429, "throttled");
    assert!(throttled.header("retry-after").parse::<u64>().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_ended_one_by_one_by_their_owner_or_an_admin() {
    let house = house().await;
    let admin = Person::admin(&house);
    for name in ["ann", "ben"] {
        admin.makes(name, "viewer").await;
    }
    let here = Person::signed_in(&house, "ann", PASSWORD).await;
    let there = Person::signed_in(&house, "ann", PASSWORD).await;
    let ben = Person::signed_in(&house, "ben", PASSWORD).await;
    let held = here.get("/api/v1/sessions").await.json();
    let held = held["sessions"].as_array().unwrap().clone();
    assert_eq!(held.len(), 2);
    let other = held.iter().find(|session| session["current"] == false).unwrap();
    assert_eq!(other["from"], "127.0.0.1");
    let path = format!("/api/v1/sessions/{}", other["id"].as_str().unwrap());
    ben.delete(&path).await.is_problem(404, "not_found");
    assert_eq!(here.delete(&path).await.status, 204);
    there.get("/api/v1/session").await.is_problem(401, "unauthorized");

    let seen = admin.get("/api/v1/users/ann/sessions").await.json();
    let id = seen["sessions"][0]["id"].as_str().unwrap();
    assert_eq!(admin.delete(&format!("/api/v1/users/ann/sessions/{id}")).await.status, 204);
    here.get("/api/v1/session").await.is_problem(401, "unauthorized");
    assert_eq!(ben.get("/api/v1/session").await.status, 200, "nobody else is touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_disabled_is_out_at_once_with_session_and_token() {
    let house = house().await;
    let admin = Person::admin(&house);
    admin.makes("ann", "viewer").await;
    let ann = Person::signed_in(&house, "ann", PASSWORD).await;
    let made = ann.ask(Method::POST, "/api/v1/tokens", &json!({"label": "t"})).await.json();
    let script = Person::with_token(&house, made["token"].as_str().unwrap());
    assert_eq!(script.get("/api/v1/session").await.status, 200);
    let off = admin.ask(Method::PATCH, "/api/v1/users/ann", &json!({"enabled": false})).await;
    assert_eq!(off.status, StatusCode::OK.as_u16());
    ann.get("/api/v1/session").await.is_problem(401, "unauthorized");
    script.get("/api/v1/session").await.is_problem(401, "unauthorized");
    let nobody = Person { house: &house, cookie: None, token: None };
    let body = json!({"user": "ann", "password": PASSWORD});
    nobody.ask(Method::POST, "/api/v1/session", &body).await.is_problem(401, "bad_credentials");
}
