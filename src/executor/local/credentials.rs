//! Credentials in the addresses that variables of the user's environment hold, such as `https://me:token@host/simple`: a worker that sees the
//! variable may say its value.

use std::ffi::OsStr;

/// User names with passwords, and passwords alone, in the URLs of `value`.
pub(super) fn of(value: &OsStr) -> Vec<String> {
    let value = value.to_string_lossy();
    let mut found = Vec::new();
    for address in value.split("://").skip(1) {
        let authority =
            address.split(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#')).next().unwrap_or_default();
        let Some((user, _)) = authority.rsplit_once('@') else { continue };
        found.push(user.to_owned());
        found.extend(user.split_once(':').map(|(_, password)| password.to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_found() {
        let of = |text: &str| super::of(OsStr::new(text));
        assert_eq!(of("https://me:to@ken@host/simple http://host:80/a@b"), ["me:to@ken", "to@ken"]);
        assert_eq!(of("http://token@host"), ["token"]);
        assert_eq!(of("http://host/?a=b@c /etc/pip.conf"), [""; 0]);
    }
}
