//! What a secondary is started from.

use super::file::{DEFAULT_DATA_DIR, DEFAULT_EXTERNAL, DEFAULT_INTERNAL, SHORTEST_TIME};
use super::{FileConfig, FileConfigError, Storage};
use crate::follower::FollowerConfig;
use std::path::PathBuf;

/// What a secondary is started from.
#[derive(Debug, Clone)]
pub struct SecondarySettings {
    /// For [`crate::follower::start`].
    pub config: FollowerConfig,
    /// The secondary's own key.
    pub key_file: Option<PathBuf>,
    /// The log's public key; `None` to take it from the directory.
    pub log_key_file: Option<PathBuf>,
    /// Where the log of the program goes; `None` for standard error.
    pub log_file: Option<PathBuf>,
    /// How much goes there.
    pub log_level: Option<String>,
}

impl FileConfig {
    /// Fills in log-go's defaults and checks what is set, for a secondary.
    ///
    /// # Errors
    /// [`FileConfigError`].
    pub fn into_secondary_settings(self) -> Result<SecondarySettings, FileConfigError> {
        let set = |value: Option<String>| value.filter(|value| !value.is_empty());
        let url = set(self.secondary.primary_url).ok_or(FileConfigError::PrimaryUrlMissing)?;
        let storage = match self.backend.as_deref() {
            None | Some("") => {
                Storage::DataDir(self.data_dir.unwrap_or_else(|| DEFAULT_DATA_DIR.into()))
            }
            Some("trillian") => return Err(FileConfigError::Trillian),
            Some("ephemeral") => return Err(FileConfigError::EphemeralFollower),
            Some(other) => return Err(FileConfigError::UnknownBackend(other.to_owned())),
        };
        let mut config = FollowerConfig::new(storage, url);
        config.primary_external_url = set(self.secondary.primary_external_url);
        config.external = self.external_endpoint.unwrap_or_else(|| DEFAULT_EXTERNAL.into());
        config.internal = self.internal_endpoint.unwrap_or_else(|| DEFAULT_INTERNAL.into());
        config.url_prefix = self.url_prefix.unwrap_or_default();
        config.interval = self.interval.map_or(config.interval, |d| d.0);
        config.timeout = self.timeout.map_or(config.timeout, |d| d.0);
        for (key, time) in [("interval", config.interval), ("timeout", config.timeout)] {
            if time < SHORTEST_TIME {
                return Err(FileConfigError::TooShort { key });
            }
        }
        Ok(SecondarySettings {
            config,
            key_file: self.key_file,
            log_key_file: self.secondary.log_key_file.filter(|p| !p.as_os_str().is_empty()),
            log_file: self.log_file,
            log_level: self.log_level,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::time::Duration;

    fn settings(text: &str) -> Result<SecondarySettings, FileConfigError> {
        FileConfig::parse(text).expect("parses").into_secondary_settings()
    }

    fn error(text: &str) -> String {
        settings(text).expect_err("refused").to_string()
    }

    const FOLLOWS: &str = "[secondary]\nprimary-url = 'http://p:6967/x'\n";

    #[test]
    fn a_file_of_log_go_is_read() {
        let text = format!("interval = '30s'\nkey-file = 'k'\n{FOLLOWS}");
        let read = settings(&text).expect("valid");
        assert_eq!(read.config.primary_url, "http://p:6967/x");
        assert_eq!(read.config.internal, DEFAULT_INTERNAL);
        assert_eq!(read.config.interval, Duration::from_secs(30));
        assert_eq!(read.key_file.as_deref(), Some(Path::new("k")));
        let Storage::DataDir(dir) = read.config.storage else { panic!("a directory") };
        assert_eq!(dir, Path::new(DEFAULT_DATA_DIR));
    }

    #[test]
    fn our_own_keys_are_read() {
        let own = "primary-external-url = 'http://p'\nlog-key-file = 'log.pub'";
        let read = settings(&format!("{FOLLOWS}{own}")).expect("valid");
        assert_eq!(read.config.primary_external_url.as_deref(), Some("http://p"));
        assert_eq!(read.log_key_file.as_deref(), Some(Path::new("log.pub")));
    }

    #[test]
    fn a_secondary_without_a_primary_is_refused() {
        assert!(error("").contains("primary-url is not set"));
        assert!(error("[secondary]\nprimary-url = ''").contains("primary-url is not set"));
    }

    #[test]
    fn a_secondary_in_memory_is_refused() {
        assert!(error(&format!("backend = 'ephemeral'\n{FOLLOWS}")).contains("keeps nothing"));
    }

    #[test]
    fn trillian_is_refused_with_the_way_out() {
        let text = format!("backend = 'trillian'\n{FOLLOWS}");
        assert!(error(&text).contains("see \"Coming from log-go\" in docs/log.md"));
    }

    #[test]
    fn times_of_zero_are_refused() {
        assert!(error(&format!("interval = '0s'\n{FOLLOWS}")).starts_with("interval"));
        assert!(error(&format!("timeout = '0s'\n{FOLLOWS}")).starts_with("timeout"));
    }
}
