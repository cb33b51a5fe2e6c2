//! From the hello to a bucket: credentials, region and endpoint as the AWS tools take them, and one request that shows
//! whether all of it is right.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, RequestChecksumCalculation};
use aws_sdk_s3::types::ChecksumAlgorithm;
use aws_types::service_config::ServiceConfigKey;
use contract::backend::{Checksums, Failed, FailedClass, Objects, S3};
use tokio::sync::Semaphore;

use crate::failure::{Target, credentials, failed, helped};

/// Requests without much of a body at once.
const SMALL_AT_ONCE: usize = 64;

/// Bodies at once. Each holds a buffer or two of [`crate::put::BUFFER`], so memory stays below 100 MB.
const BODIES_AT_ONCE: usize = 16;

/// Times that a request is sent before the store counts as unavailable.
const ATTEMPTS: u32 = 6;

/// Where AWS looks for a bucket of no stated region, and what stores that are not AWS take.
const USUAL_REGION: &str = "us-east-1";

/// A bucket, or the part of it below a prefix.
pub(crate) struct Bucket {
    pub(crate) client: Client,
    pub(crate) name: String,
    /// Empty, or ends with `/`.
    prefix: String,
    /// What to send along with writes.
    pub(crate) checksum: Option<ChecksumAlgorithm>,
    pub(crate) small: Semaphore,
    pub(crate) bodies: Semaphore,
    region: String,
    endpoint: Option<String>,
    secrets: Vec<String>,
    /// The profile of the hello.
    pub(crate) profile: Option<String>,
}

impl Bucket {
    /// The place of a hello, once the store has answered.
    pub(crate) async fn open(objects: Objects) -> Result<Self, Failed> {
        let s3 = match objects {
            Objects::S3(s3) => s3,
            Objects::Url(url) => {
                return Err(failed(FailedClass::Unsupported, format!("pipe-aws does not know the place {url}")));
            }
        };
        let (name, prefix) = parse(&s3.url)?;
        let sdk = load(&s3).await;
        let endpoint = endpoint_of(&sdk, "S3");
        if let Some(endpoint) = &endpoint
            && !endpoint.starts_with("http://")
            && !endpoint.starts_with("https://")
        {
            let message = format!("the endpoint {} is no URL", shown(endpoint));
            return Err(helped(FailedClass::Invalid, message, "write it as https://HOST or http://HOST:PORT"));
        }
        let secrets = secrets(&sdk).await?;
        let always = s3.checksums.unwrap_or_default() == Checksums::Always;
        // Throttling of one request must not keep the others from being repeated, so the bucket of tokens is no limit; the attempts are.
        let partition = RetryPartition::custom("pipe").token_bucket(TokenBucket::unlimited()).build();
        let mut config = Builder::from(&sdk)
            .retry_partition(partition)
            .force_path_style(s3.path_style.unwrap_or(endpoint.is_some()));
        if !always {
            config = config.request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        }
        let bucket = Self {
            client: Client::from_conf(config.build()),
            name,
            prefix,
            checksum: always.then_some(ChecksumAlgorithm::Crc32),
            small: Semaphore::new(SMALL_AT_ONCE),
            bodies: Semaphore::new(BODIES_AT_ONCE),
            region: sdk.region().map_or_else(|| USUAL_REGION.into(), ToString::to_string),
            endpoint: endpoint.as_deref().map(shown),
            secrets,
            profile: s3.profile,
        };
        bucket.look().await.map_err(|failed| bucket.without_secrets(failed))?;
        Ok(bucket)
    }

    /// A listing and not a HEAD: its answer says what is wrong, and every use of the bucket needs the same permission.
    async fn look(&self) -> Result<(), Failed> {
        let target = self.target("s3:ListBucket", None);
        let request = self.client.list_objects_v2().bucket(&self.name).prefix(&self.prefix).max_keys(1);
        request.send().await.map(drop).map_err(|error| target.failed(&error))
    }

    /// Its region.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// The endpoint as another machine is to use it: a name and password in it are this one's.
    pub(crate) fn endpoint_for_others(&self) -> Option<String> {
        self.endpoint.clone()
    }

    /// Where its objects are, without a `/` at the end.
    pub(crate) fn url(&self) -> String {
        format!("s3://{}/{}", self.name, self.prefix).trim_end_matches('/').to_owned()
    }

    /// The key of an object, or what is wrong with the name.
    pub(crate) fn key(&self, name: &str) -> Result<String, Failed> {
        let key = format!("{}{name}", self.prefix);
        if name.is_empty() || name.contains('\0') || key.len() > 1024 {
            let message = format!("{name:?} cannot name an object: a name has 1 to {} bytes", 1024 - self.prefix.len());
            return Err(failed(FailedClass::Invalid, message));
        }
        Ok(key)
    }

    /// The prefix of listings.
    pub(crate) fn key_prefix(&self, prefix: &str) -> String {
        format!("{}{prefix}", self.prefix)
    }

    /// The name of a key that a listing gave.
    pub(crate) fn name_of<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&self.prefix)
    }

    /// Whom a failure of this action is about.
    pub(crate) fn target<'a>(&'a self, action: &'static str, key: Option<&'a str>) -> Target<'a> {
        Target { action, bucket: &self.name, key, region: &self.region, endpoint: self.endpoint.as_deref() }
    }

    /// The same, should a store have repeated a secret to us.
    pub(crate) fn without_secrets(&self, mut failed: Failed) -> Failed {
        for secret in &self.secrets {
            failed.message = failed.message.replace(secret, "(hidden)");
        }
        failed
    }
}

/// Bucket and prefix of a URL.
fn parse(url: &str) -> Result<(String, String), Failed> {
    let wrong = || {
        let message = format!("{url:?} is no URL of a bucket");
        helped(FailedClass::Invalid, message, "write it as s3://BUCKET or s3://BUCKET/PREFIX")
    };
    let (bucket, prefix) =
        url.strip_prefix("s3://").map(|rest| rest.split_once('/').unwrap_or((rest, ""))).ok_or_else(wrong)?;
    if bucket.is_empty() || bucket.contains(|c: char| !c.is_ascii_alphanumeric() && !"-._".contains(c)) {
        return Err(wrong());
    }
    let prefix = prefix.trim_matches('/');
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    Ok((bucket.into(), prefix))
}

/// The settings for a service that is not S3: `remote.endpoint` and `remote.region` are the bucket's.
pub(crate) async fn load_services(profile: Option<&str>, region: &str) -> SdkConfig {
    let region = Some(region.to_owned());
    load(&S3 { profile: profile.map(Into::into), region, ..S3::default() }).await
}

/// The environment's and the profile's settings under those of the hello.
async fn load(s3: &S3) -> SdkConfig {
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(Duration::from_millis(400));
    // A store that accepts the connection and then says nothing.
    let timeouts =
        TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).read_timeout(Duration::from_secs(60));
    let mut loader =
        aws_config::defaults(BehaviorVersion::v2026_01_12()).retry_config(retries).timeout_config(timeouts.build());
    if let Some(profile) = &s3.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &s3.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &s3.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let sdk = loader.load().await;
    match sdk.region() {
        Some(_) => sdk,
        None => sdk.into_builder().region(Region::new(USUAL_REGION)).build(),
    }
}

/// The endpoint that the client of a service takes from these settings.
pub(crate) fn endpoint_of(sdk: &SdkConfig, service: &str) -> Option<String> {
    let of_service = || {
        let key = ServiceConfigKey::builder()
            .service_id(service)
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .ok()?;
        sdk.service_config()?.load_config(key)
    };
    let global = sdk.endpoint_url().map(ToString::to_string);
    if sdk.get_origin("endpoint_url").is_client_config() { global } else { of_service().or(global) }
}

/// An endpoint without what may stand before its host: a name and a password.
fn shown(endpoint: &str) -> String {
    let Some((scheme, rest)) = endpoint.split_once("://") else { return endpoint.into() };
    let (authority, path) =
        rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// What must not be shown of the credentials; fails where there are none.
async fn secrets(sdk: &SdkConfig) -> Result<Vec<String>, Failed> {
    let Some(provider) = sdk.credentials_provider() else { return Err(credentials(None)) };
    let found = provider.provide_credentials().await.map_err(|error| credentials(Some(&error)))?;
    let secrets = [Some(found.secret_access_key()), found.session_token()];
    // A short one, such as a test's, would hide ordinary words.
    Ok(secrets.into_iter().flatten().filter(|secret| secret.len() >= 8).map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_bucket_and_a_prefix() {
        let check = |url, bucket: &str, prefix: &str| assert_eq!(parse(url).unwrap(), (bucket.into(), prefix.into()));
        check("s3://bucket", "bucket", "");
        check("s3://bucket/", "bucket", "");
        check("s3://bucket/a/b", "bucket", "a/b/");
        check("s3://bucket/a/b/", "bucket", "a/b/");
        for url in ["", "s3://", "s3:///a", "https://bucket", "s3://a b", "s3://user:secret@bucket/a"] {
            assert_eq!(parse(url).unwrap_err().class, FailedClass::Invalid, "{url}");
        }
    }

    #[test]
    fn a_password_in_an_endpoint_is_not_shown() {
        assert_eq!(shown("http://user:word@host:80/a"), "http://host:80/a");
        assert_eq!(shown("https://host"), "https://host");
    }
}
