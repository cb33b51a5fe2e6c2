//! The names of secrets that services of AWS keep.

use contract::backend::Secret;

use crate::{Finding, shapes};

/// Refuses what cannot name a secret, before anything runs.
pub fn secret(secret: &Secret) -> Result<(), Finding> {
    let wrong = |message: String, help: &str| Err(Finding { key: None, message, help: help.to_owned() });
    match secret {
        Secret::Ssm(name) if shapes::named_parameter(name) => Ok(()),
        Secret::Ssm(name) => wrong(
            format!("`{name}` is neither the name of a parameter of SSM nor its ARN"),
            "write ssm: /a/parameter, or ssm: arn:aws:ssm:REGION:ACCOUNT:parameter/a/parameter",
        ),
        Secret::SecretsManager(arn) if shapes::kept_secret(arn) => Ok(()),
        Secret::SecretsManager(arn) => wrong(
            format!("`{arn}` is not the ARN of a secret of Secrets Manager"),
            "write secrets_manager: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX; `aws secretsmanager list-secrets` shows it",
        ),
    }
}

/// The region that an ARN names; `None` for a plain name.
pub fn region_of(secret: &Secret) -> Option<&str> {
    let (Secret::Ssm(name) | Secret::SecretsManager(name)) = secret;
    name.strip_prefix("arn:")?.split(':').nth(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arns_are_told_from_what_is_neither() {
        let check = |kept: fn(String) -> Secret, text: &str, fits: bool| {
            assert_eq!(secret(&kept(text.into())).is_ok(), fits, "{text}");
        };
        for (text, fits) in [
            ("/pipe/hf", true),
            ("hf-token", true),
            ("hf:3", true),
            ("arn:aws:ssm:us-east-1:123456789012:parameter/pipe/hf", true),
            ("", false),
            ("/a b", false),
            ("arn:aws:ssm:us-east-1:12:parameter/pipe", false),
            ("arn:aws:s3:::bucket", false),
        ] {
            check(Secret::Ssm, text, fits);
        }
        for (text, fits) in [
            ("arn:aws:secretsmanager:us-east-1:123456789012:secret:pipe/hf-AbCdEf", true),
            ("arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a", true),
            ("pipe/hf", false),
            ("arn:aws:secretsmanager:useast1:123456789012:secret:a", false),
            ("arn:aws:secretsmanager:us-east-1:123456789012:secret:", false),
            ("arn:aws:ssm:us-east-1:123456789012:parameter/pipe/hf", false),
        ] {
            check(Secret::SecretsManager, text, fits);
        }
    }

    #[test]
    fn an_arn_names_its_region() {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a";
        assert_eq!(region_of(&Secret::SecretsManager(arn.into())), Some("eu-west-1"));
        assert_eq!(region_of(&Secret::Ssm("/a".into())), None);
    }
}
