//! What went wrong, in words: from the errors of the SDK to a class, a sentence and what to do.
//!
//! Only the code and the message of a store's answer are shown, never the answer or the request: they can hold credentials.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use contract::backend::{Failed, FailedClass};

/// A failure without help.
pub(crate) fn failed(class: FailedClass, message: impl Into<String>) -> Failed {
    Failed { class, message: message.into(), help: None }
}

/// A failure with help.
pub(crate) fn helped(class: FailedClass, message: impl Into<String>, help: impl Into<String>) -> Failed {
    Failed { help: Some(help.into()), ..failed(class, message) }
}

/// Of a request that was cancelled.
pub(crate) fn interrupted() -> Failed {
    failed(FailedClass::Interrupted, "the request was cancelled")
}

/// There are no credentials to sign with.
pub(crate) fn credentials(error: Option<&CredentialsError>) -> Failed {
    let help = "log in (`aws sso login`, `aws configure`), set AWS_PROFILE or remote.profile, or set AWS_ACCESS_KEY_ID and \
                AWS_SECRET_ACCESS_KEY";
    let message = match error {
        None | Some(CredentialsError::CredentialsNotLoaded(_)) => "no AWS credentials were found",
        Some(CredentialsError::ProviderTimedOut(_)) => "the service that gives AWS credentials does not answer",
        Some(CredentialsError::InvalidConfiguration(_)) => "the AWS configuration files cannot be used",
        // The sources of these may quote what a credential process or a service said.
        Some(_) => "the AWS credentials could not be obtained; a login may have expired",
    };
    helped(FailedClass::Credentials, message, help)
}

/// What an action was about.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    /// As IAM names it.
    pub(crate) action: &'static str,
    pub(crate) bucket: &'a str,
    pub(crate) key: Option<&'a str>,
    pub(crate) region: &'a str,
    pub(crate) endpoint: Option<&'a str>,
}

/// What a store or the way to it answered.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    pub(crate) status: u16,
    pub(crate) code: String,
    message: String,
    region: Option<String>,
}

impl Trouble {
    /// The parts of an error that may be shown.
    pub(crate) fn of<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Self {
        let response = error.raw_response();
        Self {
            status: response.map_or(0, |response| response.status().as_u16()),
            code: error.code().unwrap_or_default().into(),
            message: error.message().unwrap_or_default().into(),
            region: response
                .and_then(|response| response.headers().get("x-amz-bucket-region"))
                .map(ToString::to_string),
        }
    }

    /// Whether there is no such object. HEAD has no body, so no code.
    pub(crate) fn is_absent(&self) -> bool {
        self.status == 404 && matches!(&*self.code, "" | "NoSuchKey" | "NotFound")
    }

    /// Whether the condition of a write did not hold.
    pub(crate) fn is_refused(&self) -> bool {
        self.status == 412 || self.is_absent()
    }

    /// Whether two conditional writes met, and this one may try again.
    pub(crate) fn is_conflict(&self) -> bool {
        self.status == 409 && matches!(&*self.code, "ConditionalRequestConflict" | "OperationAborted")
    }

    /// Whether the bytes arrived changed.
    pub(crate) fn is_damaged(&self) -> bool {
        matches!(
            &*self.code,
            "BadDigest"
                | "InvalidDigest"
                | "XAmzContentSHA256Mismatch"
                | "XAmzContentChecksumMismatch"
                | "IncompleteBody"
        )
    }
}

impl Target<'_> {
    /// The failure of this action.
    pub(crate) fn failed<E: ProvideErrorMetadata + Error + 'static>(&self, error: &SdkError<E>) -> Failed {
        match error {
            SdkError::TimeoutError(_) => self.unreachable("it does not answer in time"),
            SdkError::DispatchFailure(dispatch) => match caused_by_credentials(error) {
                Some(found) => credentials(Some(found)),
                None if dispatch.is_timeout() => self.unreachable("it does not answer in time"),
                None => self.unreachable(&innermost(error)),
            },
            SdkError::ConstructionFailure(_) => match caused_by_credentials(error) {
                Some(found) => credentials(Some(found)),
                None => failed(FailedClass::Invalid, format!("{} cannot be sent: {}", self.action, innermost(error))),
            },
            SdkError::ResponseError(_) if Trouble::of(error).status < 400 => {
                let message = format!("the answer to {} cannot be read: {}", self.action, innermost(error));
                failed(FailedClass::Broken, message)
            }
            _ => self.answered(&Trouble::of(error)),
        }
    }

    fn unreachable(&self, why: &str) -> Failed {
        let place = match self.endpoint {
            Some(endpoint) => endpoint.to_string(),
            None => format!("S3 in {}", self.region),
        };
        let message = format!("{place} cannot be reached: {why}");
        helped(FailedClass::Unavailable, message, "check the network, remote.endpoint and AWS_ENDPOINT_URL")
    }

    /// The failure that a store's answer tells.
    fn answered(&self, trouble: &Trouble) -> Failed {
        use FailedClass as Class;
        let Self { action, bucket, .. } = self;
        let said = self.said(trouble);
        match (&*trouble.code, trouble.status) {
            ("NoSuchBucket", _) => helped(
                Class::Missing,
                format!("there is no bucket {bucket}"),
                format!(
                    "make it (`aws s3 mb s3://{bucket}`), or mend remote.url; a bucket of another account needs its owner's leave"
                ),
            ),
            (
                "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "InvalidSecurity" | "NotSignedUp",
                _,
            ) => helped(
                Class::Credentials,
                format!("the AWS credentials are not accepted ({})", trouble.code),
                "check AWS_PROFILE, remote.profile and the keys; `aws sts get-caller-identity` shows who you are",
            ),
            ("ExpiredToken" | "TokenRefreshRequired" | "ExpiredTokenException", _) => helped(
                Class::Credentials,
                "the AWS credentials have expired",
                "log in again (`aws sso login`), or fetch a new session token",
            ),
            ("RequestTimeTooSkewed", _) => helped(
                Class::Invalid,
                "the clock of this machine is off by more than S3 permits",
                "set the clock (`timedatectl set-ntp true`)",
            ),
            (
                "AuthorizationHeaderMalformed"
                | "PermanentRedirect"
                | "IllegalLocationConstraintException"
                | "TemporaryRedirect",
                _,
            )
            | (_, 301 | 307) => self.elsewhere(trouble),
            ("AccessDenied" | "AllAccessDisabled" | "AccountProblem", _) | (_, 401 | 403) => helped(
                Class::Denied,
                format!("the credentials do not permit {action} on {}{said}", self.resource()),
                format!("ask the bucket's owner for {action}"),
            ),
            ("NotImplemented" | "MethodNotAllowed", _) | (_, 405 | 501) => {
                failed(Class::Unsupported, format!("the store does not know {action}{said}"))
            }
            ("SlowDown" | "Throttling" | "RequestTimeout" | "InternalError" | "ServiceUnavailable", _)
            | (_, 429 | 500..) => {
                helped(Class::Unavailable, format!("the store is not available for {action}{said}"), "try again later")
            }
            _ if trouble.is_damaged() => helped(
                Class::Broken,
                format!("the bytes of {} arrived changed, more than once{said}", self.resource()),
                "something between here and the store damages data; if the store does not know CRC32, set remote.checksums: when-required",
            ),
            _ => failed(Class::Broken, format!("{action} on {} failed{said}", self.resource())),
        }
    }

    fn elsewhere(&self, trouble: &Trouble) -> Failed {
        let Self { bucket, region, .. } = self;
        match &trouble.region {
            Some(other) if other != region => helped(
                FailedClass::Invalid,
                format!("the bucket {bucket} lies in the region {other}, and was looked for in {region}"),
                format!("set remote.region: {other}, or AWS_REGION"),
            ),
            _ => helped(
                FailedClass::Invalid,
                format!("the bucket {bucket} does not lie in the region {region}{}", self.said(trouble)),
                "set remote.region or AWS_REGION to the bucket's region",
            ),
        }
    }

    fn resource(&self) -> String {
        match self.key {
            Some(key) => format!("s3://{}/{key}", self.bucket),
            None => format!("s3://{}", self.bucket),
        }
    }

    /// The store's own words, as a parenthesis.
    fn said(&self, trouble: &Trouble) -> String {
        let code = match &*trouble.code {
            "" => format!("status {}", trouble.status),
            code => code.into(),
        };
        let message = trouble.message.lines().next().unwrap_or_default().trim_end_matches('.');
        let message: String = message.chars().filter(|c| !c.is_control()).take(300).collect();
        if message.is_empty() { format!(" ({code})") } else { format!(" ({code}: {message})") }
    }
}

/// An error, what caused it, and so on.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The missing credentials among the causes of an error.
pub(crate) fn caused_by_credentials<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// The last cause of an error: what the system said.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: &str, status: u16) -> Failed {
        let target =
            Target { action: "s3:PutObject", bucket: "b", key: Some("k"), region: "us-east-1", endpoint: None };
        let trouble = Trouble { status, code: code.into(), message: String::new(), region: Some("eu-west-1".into()) };
        target.answered(&trouble)
    }

    #[test]
    fn answers_have_a_class_and_say_what_to_do() {
        for (code, status, class, word) in [
            ("NoSuchBucket", 404, FailedClass::Missing, "aws s3 mb s3://b"),
            ("ExpiredToken", 400, FailedClass::Credentials, "aws sso login"),
            ("InvalidAccessKeyId", 403, FailedClass::Credentials, "AWS_PROFILE"),
            ("AccessDenied", 403, FailedClass::Denied, "s3:PutObject"),
            ("", 403, FailedClass::Denied, "s3:PutObject"),
            ("PermanentRedirect", 301, FailedClass::Invalid, "remote.region: eu-west-1"),
            ("SlowDown", 503, FailedClass::Unavailable, "later"),
            ("NotImplemented", 501, FailedClass::Unsupported, ""),
            ("BadDigest", 400, FailedClass::Broken, "when-required"),
        ] {
            let failed = answer(code, status);
            assert_eq!(failed.class, class, "{code}");
            assert!(failed.help.unwrap_or_default().contains(word), "{code}");
        }
    }
}
