//! Reads a secret that a service keeps, with the credentials that this program has where it runs: on an instance those of its role.
//!
//! One signed request is all: `GetParameter` of SSM or `GetSecretValue` of Secrets Manager, both JSON. Of a service's answer nothing
//! but the value leaves this module, and of a refusal its code and message.

use std::fmt;
use std::time::SystemTime;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_s3::error::SdkError;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use contract::backend::{Failed, FailedClass, Secret, SecretService, SecretValue};
use serde_json::{Value, json};

use crate::failure::{caused_by_credentials, credentials, failed, helped, innermost};
use crate::instances::said;
use crate::place::{Bucket, endpoint_of, load_services};

/// The services whose secrets this program reads.
pub(crate) const SERVICES: [SecretService; 2] = [SecretService::Ssm, SecretService::SecretsManager];

/// The value of a secret.
pub(crate) async fn read(bucket: &Bucket, secret: &Secret) -> Result<SecretValue, Failed> {
    places::secret(secret).map_err(|found| helped(FailedClass::Invalid, found.message, found.help))?;
    let region = places::region_of(secret).unwrap_or(bucket.region());
    let sdk = load_services(bucket.profile.as_deref(), region).await;
    let call = Call { secret, region };
    match call.send(&sdk).await {
        Ok(answer) => call.value(&answer),
        Err(Unanswered::Credentials(failed)) => Err(failed),
        Err(Unanswered::Request(error)) => Err(call.failed(&error)),
    }
}

/// A request for a secret.
struct Call<'a> {
    secret: &'a Secret,
    region: &'a str,
}

/// Why there is no answer.
enum Unanswered {
    Credentials(Failed),
    Request(Box<SdkError<Refused, HttpResponse>>),
}

/// The answer of a service that gives no secret.
#[derive(Debug)]
struct Refused {
    status: u16,
    code: String,
    message: String,
}

/// The body of an answer that holds a secret, so it is never shown.
struct Answer(Vec<u8>);

impl Call<'_> {
    async fn send(&self, sdk: &SdkConfig) -> Result<Answer, Unanswered> {
        let Some(provider) = sdk.credentials_provider() else {
            return Err(Unanswered::Credentials(credentials(None)));
        };
        let keys = provider.provide_credentials().await;
        let identity: Identity = keys.map_err(|error| Unanswered::Credentials(credentials(Some(&error))))?.into();
        let (service, id, target, body) = self.parts();
        let domain = if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let endpoint = endpoint_of(sdk, id).unwrap_or_else(|| format!("https://{service}.{}.{domain}", self.region));
        let region = self.region.to_owned();
        let (url, to_sign) = (format!("{}/", endpoint.trim_end_matches('/')), body.to_string());
        let signed = move |(): ()| {
            let parameters = SigningParams::builder()
                .identity(&identity)
                .region(&region)
                .name(service)
                .time(SystemTime::now())
                .settings(SigningSettings::default())
                .build()?
                .into();
            let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
            let to_be =
                SignableRequest::new("POST", &url, headers.into_iter(), SignableBody::Bytes(to_sign.as_bytes()))?;
            let (signature, _) = sign(to_be, &parameters)?.into_parts();
            let mut request = HttpRequest::new(SdkBody::from(to_sign.as_str()));
            request.set_method("POST")?;
            request.set_uri("/")?;
            for (name, value) in headers.into_iter().chain(signature.headers()) {
                request.headers_mut().try_insert(name.to_owned(), value.to_owned())?;
            }
            Ok(request)
        };
        let mut operation = Operation::builder()
            .service_name(service)
            .operation_name(target)
            .behavior_version(BehaviorVersion::v2026_01_12())
            .endpoint_url(&endpoint)
            .no_auth()
            .retry_classifier(HttpStatusCodeClassifier::default())
            .retry_classifier(TransientErrorClassifier::<Refused>::new());
        if let Some(client) = sdk.http_client() {
            operation = operation.http_client(client);
        }
        if let Some(retries) = sdk.retry_config() {
            operation = operation.standard_retry(retries);
        }
        if let Some(timeouts) = sdk.timeout_config() {
            operation = operation.timeout_config(timeouts.clone());
        }
        let operation = operation.serializer(signed).deserializer(answer).build();
        operation.invoke(()).await.map_err(|error| Unanswered::Request(Box::new(error)))
    }

    /// The service as it signs, as the AWS tools configure it, the operation, and its input.
    fn parts(&self) -> (&'static str, &'static str, &'static str, Value) {
        match self.secret {
            Secret::Ssm(name) => {
                ("ssm", "SSM", "AmazonSSM.GetParameter", json!({"Name": name, "WithDecryption": true}))
            }
            Secret::SecretsManager(arn) => {
                ("secretsmanager", "Secrets Manager", "secretsmanager.GetSecretValue", json!({"SecretId": arn}))
            }
        }
    }

    fn value(&self, answer: &Answer) -> Result<SecretValue, Failed> {
        let mut body: Value = serde_json::from_slice(&answer.0).unwrap_or_default();
        let value = match self.secret {
            Secret::Ssm(_) => body["Parameter"]["Value"].take(),
            Secret::SecretsManager(_) => body["SecretString"].take(),
        };
        match value {
            Value::String(value) => Ok(SecretValue(value)),
            _ if body.get("SecretBinary").is_some() => Err(helped(
                FailedClass::Invalid,
                format!("{} holds bytes and no text", self.secret),
                "keep it as text (SecretString)",
            )),
            _ => Err(failed(FailedClass::Broken, format!("the answer to {} has no value", self.action()))),
        }
    }

    fn action(&self) -> &'static str {
        match self.secret {
            Secret::Ssm(_) => "ssm:GetParameter",
            Secret::SecretsManager(_) => "secretsmanager:GetSecretValue",
        }
    }

    fn failed(&self, error: &SdkError<Refused, HttpResponse>) -> Failed {
        let unreachable = |why: &str| {
            let message = format!("{} in {} cannot be reached: {why}", self.secret.service(), self.region);
            helped(FailedClass::Unavailable, message, "check the network of the machine, and AWS_ENDPOINT_URL")
        };
        match error {
            SdkError::ServiceError(refused) => self.refused(refused.err()),
            SdkError::TimeoutError(_) => unreachable("it does not answer in time"),
            _ => match caused_by_credentials(error) {
                Some(found) => credentials(Some(found)),
                None => unreachable(&innermost(error)),
            },
        }
    }

    /// The failure that a service's answer tells.
    fn refused(&self, refused: &Refused) -> Failed {
        use FailedClass as Class;
        let Self { secret, region } = self;
        let Refused { status, code, message } = refused;
        let said = said(code, message);
        match code.as_str() {
            "ParameterNotFound" | "ParameterVersionNotFound" => helped(
                Class::Missing,
                format!("{secret} is not there in {region}"),
                "make it: `aws ssm put-parameter --type SecureString --name NAME --value VALUE`; one of another region is named by its ARN",
            ),
            "ResourceNotFoundException" => helped(
                Class::Missing,
                format!("the secret {secret} is not there{said}"),
                "make it: `aws secretsmanager create-secret --name NAME --secret-string VALUE`, and name the ARN that this prints",
            ),
            "AccessDeniedException" | "DecryptionFailure" | "InvalidKeyId" => {
                let action = if ["kms:", "ciphertext", "KMS"].iter().any(|word| message.contains(word)) {
                    "kms:Decrypt"
                } else {
                    self.action()
                };
                helped(
                    Class::Denied,
                    format!("the credentials do not permit {action} on {secret}{said}"),
                    format!(
                        "add to the policy of the role or user: {{\"Effect\": \"Allow\", \"Action\": \"{action}\", \"Resource\": \
                         \"{}\"}}; docs/policies/secrets.json has all that is needed",
                        self.resource(action, message)
                    ),
                )
            }
            "UnrecognizedClientException" | "InvalidSignatureException" | "InvalidClientTokenId" => helped(
                Class::Credentials,
                format!("the AWS credentials are not accepted{said}"),
                "check AWS_PROFILE and the keys; `aws sts get-caller-identity` shows who you are",
            ),
            "ExpiredTokenException" | "ExpiredToken" => helped(
                Class::Credentials,
                "the AWS credentials have expired",
                "log in again (`aws sso login`), or fetch a new session token",
            ),
            "ThrottlingException" | "TooManyRequestsException" => self.busy(&said),
            _ if *status >= 500 => self.busy(&said),
            _ => failed(Class::Invalid, format!("{} on {secret} failed{said}", self.action())),
        }
    }

    fn busy(&self, said: &str) -> Failed {
        let message = format!("{} is not available for {}{said}", self.secret.service(), self.action());
        helped(FailedClass::Unavailable, message, "try again later")
    }

    /// The resource of the line that a policy lacks: as the service says it, or made from the name.
    fn resource(&self, action: &str, message: &str) -> String {
        let told = message.split("on resource: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        if let Some(arn) = told.filter(|arn| arn.starts_with("arn:")) {
            return arn.trim_end_matches('.').to_owned();
        }
        match self.secret {
            _ if action == "kms:Decrypt" => format!("arn:aws:kms:{}:ACCOUNT:key/KEY", self.region),
            Secret::Ssm(name) if !name.starts_with("arn:") => {
                let name = name.split(':').next().unwrap_or_default();
                format!("arn:aws:ssm:{}:ACCOUNT:parameter/{}", self.region, name.trim_start_matches('/'))
            }
            Secret::Ssm(arn) | Secret::SecretsManager(arn) => arn.clone(),
        }
    }
}

fn answer(response: &HttpResponse) -> Result<Answer, OrchestratorError<Refused>> {
    let body = response.body().bytes().unwrap_or_default();
    if response.status().is_success() {
        return Ok(Answer(body.to_vec()));
    }
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |names: [&str; 2]| names.iter().find_map(|name| said[name].as_str()).unwrap_or_default();
    Err(OrchestratorError::operation(Refused {
        status: response.status().as_u16(),
        code: text(["__type", "code"]).rsplit('#').next().unwrap_or_default().to_owned(),
        message: text(["message", "Message"]).to_owned(),
    }))
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.code)
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(secret: &Secret, code: &str, message: &str) -> Failed {
        let refused = Refused { status: 400, code: code.into(), message: message.into() };
        Call { secret, region: "us-east-1" }.refused(&refused)
    }

    #[test]
    fn a_refusal_names_action_resource_and_the_line_of_the_policy() {
        let parameter = Secret::Ssm("/pipe/hf".into());
        let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:hf-AbCdEf";
        let secret = Secret::SecretsManager(arn.into());
        let told = "User: arn:aws:sts::1:assumed-role/a/i-1 is not authorized to perform: ssm:GetParameter on resource: \
                    arn:aws:ssm:us-east-1:123456789012:parameter/pipe/hf because no identity-based policy allows it";
        for (secret, code, message, class, words) in [
            (&parameter, "AccessDeniedException", told, FailedClass::Denied, "123456789012:parameter/pipe/hf\"}"),
            (&parameter, "AccessDeniedException", "", FailedClass::Denied, "us-east-1:ACCOUNT:parameter/pipe/hf\"}"),
            (&secret, "AccessDeniedException", "", FailedClass::Denied, arn),
            (&secret, "AccessDeniedException", "Access to KMS is not allowed", FailedClass::Denied, "kms:Decrypt"),
            (&parameter, "ParameterNotFound", "", FailedClass::Missing, "put-parameter"),
            (&secret, "ResourceNotFoundException", "", FailedClass::Missing, "create-secret"),
            (&parameter, "ExpiredTokenException", "", FailedClass::Credentials, "aws sso login"),
            (&parameter, "ThrottlingException", "", FailedClass::Unavailable, "later"),
        ] {
            let failed = refusal(secret, code, message);
            assert_eq!(failed.class, class, "{failed:?}");
            assert!(failed.help.clone().unwrap_or_default().contains(words), "{words}: {failed:?}");
        }
    }
}
