//! What a user relies on about configuration.

use domain::access::Role;

use super::*;

fn file(name: &str, text: &str) -> Flags {
    let path = std::env::temp_dir().join(format!("hnp-config-{}-{name}.toml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    Flags { file: Some(path), ..Flags::default() }
}

#[test]
fn flags_beat_environment_beats_file_beats_default() {
    let mut flags =
        file("order", "listen = \"127.0.0.1:1\"\ndata_dir = \"/d\"\n[limits]\nrate = 7\n");
    let env = |name: &str| (name == "HNP_LISTEN").then(|| "127.0.0.1:2".to_owned());
    let (config, sources) = load(&flags, env).unwrap();
    assert_eq!((config.listen.port(), config.limits.rate, config.limits.total), (2, 7, 10_000));
    assert_eq!(sources["listen"].place, "environment HNP_LISTEN");
    flags.listen = Some("127.0.0.1:3".to_owned());
    assert_eq!(load(&flags, env).unwrap().0.listen.port(), 3);
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let error = load(&file("unknown", "lisen = \"x\"\n"), |_| None).unwrap_err();
    assert!(
        matches!(&error, ConfigError::UnknownKey { key, nearest, .. } if key == "lisen" && nearest == "listen"),
        "{error}"
    );
    let error = load(&file("nested", "[limits]\nrat = 1\n"), |_| None).unwrap_err();
    assert!(
        matches!(&error, ConfigError::UnknownKey { nearest, .. } if nearest == "limits.rate"),
        "{error}"
    );
}

/// A configuration from these variables alone.
fn with(pairs: &[(&str, &str)]) -> Result<(Config, Sources), ConfigError> {
    load(&Flags::default(), |asked| {
        pairs.iter().find(|(name, _)| *name == asked).map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn others_are_let_in_only_where_passwords_do_not_travel_in_clear() {
    let tls = [("HNP_TLS_CERT_FILE", "c"), ("HNP_TLS_KEY_FILE", "k")];
    let proxied =
        [("HNP_TRUSTED_PROXIES", "10.0.0.0/8"), ("HNP_PUBLIC_URL", "https://hnp.example")];
    for listen in ["0.0.0.0:3000", "192.168.1.1:3000", "[::]:3000"] {
        let on = |more: &[(&str, &str)]| with(&[&[("HNP_LISTEN", listen)], more].concat());
        for more in [
            &[][..],
            &proxied[..1],
            &proxied[1..],
            &[proxied[0], ("HNP_PUBLIC_URL", "http://hnp.example")],
            &[("HNP_INSECURE_HTTP", "false")],
        ] {
            let error = on(more).unwrap_err();
            assert!(matches!(error, ConfigError::InClear { .. }), "{listen} {more:?}");
            let text = error.to_string();
            assert!(text.contains("tls.cert_file") && text.contains("trusted_proxies"), "{text}");
        }
        for more in [&tls[..], &proxied, &[("HNP_INSECURE_HTTP", "true")]] {
            assert!(on(more).is_ok(), "{listen} {more:?}");
        }
    }
    for listen in ["127.0.0.1:0", "[::1]:3000", "127.9.9.9:1"] {
        assert!(with(&[("HNP_LISTEN", listen)]).is_ok(), "{listen}");
    }
}

#[test]
fn a_secret_is_taken_from_the_environment_only_and_never_shown() {
    const PLANTED: &str = "planted-key-material";
    let (config, sources) = with(&[("HNP_SECRET_KEY", PLANTED)]).unwrap();
    let KeySource::Value(hidden) = &config.key else { panic!("{:?}", config.key) };
    assert_eq!(hidden.reveal(), PLANTED);
    assert!(!format!("{config:?} {sources:?}").contains(PLANTED));
    assert_eq!(sources["secret_key"].place, "environment HNP_SECRET_KEY");
    assert!(sources["secret_key"].value.contains("set"));

    let error = load(&file("secret", &format!("secret_key = \"{PLANTED}\"\n")), |_| None);
    let error = error.unwrap_err();
    assert!(matches!(error, ConfigError::OnlyEnvironment { .. }), "{error}");
    let both = with(&[("HNP_SECRET_KEY", PLANTED), ("HNP_SECRET_KEY_FILE", "f")]).unwrap_err();
    let broken = load(&file("broken", &format!("secret_key = \"{PLANTED}\n")), |_| None);
    for error in [error, both, broken.unwrap_err()] {
        assert!(!format!("{error} {error:?}").contains(PLANTED), "{error}");
    }
    let (_, sources) = with(&[("HNP_DATABASE_URL", "postgres://hnp:geheim@db/hnp")]).unwrap();
    assert_eq!(sources["database_url"].value, "postgres://hnp:***@db/hnp");
}

#[test]
fn the_key_lies_in_the_data_folder_unless_another_place_is_named() {
    let at = |path: &str| KeySource::File(path.into());
    assert_eq!(with(&[]).unwrap().0.key, at("./data/secret.key"));
    assert_eq!(with(&[("HNP_DATA_DIR", "/d")]).unwrap().0.key, at("/d/secret.key"));
    assert_eq!(with(&[("HNP_SECRET_KEY_FILE", "/k")]).unwrap().0.key, at("/k"));
}

#[test]
fn an_identity_provider_needs_what_it_needs_and_gives_the_roles_that_are_written() {
    assert_eq!(with(&[]).unwrap().0.oidc, None);
    let issuer = ("HNP_OIDC_ISSUER", "https://id.example/realms/net");
    let client = ("HNP_OIDC_CLIENT_ID", "hnp");
    let public = ("HNP_PUBLIC_URL", "https://hnp.example");
    for (pairs, key, needs) in [
        (&[issuer][..], "oidc.issuer", "oidc.client_id"),
        (&[issuer, client], "oidc.issuer", "public_url"),
        (&[client], "oidc.client_id", "oidc.issuer"),
        (&[("HNP_OIDC_ADMIN_VALUES", "x")], "oidc.admin_values", "oidc.issuer"),
    ] {
        assert_eq!(with(pairs).unwrap_err(), ConfigError::Incomplete { key, needs });
    }
    for bad in ["http://id.example", "id.example", "https://u:p@id.example", "ftp://id.example"] {
        let error = with(&[("HNP_OIDC_ISSUER", bad), client]).unwrap_err();
        assert!(matches!(error, ConfigError::Value { key: "oidc.issuer", .. }), "{bad}: {error}");
    }
    let near = ("HNP_OIDC_ISSUER", "http://127.0.0.1:9/x");
    let redirect = |url| with(&[near, client, ("HNP_OIDC_REDIRECT_URL", url)]);
    let config = redirect("http://localhost:3000/login/oidc/callback").unwrap().0;
    assert_eq!(config.oidc_redirect().unwrap(), "http://localhost:3000/login/oidc/callback");
    for bad in ["https://hnp.example/", "https://hnp.example/x/login/oidc/callback"] {
        let error = redirect(bad).unwrap_err();
        assert!(matches!(error, ConfigError::Value { key: "oidc.redirect_url", .. }), "{error}");
    }
    let config = with(&[near, client, public]).unwrap().0;
    assert_eq!(config.oidc_redirect().unwrap(), "https://hnp.example/login/oidc/callback");

    let values = [
        ("HNP_OIDC_ADMIN_VALUES", "hnp-admins"),
        ("HNP_OIDC_OPERATOR_VALUES", "prod:netops, :urn:ops"),
        ("HNP_OIDC_SCOPES", "groups"),
    ];
    let oidc = with(&[&[issuer, client, public], &values[..]].concat()).unwrap().0.oidc.unwrap();
    let rule = |value: &str, fabric: Option<&str>, role| oidc::Rule {
        value: value.to_owned(),
        fabric: fabric.map(|fabric| fabric.parse().unwrap()),
        role,
    };
    let expected = [
        rule("hnp-admins", None, Role::Admin),
        rule("netops", Some("prod"), Role::Operator),
        rule("urn:ops", None, Role::Operator),
    ];
    assert_eq!(oidc.rules, expected);
    assert_eq!(oidc.scopes, ["openid", "groups"]);
    for bad in ["prod:", ":", "No Fabric:x"] {
        assert!(with(&[issuer, client, public, ("HNP_OIDC_VIEWER_VALUES", bad)]).is_err(), "{bad}");
    }
}

#[test]
fn what_does_not_read_is_refused_with_the_key_that_it_is() {
    for (name, value, key) in [
        ("HNP_PUBLIC_URL", "https://hnp.example/console", "public_url"),
        ("HNP_ALLOWED_ORIGINS", "https://*.example", "allowed_origins"),
        ("HNP_EMBED_ORIGINS", "hnp.example", "embed_origins"),
        ("HNP_TRUSTED_PROXIES", "10.0.0.0/8,proxy.example", "trusted_proxies"),
        ("HNP_TRUSTED_PROXY_HEADER", "x-real-ip", "trusted_proxy_header"),
        ("HNP_SESSION_TTL", "0s", "session_ttl"),
        ("HNP_SESSION_IDLE", "2", "session_idle"),
        ("HNP_PASSWORD_MIN_LENGTH", "4", "password.min_length"),
        ("HNP_METRICS_LISTEN", "9100", "metrics_listen"),
        ("HNP_KUBECONFIG_ALLOW_EXEC", "yes", "kubeconfig.allow_exec"),
        ("HNP_LIMITS_BODY_BYTES", "much", "limits.body_bytes"),
        ("HNP_LIMITS_HEAD_SECONDS", "0", "limits.head_seconds"),
    ] {
        let error = with(&[(name, value)]).unwrap_err();
        assert!(
            matches!(&error, ConfigError::Value { key: named, .. } if *named == key),
            "{error}"
        );
    }
    for (alone, needs) in
        [("HNP_TLS_CERT_FILE", "tls.key_file"), ("HNP_TLS_KEY_FILE", "tls.cert_file")]
    {
        let error = with(&[(alone, "f")]).unwrap_err();
        assert!(matches!(error, ConfigError::Incomplete { needs: n, .. } if n == needs), "{error}");
    }
}

#[test]
fn proxies_are_networks_or_single_addresses() {
    let (config, _) = with(&[("HNP_TRUSTED_PROXIES", "10.1.2.3/8, 192.0.2.7, fd00::/8")]).unwrap();
    let networks: Vec<String> = config.proxies.networks.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"]);
}

#[test]
fn ages_and_sizes_read_as_people_write_them() {
    let with = |name, value| with(&[(name, value)]);
    let (config, _) = with("HNP_HISTORY_MAX_AGE", "12h").unwrap();
    assert_eq!(config.history.max_age_ms, 12 * 3_600_000);
    assert_eq!(config.history.max_bytes, 2 << 30, "the default");
    let (config, _) = with("HNP_HISTORY_MAX_BYTES", "500 MB").unwrap();
    assert_eq!(config.history.max_bytes, 500_000_000);
    for bad in ["30", "d", "-1d", "3 weeks", "99999999999999999d"] {
        let error = with("HNP_HISTORY_MAX_AGE", bad).unwrap_err().to_string();
        assert!(error.contains("30d or 12h"), "{bad}: {error}");
    }
}

#[test]
fn a_value_that_does_not_read_says_where_it_came_from() {
    let error =
        load(&Flags::default(), |name| (name == "HNP_LIMITS_RATE").then(|| "many".to_owned()))
            .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`limits.rate` from environment HNP_LIMITS_RATE is `many`, which is not a number of messages per second"
    );
}
