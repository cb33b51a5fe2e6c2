//! The forms of names, as AWS has them.

fn all(text: &str, fits: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(fits)
}

fn hexadecimal(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|id| matches!(id.len(), 8 | 17) && all(id, |c| c.is_ascii_digit() || ('a'..='f').contains(&c)))
}

/// `us-east-1`, `us-gov-west-1`.
pub(crate) fn region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let (Some((number, words)), true) = (parts.split_last(), parts.len() >= 3) else { return false };
    text.len() <= 32
        && all(number, |c| c.is_ascii_digit())
        && words.iter().all(|word| all(word, |c| c.is_ascii_lowercase()))
}

/// `g4dn.xlarge`.
pub(crate) fn instance(text: &str) -> bool {
    let part = |part: &str| all(part, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    text.len() <= 32 && text.split_once('.').is_some_and(|(family, size)| part(family) && part(size))
}

/// `ml.g5.4xlarge`.
pub(crate) fn job_instance(text: &str) -> bool {
    text.strip_prefix("ml.").is_some_and(instance)
}

/// `sg-0c3016e7d01243e5b`.
pub(crate) fn security_group(text: &str) -> bool {
    hexadecimal(text, "sg-")
}

/// `subnet-0c3016e7d01243e5b`.
pub(crate) fn subnet(text: &str) -> bool {
    hexadecimal(text, "subnet-")
}

/// `ami-0c3016e7d01243e5b`.
pub(crate) fn ami(text: &str) -> bool {
    hexadecimal(text, "ami-")
}

/// The name of a parameter of SSM: `/aws/service/..`.
pub(crate) fn parameter(text: &str) -> bool {
    text.starts_with('/') && text.len() <= 1011 && all(text, |c| c.is_ascii_alphanumeric() || "/._-".contains(c))
}

/// The name of a parameter of SSM with an optional version or label, or the ARN of one.
pub(crate) fn named_parameter(text: &str) -> bool {
    let (name, version) = match resource(text, "ssm") {
        Some(resource) => match resource.strip_prefix("parameter/") {
            Some(name) => (name, None),
            None => return false,
        },
        None => text.split_once(':').map_or((text, None), |(name, version)| (name, Some(version))),
    };
    let fits = |part: &str| text.len() <= 2048 && all(part, |c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    fits(name) && version.is_none_or(fits)
}

/// The ARN of a secret of Secrets Manager.
pub(crate) fn kept_secret(text: &str) -> bool {
    let name = resource(text, "secretsmanager").and_then(|resource| resource.strip_prefix("secret:"));
    text.len() <= 2048 && name.is_some_and(|name| all(name, |c| c.is_ascii_alphanumeric() || "/_+=.@-!".contains(c)))
}

/// What an ARN of this service names.
fn resource<'a>(text: &'a str, service: &str) -> Option<&'a str> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, of, area, account, rest] = parts[..] else { return None };
    let fits = partition.starts_with("aws") && all(partition, |c| c.is_ascii_lowercase() || c == '-');
    let account = account.len() == 12 && all(account, |c| c.is_ascii_digit());
    (fits && of == service && region(area) && account).then_some(rest)
}

/// The name of a key pair.
pub(crate) fn key_name(text: &str) -> bool {
    text.len() <= 255 && all(text, |c| c.is_ascii_graphic() || c == ' ')
}

/// The name of an instance profile, or its ARN.
pub(crate) fn profile(text: &str) -> bool {
    let name = |name: &str| name.len() <= 128 && all(name, |c| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c));
    name(text) || iam(text, "instance-profile/")
}

/// `arn:aws:iam::123456789012:role/name`.
pub(crate) fn role(text: &str) -> bool {
    iam(text, "role/")
}

fn iam(text: &str, what: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, rest] = parts[..] else { return false };
    text.len() <= 2048
        && partition.starts_with("aws")
        && all(partition, |c| c.is_ascii_lowercase() || c == '-')
        && account.len() == 12
        && all(account, |c| c.is_ascii_digit())
        && rest
            .strip_prefix(what)
            .is_some_and(|name| all(name, |c| c.is_ascii_alphanumeric() || "+=,.@_-/".contains(c)))
}

/// `123456789012.dkr.ecr.REGION.amazonaws.com/NAME:TAG`, the tag or a digest given.
pub(crate) fn image(text: &str) -> bool {
    text.len() <= 255
        && image_region(text).is_some_and(region)
        && text.split_once('/').is_some_and(|(_, name)| {
            let tagged = name.split_once('@').or_else(|| name.rsplit_once(':'));
            tagged.is_some_and(|(name, tag)| {
                all(name, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c))
                    && all(tag, |c| c.is_ascii_alphanumeric() || "._-:".contains(c))
            })
        })
}

/// The region of an image in ECR.
pub(crate) fn image_region(text: &str) -> Option<&str> {
    let (host, _) = text.split_once('/')?;
    let (account, rest) = host.split_once(".dkr.ecr.")?;
    let region = rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn"))?;
    (account.len() == 12 && all(account, |c| c.is_ascii_digit())).then_some(region)
}

/// A path of a file, relative to `pipe.yaml`.
pub(crate) fn path(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_aws_are_told_from_others() {
        let check = |fits: fn(&str) -> bool, right: &[&str], wrong: &[&str]| {
            right.iter().for_each(|text| assert!(fits(text), "{text}"));
            wrong.iter().for_each(|text| assert!(!fits(text), "{text}"));
        };
        check(region, &["us-east-1", "us-gov-west-1"], &["", "us-east", "us-east-1a", "US-EAST-1", "-1-1"]);
        check(instance, &["g4dn.xlarge", "u-6tb1.metal"], &["", "g4dn", ".xlarge", "g4dn xlarge", "ml.g5.4xlarge"]);
        check(job_instance, &["ml.g5.4xlarge"], &["g5.4xlarge", "ml.g5"]);
        check(security_group, &["sg-0c3016e7d01243e5b", "sg-12345678"], &["sg-1", "sg-0c3016e7d01243e5X", "default"]);
        check(role, &["arn:aws:iam::123456789012:role/service-role/pipe"], &["arn:aws:iam::1:role/pipe", "pipe"]);
        check(
            image,
            &[
                "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.9.0-gpu-py312-cu130-ubuntu22.04-sagemaker",
            ],
            &[
                "pytorch",
                "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training",
                "1.dkr.ecr.us-east-1.amazonaws.com/a:b",
            ],
        );
        check(profile, &["pipe-worker", "arn:aws:iam::123456789012:instance-profile/pipe"], &["", "a b"]);
        check(ami, &["ami-0c3016e7d01243e5b"], &["ami-latest"]);
        check(parameter, &["/aws/service/deeplearning/ami/x86_64/a/latest/ami-id"], &["aws/service", "/a b"]);
    }
}
