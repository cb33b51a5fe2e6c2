//! Redacting and undoing, on text of any kind.

use std::net::IpAddr;

use contract::Digest;
use proptest::prelude::*;
use redact::{Pseudonyms, Redactor, Vocabulary};

fn redactor(host: &str, texts: &[String]) -> Redactor {
    let mut redactor = Redactor::new(Digest::of(b"secret"), [host], Vocabulary::default());
    texts.iter().for_each(|text| redactor.learn(text));
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
    let other =
        Redactor::new(Digest::of(b"other"), [], Vocabulary::default()).redact(&texts[1], &mut Pseudonyms::default());
    assert_ne!(other, redacted[1]);
}

/// A name in a home directory is known everywhere, in any case; one in a command line where it stands; a word that says something else
/// nowhere but in a home directory.
#[test]
fn names_are_learned_where_nobody_can_choose_them_and_words_are_kept() {
    let texts =
        ["/home/Bob/run", "/home/LISTEN/x", "/home/tcp/x", "/home/usr/x", "/home/CORP/maria/x"].map(str::to_owned);
    let mut redactor = redactor("Fin-Web1.corp.example", &texts);
    redactor.learn_value("ssh_user", "nadia");
    let mut map = Pseudonyms::default();
    let mut redact = |text: &str| {
        let redacted = redactor.redact(text, &mut map);
        assert_eq!(map.undo(&redacted), text);
        redacted
    };
    for text in [
        "tcp LISTEN 22 by /usr/sbin/sshd",
        "x USER=LISTEN",
        "/usr/bin/sudo -u tcp x",
        "git@host, getty@tty1.service",
        "127.0.0.1 ::1 01:22:33",
    ] {
        assert_eq!(redact(text), text);
    }
    let gone = [
        ("/opt/bob/run BOB /usr/local/bin/bob-tool", "bob"),
        ("/opt/fin-web1/run FIN-WEB1 host_Fin-Web1", "fin-web1"),
        ("bastion7.corp.example", "bastion7"),
        ("bastion7.CORP.example", "corp"),
        ("/srv/maria nadia", "maria"),
        ("/srv/maria nadia", "nadia"),
        ("ssh hank@bastion7", "hank"),
        ("sudo -u frank /bin/x", "frank"),
        ("mail larry@example.org", "example"),
        ("/home/al/x", "al/"),
        ("/home/李雷/x", "李雷"),
        ("/home/jane doe/x", "doe"),
        ("/home/svc+deploy/x", "deploy"),
        ("/home/o'brien/x", "brien"),
        ("/home/LISTEN/x", "listen"),
        ("/home/corp.example/dora/x", "dora"),
        ("/media/carl/x /home2/carl/x", "carl"),
        ("ec2-198-51-100-80", "198"),
        ("x198.51.100.78y", "198"),
        ("198.051.100.085", "198"),
        ("64:ff9b::198.51.100.82", "198"),
        ("001a.2b3c.4d5e", "001a"),
    ];
    for (text, name) in gone {
        let redacted = redact(text);
        assert!(!redacted.to_lowercase().contains(name), "{text}: {redacted}");
    }
    let same = [redact("bob"), redact("/opt/Bob"), redact("BOB")].map(|text| text.to_lowercase());
    assert!(same.iter().all(|text| text.ends_with(&same[0])), "{same:?}");
    let mut map = Pseudonyms::default();
    let values = [("user", "o'brien"), ("hostname", "db3"), ("port", "443"), ("exe", "/usr/bin/x"), ("owner", "root")];
    let redacted = values.map(|(key, value)| redactor.redact_value(key, value, &mut map));
    assert!(redacted[0].starts_with("user-") && redacted[1].starts_with("host-"), "{redacted:?}");
    assert_eq!(redacted[2..], values.map(|(_, value)| value)[2..]);
    assert_eq!(redacted.map(|text| map.undo(&text)), values.map(|(_, value)| value));
}

/// Text with values, what looks like values, and anything else.
fn text() -> impl Strategy<Value = String> {
    let octets = any::<[u8; 4]>();
    let piece = prop_oneof![
        octets.prop_map(|[a, b, c, d]| format!("{a}.{b}.{c}.{d}")),
        octets.prop_map(|[a, b, c, d]| format!("x-{a}-{b}-{c}-{d}")),
        any::<[u8; 2]>().prop_map(|[a, b]| format!("192.168.{a:03}.{b}")),
        any::<u128>().prop_map(|n| std::net::Ipv6Addr::from(n).to_string()),
        any::<u64>().prop_map(|n| std::net::Ipv6Addr::from(0xfe80_u128 << 112 | u128::from(n)).to_string()),
        any::<[u8; 6]>().prop_map(|o| o.map(|octet| format!("{octet:02x}")).join(":")),
        any::<[u8; 6]>().prop_map(|o| o.map(|octet| format!("{octet:02X}")).join("-")),
        any::<[u8; 6]>().prop_map(|o| format!("enx{}", o.map(|octet| format!("{octet:02x}")).concat())),
        any::<[u16; 3]>().prop_map(|o| o.map(|group| format!("{group:04x}")).join(".")),
        "/home/[a-zA-Z0-9.' é+]{1,6}",
        "(@|=|sudo -u |USER=|[A-Z]{2}\\\\|\\.corp\\.example)",
        "(eve|Bob|bob|BOB|bOb|web-1|Web-1\\.lan|user-0123456789|Host-abcdefabcd|domain-|user-)",
        "[ .:/@=\\-_\\[\\]a-f0-9\u{e9}\n]{1,4}",
        any::<String>().prop_map(|text| text.chars().take(4).collect()),
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn undoing_gives_the_text_back(texts in proptest::collection::vec(text(), 1..4)) {
        let mut redactor = redactor("web-1.corp.example", &texts);
        redactor.learn("/home/Bob/x");
        let mut map = Pseudonyms::default();
        let redacted: Vec<String> = texts.iter().map(|text| redactor.redact(text, &mut map)).collect();
        let undone: Vec<String> = redacted.iter().map(|text| map.undo(text)).collect();
        prop_assert_eq!(undone, texts);
    }

    #[test]
    fn no_value_is_left(
        user in "[g-z]{4,8}", host in "[g-z]{3,8}-[0-9]{1,2}", net in any::<[u8; 2]>(), public in any::<[u8; 3]>(), mac in any::<[u8; 6]>(),
    ) {
        let private = format!("10.44.{}.{}", net[0], net[1]);
        let public = format!("93.{}.{}.{}", public[0], public[1], public[2]);
        let mac = mac.map(|octet| format!("{octet:02x}")).join(":");
        let text = format!("/home/{user}/x: {user}@{host} {private}:22>{public}:5 {mac}, {host}.");
        let mut map = Pseudonyms::default();
        let redacted = redactor(&host, std::slice::from_ref(&text)).redact(&text, &mut map);
        for value in [&user, &host, &private, &public, &mac] {
            let kept = ["sync", "www", "runner", "proxy", "list"].contains(&value.as_str()) || Vocabulary::default().holds(value);
            prop_assert!(kept || !redacted.contains(value.as_str()), "{value} in {redacted}");
        }
        let addresses: Vec<IpAddr> = redacted.split([' ', '>']).filter_map(|part| part.rsplit_once(':')?.0.parse().ok()).collect();
        prop_assert!(matches!(addresses[..], [IpAddr::V4(v4), IpAddr::V4(other)] if v4.is_private() && !other.is_private()));
    }
}
