//! One input of `submit`: data to sign, or a request that is already signed.

use super::{Options, Product, output_name};
use crate::failure::Failure;
use crate::files::read_text;
use crate::input::{message_of_file, message_of_stdin};
use sigsum_core::leaf::leaf_signing_bytes;
use sigsum_core::wire::log::AddLeafRequest;
use sigsum_core::{Message, PublicKey};
use sigsum_keys::LoadedSigner;
use std::path::{Path, PathBuf};

/// An input with its signed request.
#[derive(Debug)]
pub(super) struct Item {
    /// The input file; `None` for standard input.
    pub(super) input: Option<PathBuf>,
    /// What goes to the log.
    pub(super) request: AddLeafRequest,
}

/// The inputs that the command line names; standard input where it names none.
pub(super) fn sources(options: &Options) -> Vec<Option<PathBuf>> {
    if options.inputs.is_empty() {
        return vec![None];
    }
    options.inputs.iter().cloned().map(Some).collect()
}

/// What an input says before it is signed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content {
    /// A message to sign.
    Unsigned(Message),
    /// A request.
    Signed(AddLeafRequest),
}

impl Content {
    /// Reads an input.
    pub(super) fn read(options: &Options, input: Option<&Path>) -> Result<Self, Failure> {
        if options.signing_key.is_none() {
            return read_request(input).map(Self::Signed);
        }
        let message = match input {
            Some(path) => message_of_file(path, options.raw_hash)?,
            None => message_of_stdin(options.raw_hash)?,
        };
        Ok(Self::Unsigned(message))
    }

    /// The message and, of a request, its key.
    pub(super) fn message(&self) -> (Message, Option<PublicKey>) {
        match self {
            Self::Unsigned(message) => (*message, None),
            Self::Signed(request) => (request.message, Some(request.public_key)),
        }
    }

    /// The request, signed now where it is not.
    pub(super) async fn into_request(
        self,
        signer: Option<&LoadedSigner>,
    ) -> Result<AddLeafRequest, Failure> {
        let (message, signer) = match (self, signer) {
            (Self::Signed(request), _) => return Ok(request),
            (Self::Unsigned(message), Some(loaded)) => (message, &loaded.signer),
            (Self::Unsigned(_), None) => return Err(Failure::new("no key to sign with")),
        };
        let signature = signer
            .sign(&leaf_signing_bytes(&message.checksum()))
            .await
            .map_err(|e| Failure::new(format!("Signing failed: {e}")))?;
        Ok(AddLeafRequest { message, signature, public_key: signer.public_key() })
    }
}

impl Item {
    /// Reads an input and signs it.
    pub(super) async fn read(
        options: &Options,
        signer: Option<&LoadedSigner>,
        input: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        let content = Content::read(options, input.as_deref())?;
        Ok(Self { request: content.into_request(signer).await?, input })
    }

    /// Where its output goes; `None` for standard output.
    pub(super) fn output(
        &self,
        options: &Options,
        product: Product,
    ) -> Result<Option<PathBuf>, Failure> {
        output_name(options, self.input.as_deref(), product)
    }
}

/// Reads a request and checks its signature.
fn read_request(input: Option<&Path>) -> Result<AddLeafRequest, Failure> {
    let text = read_text(input)?;
    let refuse = |reason: &dyn std::fmt::Display| {
        let failure = match input {
            Some(path) => {
                let path = path.display().to_string();
                Failure::new(format!("Leaf request {path:?} not valid: {reason}"))
            }
            None => Failure::new(format!("Leaf request on stdin not valid: {reason}")),
        };
        failure.remedy("without -k the input is a request as `sigsum submit -k KEY` writes it")
    };
    let request = AddLeafRequest::parse(&text).map_err(|e| refuse(&e))?;
    match request.verify() {
        true => Ok(request),
        false => Err(refuse(&"invalid leaf signature")),
    }
}
