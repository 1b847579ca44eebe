//! Reading the configuration: at the start of a log, and again while it runs.

use super::{Primary, config_path, node_key, policy_doubt, read_policy, settings};
use crate::failure::Failure;
use sigsum_core::policy::Policy;
use sigsum_log::config::Settings;
use sigsum_log::{NewSettings, Reloader, Witnesses};
use sigsum_service::logging::{Level, LogControl};
use sigsum_service::reload::{Summary, Watched};
use sigsum_service::tls::TlsSource;
use std::path::PathBuf;
use std::sync::Arc;

/// What flags and files say.
pub(super) struct Loaded {
    pub(super) settings: Settings,
    pub(super) policy: Policy,
}

impl Loaded {
    /// Reads everything. Each file is watched from before it is read, and all that the configuration
    /// names from before the first that may be wrong: whichever is mended, it is seen.
    pub(super) fn read(flags: &Primary, watched: &mut Watched) -> Result<Self, Failure> {
        watched.clear();
        watched.add(&config_path(flags.config.as_deref()));
        let mut settings = settings(flags.clone())?;
        settings.policy_file.iter().for_each(|path| watched.add(path));
        settings.replication.key_files().for_each(|path| watched.add(path));
        let files = settings.config.tls.as_ref().and_then(TlsSource::files);
        for file in files.into_iter().flat_map(|files| [&files.cert, &files.key]) {
            watched.add(file);
        }
        // The list of suffixes is named in the file of limits.
        let admission = &settings.config.admission;
        admission.rate_limit_file.iter().for_each(|path| watched.add(path));
        sigsum_log::suffix_file(admission).iter().for_each(|path| watched.add(path));
        settings.config.replication = settings.replication.clone().with_keys(node_key)?;
        let policy = read_policy(settings.policy_file.as_deref())?;
        Ok(Self { settings, policy })
    }

    /// Whether anybody may add any number of leaves.
    pub(super) fn is_unlimited(&self) -> bool {
        self.settings.config.admission.rate_limit_file.is_none()
    }

    /// Whether nobody else holds the leaves, and nobody said that it is meant so.
    pub(super) fn is_alone(&self) -> bool {
        self.settings.config.replication.is_none() && !self.settings.declared_none
    }

    /// What the operator may not have meant.
    pub(super) fn doubt(&self) -> Option<&'static str> {
        match self.settings.config.publish_without_quorum {
            true => None,
            false => policy_doubt(&self.policy, self.settings.policy_file.is_some()),
        }
    }
}

/// What a running log was started from, to be read again.
pub(super) struct Sources {
    flags: Primary,
    logging: LogControl,
    /// A configuration file that was there must not vanish: its defaults are another log.
    had_config: bool,
    key_file: Option<PathBuf>,
    log_file: Option<PathBuf>,
    log_level: Option<String>,
}

impl Sources {
    /// Those of a log that starts with `loaded`.
    pub(super) fn new(flags: Primary, loaded: &Loaded, logging: LogControl) -> Self {
        let Settings { key_file, log_file, log_level, .. } = loaded.settings.clone();
        let had_config = config_path(flags.config.as_deref()).exists();
        Self { flags, logging, had_config, key_file, log_file, log_level }
    }

    /// Reads everything again, and takes up all of it or nothing.
    pub(super) async fn reload(
        &mut self,
        reloader: &Reloader,
        watched: &mut Watched,
    ) -> Result<Summary, String> {
        let config = config_path(self.flags.config.as_deref());
        let had_config = config.exists();
        if self.had_config && !had_config {
            watched.clear();
            watched.add(&config);
            return Err(format!("{} is missing", config.display()));
        }
        let loaded = Loaded::read(&self.flags, watched).map_err(one_line)?;
        let doubt = loaded.doubt();
        let Loaded { settings, policy } = loaded;
        let level = settings.log_level.as_deref().map_or(Ok(Level::default()), str::parse::<Level>);
        let level = level.map_err(one_line)?;
        let new_file = self.logging.set_file(settings.log_file.as_deref()).map_err(one_line)?;
        let new = NewSettings {
            config: settings.config,
            policy: Arc::new(policy),
            witnesses: Witnesses::FromPolicy,
        };
        let reloaded = match reloader.reload(new).await {
            Ok(reloaded) => reloaded,
            Err(error) => {
                let _ = self.logging.set_file(self.log_file.as_deref()); // it was open a moment ago
                return Err(one_line(error));
            }
        };
        self.had_config = had_config;
        self.logging.set_level(level);
        let new_level = settings.log_level != self.log_level;
        self.log_level = settings.log_level;
        self.log_file = settings.log_file;
        if let (true, Some(doubt)) = (reloaded.changed.contains(&"policy-file"), doubt) {
            tracing::warn!("{doubt}");
        }
        let own = [(new_level, "log-level"), (new_file, "log-file")];
        let own = own.into_iter().filter(|(changed, _)| *changed).map(|(_, key)| key);
        let new_key = (settings.key_file != self.key_file).then_some("key-file");
        let words = |keys: Vec<&'static str>| keys.into_iter().map(str::to_owned);
        Ok(Summary {
            changed: words(reloaded.changed).chain(own.map(str::to_owned)).collect(),
            needs_restart: words(reloaded.needs_restart)
                .chain(new_key.map(str::to_owned))
                .collect(),
        })
    }
}

/// A reason without line breaks, for the program's log.
fn one_line(error: impl std::fmt::Display) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}
