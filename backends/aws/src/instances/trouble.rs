//! Errors of EC2, SageMaker and CloudWatch Logs in words: whose turn it is, and what to do.
//!
//! Of an answer only its code and message are shown, and of the message no encoded part: none of it holds a credential.

use std::error::Error;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use contract::backend::{Failed, FailedClass};

use crate::failure::{caused_by_credentials, credentials, failed, helped, innermost};

/// A request that failed.
pub(super) struct Call<'a> {
    /// As IAM names it: `ec2:RunInstances`.
    pub(super) action: &'static str,
    /// What it was about, for people.
    pub(super) on: &'a str,
    pub(super) region: &'a str,
}

/// What an answer means for the choice of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is none of these now.
    NoCapacity,
    /// It costs more than the cap.
    Price,
    /// The account may have no more of them.
    Quota,
    /// Nothing else would help.
    Stop,
}

/// The verdict of a code of EC2.
pub(super) fn verdict(code: &str) -> Verdict {
    match code {
        "MaxSpotInstanceCountExceeded" | "VcpuLimitExceeded" | "InstanceLimitExceeded" | "ResourceLimitExceeded" => {
            Verdict::Quota
        }
        "SpotMaxPriceTooLow" => Verdict::Price,
        "InsufficientInstanceCapacity"
        | "UnfulfillableCapacity"
        | "InsufficientHostCapacity"
        | "InsufficientCapacity"
        | "InsufficientFreeAddressesInSubnet"
        | "Unsupported"
        | "UnsupportedOperation" => Verdict::NoCapacity,
        _ => Verdict::Stop,
    }
}

/// The code of an answer; empty where there was none.
pub(super) fn code<E: ProvideErrorMetadata>(error: &SdkError<E>) -> String {
    error.code().unwrap_or_default().to_owned()
}

/// Whether the request may have been carried out all the same.
pub(super) fn is_open<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    // EC2 gives some of these with a status below 500.
    let is_fault =
        |code: &str| matches!(code, "InternalError" | "InternalFailure" | "Unavailable" | "ServiceUnavailable");
    match error {
        SdkError::ConstructionFailure(_) => false,
        SdkError::DispatchFailure(dispatch) => !dispatch.is_user(),
        _ if error.code().is_some_and(is_fault) => true,
        _ => error.raw_response().is_none_or(|response| response.status().as_u16() >= 500),
    }
}

impl Call<'_> {
    /// The failure of this request.
    pub(super) fn failed<E: ProvideErrorMetadata + Error + 'static>(&self, error: &SdkError<E>) -> Failed {
        if let Some(found) = caused_by_credentials(error) {
            return credentials(Some(found));
        }
        match error {
            SdkError::TimeoutError(_) => self.unreachable("it does not answer in time"),
            SdkError::DispatchFailure(_) => self.unreachable(&innermost(error)),
            SdkError::ConstructionFailure(_) => {
                failed(FailedClass::Invalid, format!("{} cannot be sent: {}", self.action, innermost(error)))
            }
            _ => {
                let status = error.raw_response().map_or(0, |response| response.status().as_u16());
                self.answered(error.code().unwrap_or_default(), error.message().unwrap_or_default(), status)
            }
        }
    }

    fn unreachable(&self, why: &str) -> Failed {
        let message = format!("{} in {} cannot be reached: {why}", self.service(), self.region);
        let help = "check the network, the backend's region and AWS_ENDPOINT_URL";
        helped(FailedClass::Unavailable, message, help)
    }

    /// The failure that an answer tells.
    pub(super) fn answered(&self, code: &str, message: &str, status: u16) -> Failed {
        use FailedClass as Class;
        let Self { action, on, region } = self;
        let said = said(code, message);
        match code {
            _ if message.contains("iam:PassRole") => helped(
                Class::Denied,
                format!("the credentials do not permit iam:PassRole on the role of {on}{said}"),
                "let them pass this one role: {\"Effect\": \"Allow\", \"Action\": \"iam:PassRole\", \"Resource\": \"<the role's ARN>\"}; \
                 docs/policies/launcher.json has it",
            ),
            "AuthFailure"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "MissingAuthenticationToken" => helped(
                Class::Credentials,
                format!("the AWS credentials are not accepted in {region} ({code})"),
                "check AWS_PROFILE and the keys, and that the region is enabled; `aws sts get-caller-identity` shows who you are",
            ),
            "RequestExpired" | "ExpiredToken" | "ExpiredTokenException" => helped(
                Class::Credentials,
                "the AWS credentials have expired, or the clock of this machine is off",
                "log in again (`aws sso login`), or set the clock (`timedatectl set-ntp true`)",
            ),
            "OptInRequired" | "SubscriptionRequiredException" => helped(
                Class::Denied,
                format!("the account may not use {} in {region}{said}", self.service()),
                "enable the region or the service in the console, under Account",
            ),
            "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" => helped(
                Class::Denied,
                format!("the credentials do not permit {action} on {on}"),
                format!(
                    "add to their policy: {{\"Effect\": \"Allow\", \"Action\": \"{action}\", \"Resource\": \"*\"}}; \
                     docs/policies/launcher.json has all that is needed"
                ),
            ),
            "InvalidKeyPair.NotFound" => helped(
                Class::Invalid,
                format!("there is no such key pair in {region}{said}"),
                "mend key_name, import the key there (`aws ec2 import-key-pair`), or leave it out",
            ),
            "InvalidGroup.NotFound" | "InvalidGroupId.Malformed" | "InvalidSecurityGroupID.NotFound" => helped(
                Class::Invalid,
                format!("there is no such security group in {region}{said}"),
                "mend security_groups, or leave them out for those of the VPC",
            ),
            "InvalidSubnetID.NotFound" | "InvalidSubnetId.NotFound" | "MissingInput" | "VPCIdNotSpecified" => helped(
                Class::Invalid,
                format!("the network cannot be used in {region}{said}"),
                "name subnets, or make a default VPC (`aws ec2 create-default-vpc`)",
            ),
            "InvalidAMIID.NotFound" | "InvalidAMIID.Malformed" | "InvalidParameterValue" if message.contains("ami") => {
                helped(
                    Class::Invalid,
                    format!("the image cannot be used in {region}{said}"),
                    "mend `ami`: an AMI of this region, or the name of a parameter of SSM that holds one",
                )
            }
            "InvalidParameterValue" if message.to_lowercase().contains("iaminstanceprofile") => helped(
                Class::Invalid,
                format!("the instance profile cannot be used{said}"),
                "make it as docs/cloud.md says, or mend instance_profile",
            ),
            "RequestLimitExceeded"
            | "Throttling"
            | "ThrottlingException"
            | "InternalError"
            | "InternalFailure"
            | "Unavailable"
            | "ServiceUnavailable" => helped(
                Class::Unavailable,
                format!("{} is not available for {action}{said}", self.service()),
                "try again later",
            ),
            _ if status >= 500 => helped(
                Class::Unavailable,
                format!("{} is not available for {action}{said}", self.service()),
                "try again later",
            ),
            _ => failed(Class::Invalid, format!("{action} on {on} failed{said}")),
        }
    }

    fn service(&self) -> &'static str {
        match self.action.split(':').next() {
            Some("ec2") => "EC2",
            Some("logs") => "CloudWatch Logs",
            _ => "SageMaker",
        }
    }
}

/// The service's own words, as a parenthesis.
pub(crate) fn said(code: &str, message: &str) -> String {
    let message = message.split("Encoded authorization failure message").next().unwrap_or_default();
    let message = message.lines().next().unwrap_or_default().trim().trim_end_matches('.');
    let message: String = message.chars().filter(|c| !c.is_control()).take(300).collect();
    match (code, message.as_str()) {
        ("", "") => String::new(),
        (code, "") => format!(" ({code})"),
        ("", message) => format!(" ({message})"),
        (code, message) => format!(" ({code}: {message})"),
    }
}

/// The quota of EC2 for a type of machine: its name and code in the console.
pub(super) fn quota(instance: &str, spot: bool) -> String {
    let family = instance.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default();
    let (spot_quota, other) = match family {
        "g" | "vt" | "gr" => (
            ("All G and VT Spot Instance Requests", "L-3819A6DF"),
            ("Running On-Demand G and VT instances", "L-DB2E81BA"),
        ),
        "p" if instance.starts_with("p5") || instance.starts_with("p6") => {
            (("All P5 Spot Instance Requests", "L-C4BD4855"), ("Running On-Demand P instances", "L-417A185B"))
        }
        "p" => (
            ("All P4, P3 and P2 Spot Instance Requests", "L-7212CCBC"),
            ("Running On-Demand P instances", "L-417A185B"),
        ),
        _ => (
            ("All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", "L-34B43A08"),
            ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", "L-1216C47A"),
        ),
    };
    let (name, code) = if spot { spot_quota } else { other };
    format!("{name} ({code})")
}

/// The failure that a quota forbids it.
pub(super) fn over_quota(quota: &str, service: &str, region: &str, said: &str) -> Failed {
    let message = format!("the account's quota in {region} does not permit one more: {quota}{said}");
    let help = format!("ask for more in the console under Service Quotas, {service}, or wait until others have ended");
    helped(FailedClass::Denied, message, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_a_class_and_says_what_to_do() {
        let call = Call { action: "ec2:CreateFleet", on: "an instance", region: "us-east-1" };
        for (code, message, class, word) in [
            (
                "UnauthorizedOperation",
                "You are not. Encoded authorization failure message: SECRETSTUFF",
                FailedClass::Denied,
                "\"Action\": \"ec2:CreateFleet\"",
            ),
            (
                "UnauthorizedOperation",
                "not authorized to perform: iam:PassRole on resource: arn",
                FailedClass::Denied,
                "iam:PassRole",
            ),
            ("AuthFailure", "", FailedClass::Credentials, "AWS_PROFILE"),
            ("RequestExpired", "", FailedClass::Credentials, "aws sso login"),
            ("OptInRequired", "", FailedClass::Denied, "console"),
            ("InvalidKeyPair.NotFound", "", FailedClass::Invalid, "key_name"),
            ("InvalidGroup.NotFound", "", FailedClass::Invalid, "security_groups"),
            (
                "InvalidParameterValue",
                "Value (a) for parameter iamInstanceProfile.name is invalid",
                FailedClass::Invalid,
                "docs/cloud.md",
            ),
            ("RequestLimitExceeded", "", FailedClass::Unavailable, "later"),
        ] {
            let failed = call.answered(code, message, 400);
            assert_eq!(failed.class, class, "{code}: {failed:?}");
            assert!(failed.help.clone().unwrap_or_default().contains(word), "{code}: {failed:?}");
            assert!(!failed.message.contains("SECRETSTUFF"), "{failed:?}");
        }
    }

    #[test]
    fn a_quota_is_called_as_in_the_console() {
        assert_eq!(quota("g4dn.xlarge", true), "All G and VT Spot Instance Requests (L-3819A6DF)");
        assert_eq!(quota("g5.xlarge", false), "Running On-Demand G and VT instances (L-DB2E81BA)");
        assert!(quota("m5.large", true).contains("L-34B43A08"));
        assert!(quota("p4d.24xlarge", true).contains("P4, P3 and P2"));
    }
}
