//! Redacting and undoing, on text of any kind.

use std::net::IpAddr;

use contract::Digest;
use proptest::prelude::*;
use redact::{Pseudonyms, Redactor};

fn redactor(host: &str, texts: &[String]) -> Redactor {
    let mut redactor = Redactor::new(Digest::of(b"secret"), [host]);
    texts.iter().for_each(|text| redactor.learn_users(text));
    redactor
}

#[test]
fn people_hosts_and_addresses_are_replaced_and_the_form_stays() {
    let texts = [
        "/home/eve.b/.cache/x",
        "sshd: eve.b@pts/0 from 192.168.7.9:50122",
        "web-1.corp.example: eve.b on web-1 (00:1b:21:aa:bb:cc) to 203.0.113.9, [fe80::1]:22",
        "/usr/bin/git of root in /home/ubuntu, 127.0.0.1",
    ]
    .map(str::to_owned);
    let redactor = redactor("web-1.corp.example", &texts);
    let mut map = Pseudonyms::default();
    let redacted = texts.clone().map(|text| redactor.redact(&text, &mut map));
    let whole = redacted.join("\n");
    for left in ["eve", "web-1", "corp", "192.168.7.9", "203.0.113.9", "fe80::1", "1b:21"] {
        assert!(!whole.contains(left), "{left} in {whole}");
    }
    assert!(redacted[0].starts_with("/home/user-") && redacted[0].ends_with("/.cache/x"), "{whole}");
    assert!(redacted[1].contains(" from 192.168.") && redacted[1].ends_with(":50122"), "{whole}");
    let user = &redacted[0]["/home/".len()..][.."user-0123456789".len()];
    assert!(redacted[1].starts_with(&format!("sshd: {user}@")), "one value has one pseudonym: {whole}");
    assert_eq!(redacted[3], texts[3], "what every system has names nobody");
    assert_eq!(redacted.clone().map(|text| map.undo(&text)), texts);
    let again = redactor.redact(&texts[1], &mut Pseudonyms::default());
    assert_eq!(again, redacted[1], "whatever came before");
    let other = Redactor::new(Digest::of(b"other"), []).redact(&texts[1], &mut Pseudonyms::default());
    assert_ne!(other, redacted[1]);
}

/// Text with values, what looks like values, and anything else.
fn text() -> impl Strategy<Value = String> {
    let octets = any::<[u8; 4]>();
    let piece = prop_oneof![
        octets.prop_map(|[a, b, c, d]| format!("{a}.{b}.{c}.{d}")),
        any::<[u8; 2]>().prop_map(|[a, b]| format!("192.168.{a}.{b}")),
        any::<u128>().prop_map(|n| std::net::Ipv6Addr::from(n).to_string()),
        any::<u64>().prop_map(|n| std::net::Ipv6Addr::from(0xfe80_u128 << 112 | u128::from(n)).to_string()),
        any::<[u8; 6]>().prop_map(|o| o.map(|octet| format!("{octet:02x}")).join(":")),
        any::<[u8; 6]>().prop_map(|o| o.map(|octet| format!("{octet:02X}")).join("-")),
        "/home/[a-z0-9.]{1,6}",
        "(eve|bob|web-1|web-1\\.lan|user-0123456789|host-abcdefabcd)",
        "[ .:/@=\\-_\\[\\]a-f0-9\u{e9}\n]{1,4}",
        any::<String>().prop_map(|text| text.chars().take(4).collect()),
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn undoing_gives_the_text_back(texts in proptest::collection::vec(text(), 1..4)) {
        let redactor = redactor("web-1.lan", &texts);
        let mut map = Pseudonyms::default();
        let redacted: Vec<String> = texts.iter().map(|text| redactor.redact(text, &mut map)).collect();
        let undone: Vec<String> = redacted.iter().map(|text| map.undo(text)).collect();
        prop_assert_eq!(undone, texts);
    }

    #[test]
    fn no_value_is_left(
        user in "[g-z]{3,8}", host in "[g-z]{3,8}-[0-9]{1,2}", net in any::<[u8; 2]>(), public in any::<[u8; 3]>(), mac in any::<[u8; 6]>(),
    ) {
        let private = format!("10.44.{}.{}", net[0], net[1]);
        let public = format!("93.{}.{}.{}", public[0], public[1], public[2]);
        let mac = mac.map(|octet| format!("{octet:02x}")).join(":");
        let text = format!("/home/{user}/x: {user}@{host} {private}:22>{public}:5 {mac}, {host}.");
        let mut map = Pseudonyms::default();
        let redacted = redactor(&host, std::slice::from_ref(&text)).redact(&text, &mut map);
        for value in [&user, &host, &private, &public, &mac] {
            let kept = ["root", "bin", "sys", "sync", "www", "runner", "proxy", "pi", "test"].contains(&value.as_str());
            prop_assert!(kept || !redacted.contains(value.as_str()), "{value} in {redacted}");
        }
        let addresses: Vec<IpAddr> = redacted.split([' ', '>']).filter_map(|part| part.rsplit_once(':')?.0.parse().ok()).collect();
        prop_assert!(matches!(addresses[..], [IpAddr::V4(v4), IpAddr::V4(other)] if v4.is_private() && !other.is_private()));
    }
}
