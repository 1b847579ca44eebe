//! Reading the rate-limit file and the list of public suffixes that it names.

use super::Loaded;
use crate::config::AdmissionConfig;
use sigsum_limits::{
    FileError, LimitFile, MAX_FILE_BYTES, MAX_SUFFIX_FILE_BYTES, Rules, SuffixError, SuffixList,
};
use sigsum_store::durable::{self, SmallFile};
use std::path::{Path, PathBuf};

/// Why limits were refused, as a whole. The operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum LimitsError {
    /// The file cannot be read.
    #[error("rate-limit file: {0}")]
    Read(#[from] durable::FileError),
    /// There is no such file.
    #[error("rate-limit file {}: no such file", .0.display())]
    Missing(PathBuf),
    /// The file is wrong.
    #[error("rate-limit file {}: {problem}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: FileError,
    },
    /// The list of public suffixes cannot be read.
    #[error("list of public suffixes: {0}")]
    ReadSuffixes(durable::FileError),
    /// There is no such list.
    #[error(
        "list of public suffixes {}, named by the public line of the rate-limit file: no such file \
         (Debian has one in the package publicsuffix)", .0.display()
    )]
    MissingSuffixes(PathBuf),
    /// System: the task that reads ended badly.
    #[error("reading the rate limits: {0}")]
    Task(std::io::Error),
    /// The list is wrong.
    #[error("list of public suffixes {}: {problem}", path.display())]
    Suffixes {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: SuffixError,
    },
}

/// Reads everything, or refuses everything; `None` where no limits are configured. Blocks.
pub(crate) fn load(config: &AdmissionConfig) -> Result<Option<Loaded>, LimitsError> {
    let Some(path) = &config.rate_limit_file else { return Ok(None) };
    let text = read(path, MAX_FILE_BYTES)?.ok_or_else(|| LimitsError::Missing(path.clone()))?;
    let file = LimitFile::parse(&text)
        .map_err(|problem| LimitsError::File { path: path.clone(), problem })?;
    // As in log-go, a list of which nothing is used need not be there.
    let public = file.public.as_ref().filter(|public| public.limit > 0);
    let suffixes = public.map(|public| suffixes(Path::new(&public.suffix_file))).transpose()?;
    let rules = Rules::new(file, suffixes, config.allow_test_domain);
    Ok(Some(Loaded { path: path.clone(), rules }))
}

/// The list of suffixes that the file of limits names; `None` where there is none, or the file cannot be
/// read. Blocks.
pub fn suffix_file(config: &AdmissionConfig) -> Option<PathBuf> {
    let text = read(config.rate_limit_file.as_ref()?, MAX_FILE_BYTES).ok().flatten()?;
    Some(PathBuf::from(LimitFile::parse(&text).ok()?.public?.suffix_file))
}

fn suffixes(path: &Path) -> Result<SuffixList, LimitsError> {
    let text = read(path, MAX_SUFFIX_FILE_BYTES).map_err(LimitsError::ReadSuffixes)?;
    let text = text.ok_or_else(|| LimitsError::MissingSuffixes(path.to_owned()))?;
    SuffixList::parse(&text)
        .map_err(|problem| LimitsError::Suffixes { path: path.to_owned(), problem })
}

/// One byte more than allowed is enough to find that there is too much.
fn read(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, durable::FileError> {
    SmallFile::new(path).read(limit.saturating_add(1))
}
