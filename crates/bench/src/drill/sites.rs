//! Machines: network namespaces with one interface each, on one bridge with this process.

use crate::daemon::run;
use crate::failure::Failure;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

/// Addresses for tests of networks (RFC 2544), which no network routes.
const NETWORK: [u8; 2] = [198, 18];

/// The bridge, and the namespaces that hang on it. Everything goes away when dropped.
#[derive(Debug)]
pub(crate) struct Sites {
    bridge: String,
    third: u8,
    names: Vec<String>,
}

/// One machine.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    namespace: String,
    /// Its own address.
    pub(crate) address: Ipv4Addr,
}

fn ip(words: &[&str]) -> Result<(), Failure> {
    let mut command = Command::new("ip");
    command.args(words);
    run(command).map(drop)
}

impl Sites {
    /// The bridge, with this process on it.
    pub(crate) fn new() -> Result<Self, Failure> {
        // Two runs at once do not meet.
        let number = std::process::id();
        let third = u8::try_from(number % 251).unwrap_or(0) + 1;
        let bridge = format!("sgdrill{third}");
        let sites = Self { bridge, third, names: Vec::new() };
        ip(&["link", "add", &sites.bridge, "type", "bridge"])?;
        ip(&["addr", "add", &format!("{}/24", sites.host(1)), "dev", &sites.bridge])?;
        ip(&["link", "set", &sites.bridge, "up"])?;
        Ok(sites)
    }

    fn host(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(NETWORK[0], NETWORK[1], self.third, last)
    }

    /// A machine with this last part of its address.
    pub(crate) fn add(&mut self, last: u8) -> Result<Site, Failure> {
        let namespace = format!("{}-{last}", self.bridge);
        let (inside, outside) = ("eth0", format!("sgd{}-{last}", self.third));
        ip(&["netns", "add", &namespace])?;
        self.names.push(namespace.clone());
        let pair = ["link", "add", &outside, "type", "veth", "peer", "name", inside];
        ip(&[&pair[..], &["netns", &namespace]].concat())?;
        ip(&["link", "set", &outside, "master", &self.bridge, "up"])?;
        let site = Site { namespace, address: self.host(last) };
        site.ip(&["link", "set", "lo", "up"])?;
        site.take(site.address)?;
        site.ip(&["link", "set", inside, "up"])?;
        Ok(site)
    }

    /// The address of the log, which has no machine of its own.
    pub(crate) fn service(&self) -> Ipv4Addr {
        self.host(100)
    }

    /// Forgets where an address was; an operator's router learns it from the new place.
    pub(crate) fn moved(&self, address: Ipv4Addr) -> Result<(), Failure> {
        ip(&["neigh", "flush", "to", &address.to_string(), "dev", &self.bridge])
    }
}

impl Drop for Sites {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = ip(&["netns", "del", name]); // with its interface
        }
        let _ = ip(&["link", "del", &self.bridge]);
    }
}

impl Site {
    fn ip(&self, words: &[&str]) -> Result<(), Failure> {
        ip(&[&["-n", &self.namespace], words].concat())
    }

    /// Makes an address this machine's.
    pub(crate) fn take(&self, address: Ipv4Addr) -> Result<(), Failure> {
        self.ip(&["addr", "add", &format!("{address}/24"), "dev", "eth0"])
    }

    /// Gives an address up.
    pub(crate) fn leave(&self, address: Ipv4Addr) -> Result<(), Failure> {
        self.ip(&["addr", "del", &format!("{address}/24"), "dev", "eth0"])
    }

    /// Pulls the plug, or puts it in again.
    pub(crate) fn plug(&self, is_in: bool) -> Result<(), Failure> {
        self.ip(&["link", "set", "eth0", if is_in { "up" } else { "down" }])
    }

    /// The same command, on this machine.
    pub(crate) fn runs(&self, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.namespace]).arg(command.get_program());
        inside.args(command.get_args());
        if let Some(directory) = command.get_current_dir() {
            inside.current_dir(directory);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }

    /// An endpoint of this machine.
    pub(crate) fn at(&self, port: u16) -> String {
        format!("{}:{port}", IpAddr::V4(self.address))
    }
}
