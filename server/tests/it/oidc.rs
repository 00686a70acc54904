//! Signing in through an identity provider: one that speaks the truth, and one that lies in one thing.

mod provider;
mod served;

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _, sync::Arc};

use domain::{
    access::{Rights, Role},
    audit::{Act, Outcome},
};
use engine::store::directory::{AuditQuery, Order};
use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use serde_json::{Value, json};
use server::config::{Config, Oidc, Rule};
use testkit::account::{self, PASSWORD, deed};

use self::provider::{CLIENT, Lie, Provider, SECRET};
use crate::{
    house::{Answer, Folder, TestHouse, Yard, sign_in},
    tls::Authority,
};

/// Our address, as the provider knows it.
const HOME: &str = "https://hnp.example";

fn rule(value: &str, fabric: Option<&str>, role: Role) -> Rule {
    let fabric = fabric.map(|fabric| fabric.parse().unwrap());
    Rule { value: value.to_owned(), fabric, role }
}

/// A house before a provider, in which values of `groups` give roles.
async fn house_before(provider: &Provider) -> TestHouse {
    let rules = vec![
        rule("bosses", None, Role::Admin),
        rule("netops", Some("prod"), Role::Operator),
        rule("all", None, Role::Viewer),
    ];
    house_with(provider, rules).await
}

async fn house_with(provider: &Provider, rules: Vec<Rule>) -> TestHouse {
    house_on(Yard::empty().await, provider, rules, |_| ()).await
}

async fn house_on(
    yard: impl Into<Arc<Yard>>,
    provider: &Provider,
    rules: Vec<Rule>,
    adjust: impl FnOnce(&mut Config),
) -> TestHouse {
    let yard = yard.into();
    yard.folder.write("oidc-secret", format!("{SECRET}\n").as_bytes());
    let secret = yard.folder.path().join("oidc-secret");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let oidc = Oidc {
        issuer: provider.issuer.clone(),
        client_id: CLIENT.to_owned(),
        client_secret_file: Some(secret),
        redirect_url: Some(format!("{HOME}/login/oidc/callback")),
        scopes: vec!["openid".to_owned(), "groups".to_owned()],
        name_claim: "preferred_username".to_owned(),
        role_claim: "groups".to_owned(),
        rules,
        ca_file: None,
    };
    TestHouse::without_fabric(yard, |config| {
        config.oidc = Some(oidc);
        // Tests say where somebody comes from: loopback is never slowed down.
        config.proxies.networks = vec!["127.0.0.1/32".parse().unwrap()];
        adjust(config);
    })
    .await
}

fn claims(subject: &str, name: &str, groups: &[&str]) -> Value {
    json!({"sub": subject, "preferred_username": name, "groups": groups})
}

/// Asks as a browser does that follows nothing by itself.
async fn get(house: &TestHouse, path: &str, headers: HeaderMap) -> Answer {
    let stay = reqwest::redirect::Policy::none();
    let http = reqwest::Client::builder().redirect(stay).build().unwrap();
    Answer::of(http.get(house.url(path)).headers(headers)).await
}

fn with_cookie(cookie: &str) -> HeaderMap {
    HeaderMap::from_iter([(COOKIE, cookie.parse().unwrap())])
}

/// A cookie that an answer sets, as `name=value`.
fn set_by(answer: &Answer, name: &str) -> Option<String> {
    let lines = answer.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap());
    let mut lines = lines.filter(|line| line.starts_with(&format!("{name}=")));
    Some(lines.next()?.split(';').next()?.to_owned())
}

/// Somebody on their way: at the provider, with what their browser keeps.
struct Begun {
    cookie: String,
    asked: BTreeMap<String, String>,
}

async fn begin(house: &TestHouse, next: &str) -> Begun {
    let answer = get(house, &format!("/login/oidc?next={next}"), HeaderMap::new()).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let (_, query) = answer.header(LOCATION.as_str()).split_once('?').unwrap();
    let pairs = form_urlencoded::parse(query.as_bytes());
    let asked = pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    Begun { cookie: set_by(&answer, "hnp_oidc").unwrap(), asked }
}

impl Begun {
    fn grant(&self, provider: &Provider, claims: Value) -> String {
        provider.grant(&self.asked["nonce"], &self.asked["code_challenge"], claims)
    }

    async fn back(&self, house: &TestHouse, query: &str) -> Answer {
        let path = format!("/login/oidc/callback?state={}&{query}", self.asked["state"]);
        get(house, &path, with_cookie(&self.cookie)).await
    }
}

/// The whole way.
async fn come(house: &TestHouse, provider: &Provider, claims: Value) -> Answer {
    let begun = begin(house, "/f/prod").await;
    let code = begun.grant(provider, claims);
    begun.back(house, &format!("code={code}")).await
}

/// What the door says, without the marks of the page.
fn said(answer: &Answer) -> String {
    let (_, alert) = answer
        .body
        .split_once("role=\"alert\"")
        .unwrap_or_else(|| panic!("no word of it: {}", answer.body));
    let (alert, _) = alert.split_once("</p>").unwrap();
    alert.replace("<!>", "").replace("&#x27;", "'")
}

/// Asserts that somebody was refused with these words, holds no session and got no cookie of one.
fn is_refused(answer: &Answer, status: u16, word: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    let says = said(answer);
    assert!(says.contains(word), "{word:?} in {says}");
    assert_eq!(set_by(answer, "hnp_session"), None, "nobody came in");
    assert!(answer.body.contains("action=\"/login\""), "a password works all the same");
    for secret in ["planted-token", "code-", SECRET] {
        assert!(!answer.body.contains(secret), "{secret} in {}", answer.body);
    }
}

/// Who holds the session that an answer opened, as they are told themselves.
async fn who(house: &TestHouse, answer: &Answer) -> Value {
    let session = set_by(answer, "hnp_session");
    let session = session.unwrap_or_else(|| panic!("{} {}", answer.status, answer.body));
    let told = get(house, "/api/v1/session", with_cookie(&session)).await;
    assert_eq!(told.status, 200, "{}", told.body);
    told.json()
}

/// What the audit log holds of an act, the newest first: outcome and text.
async fn deeds(house: &TestHouse, act: Act) -> Vec<String> {
    let query = AuditQuery { act: Some(act.word()), limit: 100, ..AuditQuery::default() };
    let links = house.directory.audit(&query).await.unwrap();
    links.into_iter().map(|link| link.text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_provider_vouches_for_comes_in_with_the_roles_of_their_groups() {
    let provider = Provider::start().await;
    let house = house_before(&provider).await;
    assert_eq!(provider.discoveries(), 0, "nothing is asked before somebody comes");
    let begun = begin(&house, "/f/prod/switches?q=leaf").await;
    let asked = |name: &str| begun.asked[name].as_str();
    assert_eq!((asked("response_type"), asked("client_id")), ("code", CLIENT));
    assert_eq!(asked("scope"), "openid groups");
    assert_eq!(asked("code_challenge_method"), "S256");
    assert_eq!(asked("redirect_uri"), format!("{HOME}/login/oidc/callback"));
    for secret in ["state", "nonce", "code_challenge"] {
        assert!(asked(secret).len() >= 20, "{secret}: {}", asked(secret));
        assert!(!begun.cookie.contains(asked(secret)), "the cookie is sealed");
    }
    let code = begun.grant(&provider, claims("7", "Ann", &["all", "netops", "choir"]));
    let issuer: String = form_urlencoded::byte_serialize(provider.issuer.as_bytes()).collect();
    let answer = begun.back(&house, &format!("code={code}&iss={issuer}")).await;
    let place = answer.header("location");
    assert_eq!((answer.status, place), (303, "/f/prod/switches?q=leaf"));
    assert_eq!(set_by(&answer, "hnp_oidc").unwrap(), "hnp_oidc=", "its cookie is taken back");
    let told = who(&house, &answer).await;
    assert_eq!(
        (&told["user"], &told["roles"]),
        (&json!("ann"), &json!(["viewer", "operator:prod"]))
    );

    let user = house.directory.user(&"ann".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(user.oidc, Some(format!("{} 7", provider.issuer)));
    assert_eq!(user.password, None);
    let made = deeds(&house, Act::UserCreate).await.remove(0);
    assert!(made.contains("all, choir, netops"), "{made}");
    let entered = deeds(&house, Act::SignIn).await.remove(0);
    assert!(entered.contains(&format!("{} 7", provider.issuer)), "{entered}");
    assert!(!entered.contains("code-") && !entered.contains("access"), "{entered}");
    assert_eq!(provider.discoveries(), 1, "and what it says of itself is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_lies_in_anything_lets_nobody_in() {
    let provider = Provider::start().await;
    let house = house_before(&provider).await;
    for (lie, status, word) in [
        (Lie::Signature, 401, "cannot be believed"),
        (Lie::Unsigned, 401, "cannot be believed"),
        (Lie::SignedWithPublicKey, 401, "HS256"),
        (Lie::SignedWithSecret, 401, "HS256"),
        (Lie::Issuer, 401, "issuer"),
        (Lie::Audience, 401, "audience"),
        (Lie::OtherParty, 401, "azp"),
        (Lie::ManyWithoutParty, 401, "azp"),
        (Lie::Nonce, 401, "nonce"),
        (Lie::NoNonce, 401, "nonce"),
        (Lie::Expired, 401, "xpired"),
        (Lie::Old, 401, "3600 s ago"),
        (Lie::FromTheFuture, 401, "-3600 s ago"),
        (Lie::NoToken, 401, "no ID token"),
        (Lie::NoJson, 503, "does not read"),
        (Lie::Huge, 503, "more than 1048576 bytes"),
        (Lie::Fails, 503, ""),
        (Lie::UserinfoOfAnother, 401, "somebody else"),
    ] {
        provider.lies(lie);
        // Without groups in the token, so that userinfo is asked for them.
        let person = json!({"sub": "7", "preferred_username": "ann"});
        let answer = come(&house, &provider, person).await;
        assert!(answer.status == status, "{lie:?}: {} {}", answer.status, said(&answer));
        is_refused(&answer, status, word);
    }
    assert_eq!(house.directory.user(&"ann".parse().unwrap()).await.unwrap(), None);
    let refused = deeds(&house, Act::SignIn).await;
    assert_eq!(refused.len(), 18, "each is in the audit log");
    let refusal = json!(Outcome::Refused).to_string();
    assert!(refused.iter().all(|text| text.contains(&refusal) && !text.contains("planted-token")));

    provider.lies(Lie::Nothing);
    let answer = come(&house, &provider, claims("7", "ann", &["all"])).await;
    assert_eq!(who(&house, &answer).await["roles"], json!(["viewer"]), "and the truth does");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_once_and_only_in_the_browser_that_was_sent() {
    let provider = Provider::start().await;
    let house = house_before(&provider).await;
    let (mine, theirs) = (begin(&house, "/").await, begin(&house, "/").await);
    let person = || claims("7", "ann", &["all"]);

    let code = theirs.grant(&provider, person());
    let lured = format!("/login/oidc/callback?state={}&code={code}", theirs.asked["state"]);
    is_refused(&get(&house, &lured, HeaderMap::new()).await, 400, "not begun in this browser");
    let answer = get(&house, &lured, with_cookie(&mine.cookie)).await;
    is_refused(&answer, 400, "another sign-in");
    assert_eq!(provider.exchanges(), 0, "no code was shown to anybody");
    let forged = get(&house, &lured, with_cookie("hnp_oidc=AAAA")).await;
    is_refused(&forged, 400, "not begun in this browser");

    let code = mine.grant(&provider, person());
    assert_eq!(mine.back(&house, &format!("code={code}")).await.status, 303);
    let code = mine.grant(&provider, person());
    is_refused(&mine.back(&house, &format!("code={code}")).await, 400, "used already");

    let late = begin(&house, "/").await;
    let answer = late.back(&house, "code=x&iss=https%3A%2F%2Fsomebody.example").await;
    is_refused(&answer, 400, "another sign-in");
    is_refused(&begin(&house, "/").await.back(&house, "").await, 400, "without a code");
    let denied = begin(&house, "/").await;
    is_refused(&denied.back(&house, "error=access_denied").await, 401, "it was declined there");
    let marked = begin(&house, "/").await;
    let answer = marked.back(&house, "error=x&error_description=%3Cscript%3E%0Ay").await;
    is_refused(&answer, 401, "&lt;script&gt; y (x)");
    is_refused(
        &begin(&house, "/").await.back(&house, "code=unknown").await,
        503,
        "provider says why",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_to_another_site_afterwards() {
    let provider = Provider::start().await;
    let house = house_before(&provider).await;
    for next in ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%2Flogin%2Foidc"] {
        let begun = begin(&house, next).await;
        let code = begun.grant(&provider, claims("7", "ann", &["all"]));
        let answer = begun.back(&house, &format!("code={code}")).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/"), "{next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_follow_the_claim_at_each_sign_in_and_without_one_nothing_is_seen() {
    let provider = Provider::start().await;
    let house = house_before(&provider).await;
    let roles = async |groups: &[&str]| {
        let answer = come(&house, &provider, claims("7", "ann", groups)).await;
        let place = answer.header("location").to_owned();
        (who(&house, &answer).await["roles"].clone(), place)
    };
    assert_eq!(roles(&["bosses"]).await, (json!(["admin"]), "/f/prod".to_owned()));
    let before = deeds(&house, Act::RoleRevoke).await.len();
    assert_eq!(roles(&["bosses"]).await.0, json!(["admin"]));
    assert_eq!(deeds(&house, Act::RoleRevoke).await.len(), before, "what is equal is no change");
    assert_eq!(roles(&["netops"]).await.0, json!(["operator:prod"]));
    let revoked = deeds(&house, Act::RoleRevoke).await.remove(0);
    let (from, to) = (json!({"before": ["admin"]}), json!({"after": ["operator:prod"]}));
    for part in [from, to].map(|part| part.to_string().trim_matches(['{', '}']).to_owned()) {
        assert!(revoked.contains(&part), "{part} in {revoked}");
    }
    assert_eq!(roles(&[]).await, (json!([]), "/account".to_owned()), "where it is said why");
    assert_eq!(roles(&["all"]).await.0, json!(["viewer"]));
    assert_eq!(deeds(&house, Act::RoleGrant).await.len(), 1);

    // What an admin gives by hand holds until then.
    let user = "ann".parse().unwrap();
    let rights = Rights::everywhere(Role::Admin);
    let order = Order::SetRights { user, rights, expected: None };
    house.registrar.order(order, &deed(Act::RoleGrant, "user/ann")).await.unwrap();
    assert_eq!(roles(&["all"]).await.0, json!(["viewer"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rules_roles_are_given_here_and_stay() {
    let provider = Provider::start().await;
    let house = house_with(&provider, Vec::new()).await;
    let first = come(&house, &provider, claims("7", "ann", &["bosses"])).await;
    assert_eq!(who(&house, &first).await["roles"], json!([]), "no rule, no role");
    let rights = Rights::everywhere(Role::Operator);
    let order = Order::SetRights { user: "ann".parse().unwrap(), rights, expected: None };
    house.registrar.order(order, &deed(Act::RoleGrant, "user/ann")).await.unwrap();
    let again = come(&house, &provider, claims("7", "ann", &[])).await;
    assert_eq!(who(&house, &again).await["roles"], json!(["operator"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_somebodys_is_never_taken_over_and_who_is_kept_out_stays_out() {
    let provider = Provider::start().await;
    let house = house_before(&provider).await;
    let answer = come(&house, &provider, claims("7", "ADMIN", &["bosses"])).await;
    is_refused(&answer, 403, "the name admin belongs to an account");
    let admin = house.directory.user(&"admin".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(admin.oidc, None);
    assert_eq!(come(&house, &provider, claims("8", "ann", &["all"])).await.status, 303);
    let answer = come(&house, &provider, claims("9", "ann", &["bosses"])).await;
    is_refused(&answer, 403, "the name ann belongs to an account");
    provider.tells_apart(json!({"sub": "10"}));
    // Who was here keeps their account, whatever they are called by now.
    let renamed = come(&house, &provider, claims("8", "ann-smith", &["all"])).await;
    assert_eq!(who(&house, &renamed).await["user"], json!("ann"));
    for (claims, word) in [
        (json!({"sub": "10", "groups": ["all"]}), "preferred_username"),
        (claims("10", "ann smith", &["all"]), "`ann smith`"),
        (claims("10", "", &["all"]), "a name that cannot be one here"),
    ] {
        is_refused(&come(&house, &provider, claims).await, 403, word);
    }
    let order = Order::SetEnabled { user: "ann".parse().unwrap(), enabled: false };
    house.registrar.order(order, &deed(Act::UserDisable, "user/ann")).await.unwrap();
    let answer = come(&house, &provider, claims("8", "ann", &["bosses"])).await;
    is_refused(&answer, 403, "ann may not sign in here");
    let user = house.directory.user(&"ann".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(user.rights, Rights::everywhere(Role::Viewer), "nor do roles move meanwhile");
    let refused = deeds(&house, Act::SignIn).await.remove(0);
    assert!(refused.contains("user/ann") && refused.contains("may not sign in"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_admin_is_not_let_in_as_one_that_the_provider_no_longer_makes() {
    let provider = Provider::start().await;
    let house = house_before(&provider).await;
    assert_eq!(come(&house, &provider, claims("7", "ann", &["bosses"])).await.status, 303);
    let order = Order::SetEnabled { user: "admin".parse().unwrap(), enabled: false };
    house.registrar.order(order, &deed(Act::UserDisable, "user/admin")).await.unwrap();
    let answer = come(&house, &provider, claims("7", "ann", &["all"])).await;
    is_refused(&answer, 403, "no other admin is left");
    assert_eq!(come(&house, &provider, claims("7", "ann", &["bosses"])).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_of_the_provider_is_found_at_once_and_what_its_token_lacks_is_asked_for() {
    let provider = Provider::start().await;
    let house = house_before(&provider).await;
    assert_eq!(come(&house, &provider, claims("7", "ann", &["all"])).await.status, 303);
    provider.rotate("second");
    assert_eq!(come(&house, &provider, claims("7", "ann", &["all"])).await.status, 303);
    assert_eq!(provider.discoveries(), 2);
    provider.tells_apart(json!({"sub": "8", "preferred_username": "bob", "groups": "netops"}));
    let answer = come(&house, &provider, json!({"sub": "8"})).await;
    let told = who(&house, &answer).await;
    assert_eq!((&told["user"], &told["roles"]), (&json!("bob"), &json!(["operator:prod"])));
    // The token's own word counts.
    provider.tells_apart(json!({"sub": "8", "groups": ["bosses"]}));
    let answer = come(&house, &provider, json!({"sub": "8", "groups": ["all"]})).await;
    assert_eq!(who(&house, &answer).await["roles"], json!(["viewer"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_not_there_is_said_in_words_and_passwords_work() {
    let provider = Provider::start().await;
    let house = house_before(&provider).await;
    for (lie, word) in [
        (Lie::DiscoveryFails, "502"),
        (Lie::DiscoveryIssuer, "not the issuer"),
        (Lie::DiscoveryHuge, "more than 1048576 bytes"),
        (Lie::DiscoveryElsewhere, "307"),
    ] {
        provider.lies(lie);
        let house = house_before(&provider).await;
        let answer = get(&house, "/login/oidc?next=/f/prod", HeaderMap::new()).await;
        is_refused(&answer, 503, word);
        assert!(answer.body.contains("value=\"/f/prod\""), "the way on is kept");
        assert_eq!(set_by(&answer, "hnp_oidc"), None);
        // Many at the door are one request.
        let asked = provider.discoveries();
        get(&house, "/login/oidc", HeaderMap::new()).await;
        assert_eq!(provider.discoveries(), asked);
    }
    let mut nobody = provider.clone();
    nobody.issuer = "http://127.0.0.1:1".to_owned();
    let lonely = house_before(&nobody).await;
    let answer = get(&lonely, "/login/oidc", HeaderMap::new()).await;
    is_refused(&answer, 503, "cannot reach 127.0.0.1:1: connection refused");
    sign_in(lonely.address, "admin", PASSWORD).await;

    // One that takes a request and says nothing is waited for only so long.
    provider.lies(Lie::Nothing);
    let begun = begin(&house, "/").await;
    let code = begun.grant(&provider, claims("7", "ann", &["all"]));
    provider.lies(Lie::Hangs);
    is_refused(
        &begun.back(&house, &format!("code={code}")).await,
        503,
        "did not answer within 10 s",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_believed_by_the_authority_that_is_named_and_by_no_other() {
    let (named, other) = (Authority::new(), Authority::new());
    let folder = Folder::new();
    let provider = Provider::start_encrypted(&named.write(&folder)).await;
    let house = async |authority: &Authority| {
        let yard = Yard::empty().await;
        yard.folder.write("ca.pem", authority.cert.as_bytes());
        let file = yard.folder.path().join("ca.pem");
        let adjust =
            |config: &mut Config| config.oidc.as_mut().unwrap().ca_file = Some(file.clone());
        house_on(yard, &provider, vec![rule("all", None, Role::Viewer)], adjust).await
    };
    let house_of_other = house(&other).await;
    let answer = get(&house_of_other, "/login/oidc", HeaderMap::new()).await;
    is_refused(&answer, 503, "its certificate is not trusted");
    assert_eq!(provider.discoveries(), 0);
    let house = house(&named).await;
    let answer = come(&house, &provider, claims("7", "ann", &["all"])).await;
    assert_eq!(who(&house, &answer).await["roles"], json!(["viewer"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_begins_another_on_the_same_database_ends() {
    let provider = Provider::start().await;
    let yard = Arc::new(Yard::empty().await);
    let database = format!("sqlite://{}", yard.folder.path().join("two.db").display());
    let start = async || {
        let adjust = |config: &mut Config| config.database_url = Some(database.clone());
        let rules = vec![rule("all", None, Role::Viewer)];
        house_on(Arc::clone(&yard), &provider, rules, adjust).await
    };
    let (one, other) = (start().await, start().await);
    let begun = begin(&one, "/").await;
    let code = begun.grant(&provider, claims("7", "ann", &["all"]));
    let query = format!("code={code}");
    let answer = begun.back(&other, &query).await;
    assert_eq!(who(&one, &answer).await["user"], json!("ann"), "and both know the session");
    is_refused(&begun.back(&one, &query).await, 400, "used already");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_a_session_ends_those_of_the_provider_too() {
    let provider = Provider::start().await;
    let house = house_before(&provider).await;
    let come = async || come(&house, &provider, claims("7", "ann", &["all"])).await;
    let holds = async |answer: &Answer| {
        let session = set_by(answer, "hnp_session").unwrap();
        get(&house, "/api/v1/session", with_cookie(&session)).await.status == 200
    };
    let (one, other) = (come().await, come().await);
    assert!(holds(&one).await && holds(&other).await);
    let user: domain::account::UserName = "ann".parse().unwrap();
    let shown = Answer::of(house.http.get(house.url("/api/v1/users/ann"))).await.json();
    assert_eq!((&shown["source"], &shown["roles_from"]), (&json!("oidc"), &json!("provider")));
    let order = |order| async { house.registrar.order(order, &deed(Act::Request, "test")).await };
    order(Order::EndSessions { user: user.clone(), keep: None }).await.unwrap();
    assert!(!holds(&one).await && !holds(&other).await);
    let again = come().await;
    order(Order::SetEnabled { user, enabled: false }).await.unwrap();
    assert!(!holds(&again).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_fails_too_often_has_to_wait() {
    let provider = Provider::start().await;
    let house = house_before(&provider).await;
    let from = |address: &str| {
        HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), address.parse().unwrap())])
    };
    let path = "/login/oidc/callback?state=x&code=y";
    for _ in 0..30 {
        is_refused(&get(&house, path, from("192.0.2.7")).await, 400, "not begun");
    }
    is_refused(&get(&house, path, from("192.0.2.7")).await, 429, "wait");
    is_refused(&get(&house, path, from("192.0.2.8")).await, 400, "not begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_offers_the_way_out_of_the_provider_to_whom_it_vouched_for() {
    let provider = Provider::start().await;
    let house = house_before(&provider).await;
    let answer = come(&house, &provider, claims("7", "ann", &["all"])).await;
    let session = set_by(&answer, "hnp_session").unwrap();
    let stay = reqwest::redirect::Policy::none();
    let http = reqwest::Client::builder().redirect(stay).build().unwrap();
    let leave = |headers: HeaderMap| {
        let origin = format!("http://{}", house.address);
        Answer::of(http.post(house.url("/logout")).headers(headers).header("origin", origin))
    };
    let out = leave(with_cookie(&session)).await;
    assert_eq!((out.status, out.header("location")), (303, "/login?signed-out=provider"));
    let told = get(&house, "/api/v1/session", with_cookie(&session)).await;
    assert_eq!(told.status, 401, "the session is over");
    let page = get(&house, "/login?signed-out=provider", HeaderMap::new()).await.body;
    let way = format!("{}/end?x=1&amp;client_id=hnp", provider.issuer);
    assert!(page.contains(&way), "{page}");
    assert!(page.contains("post_logout_redirect_uri=https%3A%2F%2Fhnp.example%2Flogin"), "{page}");

    account::user(&*house.directory, "local", Rights::everywhere(Role::Viewer)).await.unwrap();
    let local = sign_in(house.address, "local", PASSWORD).await;
    let out = leave(HeaderMap::from_iter([(COOKIE, local[COOKIE].clone())])).await;
    assert_eq!(out.header("location"), "/login", "who came by password is not sent there");
    let page = get(&house, "/login", HeaderMap::new()).await.body;
    assert!(!page.contains("signed in at") && page.contains("/login/oidc?next=%2F"), "{page}");
}
