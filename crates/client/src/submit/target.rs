//! The logs that a batch can go to.

use crate::http::{BaseUrl, BaseUrlError, HttpClient, HttpSetupError};
use crate::log::HttpLog;
use sigsum_api::LogApi;
use sigsum_core::PublicKey;
use sigsum_core::policy::Policy;
use sigsum_core::token::{SubmitToken, token_signing_bytes};
use sigsum_keys::{RandomError, SignError, Signer};
use std::sync::Arc;

/// One log.
#[derive(Clone)]
pub struct LogTarget {
    /// Where it is, for messages.
    pub url: Arc<str>,
    /// Its key.
    pub key: PublicKey,
    /// The log.
    pub api: Arc<dyn LogApi>,
    /// The token to send along.
    pub token: Option<SubmitToken>,
}

impl std::fmt::Debug for LogTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LogTarget({} at {})", self.key, self.url)
    }
}

/// Why the logs of a policy cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TargetError {
    /// The policy has no log with a URL.
    #[error("no logs defined in policy")]
    NoLogs,
    /// A log's URL in the policy is unusable.
    #[error("log {url}: {error}")]
    Url {
        /// The URL as the policy has it.
        url: String,
        /// What is wrong with it.
        error: BaseUrlError,
    },
    /// The HTTP client cannot be set up.
    #[error(transparent)]
    Http(#[from] HttpSetupError),
    /// The submit token cannot be made.
    #[error("creating submit token failed: {0}")]
    Token(#[from] SignError),
    /// The logs cannot be shuffled.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Who makes submit tokens (`log.md` section 4).
#[derive(Debug, Clone, Copy)]
pub struct TokenSource<'a> {
    /// The domain that publishes the signer's key.
    pub domain: &'a str,
    /// Holds the rate-limit key.
    pub signer: &'a dyn Signer,
}

/// The logs of a policy that have a URL, in random order, each with a token of its own.
///
/// # Errors
/// [`TargetError`].
pub async fn log_targets(
    policy: &Policy,
    client: &HttpClient,
    token: Option<TokenSource<'_>>,
) -> Result<Vec<LogTarget>, TargetError> {
    let mut targets = Vec::new();
    for log in policy.logs() {
        let (Some(key), Some(text)) = (log.public_key(), log.url_text()) else { continue };
        let text = text.to_string();
        let base = BaseUrl::parse(&text).map_err(|error| TargetError::Url { url: text, error })?;
        let api = Arc::new(HttpLog::new(client, &base)?);
        let token = match &token {
            Some(TokenSource { domain, signer }) => {
                let signature = signer.sign(&token_signing_bytes(key)).await?;
                Some(SubmitToken { domain: (*domain).to_owned(), signature })
            }
            None => None,
        };
        targets.push(LogTarget { url: base.to_string().into(), key: *key, api, token });
    }
    if targets.is_empty() {
        return Err(TargetError::NoLogs);
    }
    shuffle(&mut targets)?;
    Ok(targets)
}

/// Fisher and Yates' shuffle. With at most 1024 logs in a policy, the remainder of 64 random bits
/// prefers no place by more than 2^-54.
fn shuffle<T>(items: &mut [T]) -> Result<(), RandomError> {
    for last in (1..items.len()).rev() {
        let places = u64::try_from(last.saturating_add(1)).unwrap_or(u64::MAX);
        let place = sigsum_keys::random_u64()?.checked_rem(places).unwrap_or_default();
        items.swap(last, usize::try_from(place).unwrap_or(last));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HttpSettings;
    use sigsum_keys::Ed25519Signer;
    use std::collections::HashSet;

    fn client() -> HttpClient {
        HttpClient::new(HttpSettings::new("test"))
    }

    fn policy(urls: &[&str]) -> Policy {
        let logs = urls.iter().zip(1u8..).map(|(url, n)| format!("log {n:064x} {url}\n"));
        let text = logs.collect::<String>() + "quorum none\n";
        Policy::parse_sigsum(text.as_bytes()).unwrap()
    }

    #[tokio::test]
    async fn logs_without_a_url_are_left_out() {
        let policy = policy(&["http://127.0.0.1:1/a/", "", "http://127.0.0.1:1/c"]);
        let mut urls: Vec<String> = (log_targets(&policy, &client(), None).await.unwrap())
            .iter()
            .map(|t| t.url.to_string())
            .collect();
        urls.sort();
        assert_eq!(urls, ["http://127.0.0.1:1/a", "http://127.0.0.1:1/c"]);
    }

    #[tokio::test]
    async fn a_policy_without_usable_logs_is_refused() {
        let error = log_targets(&policy(&[""]), &client(), None).await.unwrap_err();
        assert_eq!(error.to_string(), "no logs defined in policy");
        let error = log_targets(&policy(&["ftp://h"]), &client(), None).await.unwrap_err();
        assert!(matches!(error, TargetError::Url { .. }), "{error}");
    }

    #[tokio::test]
    async fn each_log_gets_a_token_of_its_own() {
        let signer = Ed25519Signer::generate().unwrap();
        let source = TokenSource { domain: "example.org", signer: &signer };
        let policy = policy(&["http://127.0.0.1:1", "http://127.0.0.1:2"]);
        let targets = log_targets(&policy, &client(), Some(source)).await.unwrap();
        for target in &targets {
            let token = target.token.as_ref().unwrap();
            assert_eq!(token.domain, "example.org");
            assert!(token.verify(&signer.public_key(), &target.key));
        }
        assert_ne!(targets[0].token, targets[1].token);
    }

    #[test]
    fn shuffling_reaches_every_order() {
        // 500 shuffles miss one of 24 orders with a probability below 1e-7.
        let orders: HashSet<[u8; 4]> = (0..500)
            .map(|_| {
                let mut items = [1, 2, 3, 4];
                shuffle(&mut items).unwrap();
                items
            })
            .collect();
        assert_eq!(orders.len(), 24);
    }
}
