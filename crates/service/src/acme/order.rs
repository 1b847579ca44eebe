//! One order: from the account to a certificate that is kept.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, ChallengeType, Error, NewAccount, NewOrder,
    Order, OrderStatus, Problem,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use tokio::task::spawn_blocking;

use super::Acme;
use super::answers::{AnswerError, Answers};
use super::config::AcmeName;
use super::kept::{Kept, KeptCertificate, KeptError};
use super::schedule::Cause;
use crate::clock::Clock;

/// Between two looks at an order, where the authority does not say how long to wait: an authority
/// needs a second or two.
const LOOK: Duration = Duration::from_secs(1);

/// Longest pause between two looks; an authority that is busy asks for seconds.
const LONGEST_LOOK: Duration = Duration::from_secs(30);

/// The types of problems (RFC 8555 section 6.7) that are told apart.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";
const RATE_LIMITED: &str = "urn:ietf:params:acme:error:rateLimited";
const BAD_NONCE: &str = "urn:ietf:params:acme:error:badNonce";
const SERVER_INTERNAL: &str = "urn:ietf:params:acme:error:serverInternal";

/// Characters of an authority's reason that are shown.
const MAX_REASON_CHARS: usize = 500;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct Failure {
    pub(super) cause: Cause,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn new(cause: Cause, text: impl std::fmt::Display) -> Self {
        // An authority's words go into the program's log, one line each.
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let text = text.to_string();
        Self { cause, text: text.trim().chars().map(plain).take(MAX_REASON_CHARS).collect() }
    }

    fn refused(problem: &Problem) -> Self {
        let blames_itself = problem.status.is_some_and(|status| status >= 500);
        let cause = match problem.r#type.as_deref() {
            Some(RATE_LIMITED) => Cause::Limited,
            Some(BAD_NONCE | SERVER_INTERNAL) => Cause::Unreachable,
            _ if blames_itself => Cause::Unreachable,
            _ => Cause::Refused,
        };
        Self::new(cause, format_args!("the authority says: {}", words(problem)))
    }
}

/// What the authority says, with its parts about single names.
fn words(problem: &Problem) -> String {
    let mut words = problem.detail.clone().unwrap_or_default();
    for part in &problem.subproblems {
        words = format!("{words}; {part}");
    }
    match &problem.r#type {
        Some(kind) => format!("{words} ({kind})"),
        None => words,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Api(problem) => Self::refused(&problem),
            Error::Crypto | Error::KeyRejected => Self::new(Cause::Own, error),
            Error::Other(_) | Error::Timeout(_) => Self::new(Cause::Unreachable, error),
            other => Self::new(Cause::Unusable, other),
        }
    }
}

impl From<KeptError> for Failure {
    fn from(error: KeptError) -> Self {
        Self::new(Cause::Own, error)
    }
}

impl From<AnswerError> for Failure {
    fn from(error: AnswerError) -> Self {
        Self::new(Cause::Own, error)
    }
}

impl From<rcgen::Error> for Failure {
    fn from(error: rcgen::Error) -> Self {
        Self::new(Cause::Own, format_args!("cannot make a key or a request: {error}"))
    }
}

/// Works on a file beside the runtime's workers.
pub(super) async fn beside<T: Send + 'static>(
    kept: &Kept,
    work: impl FnOnce(&Kept) -> T + Send + 'static,
) -> Result<T, Failure> {
    let kept = kept.clone();
    spawn_blocking(move || work(&kept)).await.map_err(|error| Failure::new(Cause::Own, error))
}

fn own(error: impl std::fmt::Display) -> Failure {
    Failure::new(Cause::Own, error)
}

impl Acme {
    /// The account at the authority, made where there is none.
    pub(super) async fn account(&self) -> Result<Account, Failure> {
        let directory_url = self.config.directory_url.clone();
        let known = beside(&self.kept, move |kept| kept.account(&directory_url)).await??;
        let builder = Account::builder_with_http(Box::new(self.ca.clone()));
        let contact: Vec<&str> = self.config.contact.iter().map(String::as_str).collect();
        if let Some(known) = known {
            let account = builder.from_credentials(known.credentials).await?;
            if known.contact != self.config.contact {
                self.tell_contact(&account, &contact).await?;
            }
            return Ok(account);
        }
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true, // the operator agreed, or there was no configuration
            only_return_existing: false,
        };
        let created = builder.create(&new, self.config.directory_url.clone(), None).await;
        let (account, credentials) = created?;
        let config = self.config.clone();
        let keep = move |kept: &Kept| kept.keep_account(&config, credentials);
        beside(&self.kept, keep).await?.map_err(own)?;
        tracing::info!(account = account.id(), "made an account for certificates");
        Ok(account)
    }

    /// Tells the authority whom it is to write to. That it does not take this costs no certificate.
    async fn tell_contact(&self, account: &Account, contact: &[&str]) -> Result<(), Failure> {
        match account.update_contacts(contact).await {
            Ok(()) => {}
            // Also where it has lost the account, which is seen when an order is begun.
            Err(Error::Api(problem)) => {
                let why = Failure::refused(&problem);
                tracing::warn!("the authority does not take the contact: {why}");
                return Ok(());
            }
            Err(other) => return Err(other.into()),
        }
        // The key that is kept stays; it is read anew, as it cannot be copied.
        let config = self.config.clone();
        let renew = move |kept: &Kept| match kept.account(&config.directory_url)? {
            Some(known) => kept.keep_account(&config, known.credentials),
            None => Ok(()),
        };
        Ok(beside(&self.kept, renew).await??)
    }

    /// Begins an order. An account that the authority has lost is replaced by a new one.
    pub(super) async fn begin(&self, account: Account) -> Result<Order, Failure> {
        let names: Vec<_> = self.config.names.iter().map(AcmeName::identifier).collect();
        match account.new_order(&NewOrder::new(&names)).await {
            Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
                tracing::warn!(account = account.id(), "the authority does not know the account");
                beside(&self.kept, Kept::forget_account).await?.map_err(own)?;
                Ok(self.account().await?.new_order(&NewOrder::new(&names)).await?)
            }
            order => Ok(order?),
        }
    }

    /// Proves the names, and gets and keeps the certificate.
    pub(super) async fn finish(
        &self,
        mut order: Order,
        answers: &Answers,
        clock: &dyn Clock,
    ) -> Result<KeptCertificate, Failure> {
        self.answer(&mut order, answers).await?;
        self.wait(&mut order, &[OrderStatus::Ready, OrderStatus::Valid], clock).await?;
        let key = KeyPair::generate()?;
        let names: Vec<_> = self.config.names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key)?;
        order.finalize_csr(request.der()).await?;
        self.wait(&mut order, &[OrderStatus::Valid], clock).await?;
        let chain = order.certificate().await?;
        let chain = chain.ok_or_else(|| Failure::new(Cause::Unusable, "no certificate came"))?;
        self.keep(key.serialize_pem(), chain, clock).await
    }

    /// Shows the authority what it wants to see for each name that is not proven yet.
    async fn answer(&self, order: &mut Order, answers: &Answers) -> Result<(), Failure> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            match authorization.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                _ => return Err(reason(&authorization)),
            }
            let name: AcmeName = authorization.identifier().to_string().parse().map_err(own)?;
            if !self.config.names.contains(&name) {
                let what = format_args!("the authority asks about {name}, which is not ours");
                return Err(Failure::new(Cause::Unusable, what));
            }
            let challenge = authorization.challenge(ChallengeType::TlsAlpn01);
            let mut challenge = challenge.ok_or_else(|| {
                let what = "the authority does not offer tls-alpn-01 for ";
                Failure::new(Cause::Refused, format_args!("{what}{name}"))
            })?;
            answers.add(&name, challenge.key_authorization().digest().as_ref())?;
            challenge.set_ready().await?;
        }
        Ok(())
    }

    /// Waits until the order is in one of these states.
    async fn wait(
        &self,
        order: &mut Order,
        wanted: &[OrderStatus],
        clock: &dyn Clock,
    ) -> Result<(), Failure> {
        loop {
            let state = order.state();
            if wanted.contains(&state.status) {
                return Ok(());
            }
            if state.status == OrderStatus::Invalid {
                let error = state.error.clone();
                return Err(match error {
                    Some(problem) => Failure::refused(&problem),
                    None => why_invalid(order).await?,
                });
            }
            let asked = self.ca.retry_after_s(clock.now_s()).map(Duration::from_secs);
            tokio::time::sleep(asked.unwrap_or(LOOK).clamp(LOOK, LONGEST_LOOK)).await;
            order.refresh().await?;
        }
    }

    /// Keeps a certificate that clients will take.
    async fn keep(
        &self,
        key: String,
        chain: String,
        clock: &dyn Clock,
    ) -> Result<KeptCertificate, Failure> {
        let unusable = |what: String| Failure::new(Cause::Unusable, what);
        let certificate = self.kept.check(&self.config.directory_url, &key, &chain);
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        // One that is not valid yet is: a clock here that is a little slow must cost no orders.
        let not_after_s = u64::try_from(certificate.certificate.validity().not_after_s);
        if not_after_s.is_ok_and(|not_after_s| not_after_s <= clock.now_s()) {
            return Err(unusable("the certificate that came is expired".to_owned()));
        }
        if !certificate.is_for(&self.config) {
            return Err(unusable("the certificate that came is not for all names".to_owned()));
        }
        let directory_url = self.config.directory_url.clone();
        let keep = move |kept: &Kept| kept.keep_certificate(&directory_url, &key, &chain);
        beside(&self.kept, keep).await?.map_err(own)?;
        Ok(certificate)
    }
}

/// What the authority says about a name that it could not see proven.
async fn why_invalid(order: &mut Order) -> Result<Failure, Failure> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        authorization.refresh().await?;
        if authorization.status != AuthorizationStatus::Valid {
            return Ok(reason(&authorization));
        }
    }
    Ok(Failure::new(Cause::Refused, "the authority gave up the order and does not say why"))
}

fn reason(authorization: &AuthorizationHandle<'_>) -> Failure {
    let name = authorization.identifier();
    let errors = authorization.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
    match errors.into_iter().next() {
        Some(problem) => {
            let Failure { cause, text } = Failure::refused(problem);
            Failure::new(cause, format_args!("{name}: {text}"))
        }
        None => {
            let status = authorization.status;
            Failure::new(Cause::Refused, format_args!("{name}: authorization is {status:?}"))
        }
    }
}
