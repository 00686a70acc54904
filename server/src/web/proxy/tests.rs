//! Who is believed about whom.

use super::*;

fn proxies(header: ProxyHeader) -> Proxies {
    let networks = ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"];
    Proxies { networks: networks.iter().map(|text| text.parse().unwrap()).collect(), header }
}

fn seen(
    proxies: &Proxies,
    from: &str,
    tls: bool,
    pairs: &[(&str, &str)],
) -> (String, bool, Option<String>) {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    let wire = Wire { peer: from.parse().unwrap(), tls };
    let (peer, host) = proxies.see(wire, &headers);
    let host = host.map(|host| host.to_str().unwrap().to_owned());
    (peer.address.to_string(), peer.https, host)
}

#[test]
fn nobody_but_a_trusted_proxy_is_believed() {
    let lies = [
        ("x-forwarded-for", "198.51.100.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "hnp.example"),
        ("forwarded", "for=198.51.100.1;proto=https;host=hnp.example"),
    ];
    for header in [ProxyHeader::XForwarded, ProxyHeader::Forwarded] {
        let trusting = proxies(header);
        let found = seen(&trusting, "192.0.2.1:5", false, &lies);
        assert_eq!(found, ("192.0.2.1".into(), false, None), "a stranger");
        let nobody = Proxies { networks: Vec::new(), header };
        let found = seen(&nobody, "127.0.0.1:5", true, &lies);
        assert_eq!(found, ("127.0.0.1".into(), true, None), "not even this machine, unless named");
        let found = seen(&trusting, "10.1.1.1:5", false, &lies);
        assert_eq!(found, ("198.51.100.1".into(), true, Some("hnp.example".into())));
    }
}

#[test]
fn only_the_header_that_is_configured_is_read() {
    let forwarded = [("forwarded", "for=198.51.100.1;proto=https")];
    let x_forwarded = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "https")];
    let mine = ("10.1.1.1".to_owned(), false, None);
    assert_eq!(seen(&proxies(ProxyHeader::XForwarded), "10.1.1.1:5", false, &forwarded), mine);
    assert_eq!(seen(&proxies(ProxyHeader::Forwarded), "10.1.1.1:5", false, &x_forwarded), mine);
}

#[test]
fn what_a_client_wrote_before_its_proxy_did_is_not_believed() {
    let trusting = proxies(ProxyHeader::XForwarded);
    for (chain, address) in [
        (&["198.51.100.1"][..], "198.51.100.1"),
        // The client made up the first; the proxy added whom it saw.
        (&["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
        (&["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
        (&["127.0.0.1, 198.51.100.1"], "198.51.100.1"),
        // Two proxies of ours, one behind the other.
        (&["203.0.113.9, 198.51.100.1, 10.2.2.2"], "198.51.100.1"),
        (&["198.51.100.1:4711"], "198.51.100.1"),
        (&["[2001:db8::7]:80"], "2001:db8::7"),
        (&["2001:db8::7"], "2001:db8::7"),
        (&["::ffff:198.51.100.1"], "198.51.100.1"),
        // What cannot be read names nobody: the last that was believed counts.
        (&["198.51.100.1, unknown"], "10.1.1.1"),
        (&["198.51.100.1, nonsense, 10.2.2.2"], "10.2.2.2"),
        (&[""], "10.1.1.1"),
        (&[], "10.1.1.1"),
    ] {
        let pairs: Vec<_> = chain.iter().map(|line| ("x-forwarded-for", *line)).collect();
        assert_eq!(seen(&trusting, "10.1.1.1:5", false, &pairs).0, address, "{chain:?}");
    }
    let game = vec!["10.9.9.9"; 1_000].join(",");
    let found = seen(&trusting, "10.1.1.1:5", false, &[("x-forwarded-for", &game)]);
    assert_eq!(found.0, "10.9.9.9", "and it ends");
}

#[test]
fn a_forwarded_header_is_read_as_its_standard_says() {
    let trusting = proxies(ProxyHeader::Forwarded);
    for (text, expected) in [
        (r#"For="[2001:db8::7]:4711";Proto=https"#, ("2001:db8::7", true)),
        ("for=203.0.113.9;proto=https, for=198.51.100.1;proto=http", ("198.51.100.1", false)),
        ("for=203.0.113.9, for=_hidden", ("10.1.1.1", false)),
        ("for=unknown;proto=https", ("10.1.1.1", true)),
        ("proto=https;by=10.0.0.1", ("10.1.1.1", true)),
        ("nonsense", ("10.1.1.1", false)),
    ] {
        let (address, https, _) = seen(&trusting, "10.1.1.1:5", false, &[("forwarded", text)]);
        assert_eq!((address.as_str(), https), expected, "{text}");
    }
}

#[test]
fn a_proxy_that_says_http_means_it_even_over_tls() {
    let trusting = proxies(ProxyHeader::XForwarded);
    for (proto, https) in
        [("https", true), ("HTTPS", true), ("http", false), ("https, http", false)]
    {
        let found = seen(&trusting, "10.1.1.1:5", true, &[("x-forwarded-proto", proto)]);
        assert_eq!(found.1, https, "{proto}");
    }
    assert!(seen(&trusting, "[::ffff:10.1.1.1]:5", true, &[]).1, "unsaid, it is the wire's");
}
