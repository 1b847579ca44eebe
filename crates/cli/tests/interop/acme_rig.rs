//! A log that gets its certificate from pebble, pebble itself with a name server, and a client that
//! checks whom it talks to.

use crate::harness::{Daemon, Network, Outcome, Sandbox, http, run_command};
use crate::peers::{PeerDaemon, free_address, peer, peer_command};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What does not happen within this will not.
const LIMIT: Duration = Duration::from_secs(60);

/// A name that leads to the log.
pub(crate) const NAME: &str = "log.example";
/// A name that pebble refuses to certify.
pub(crate) const BLOCKED: &str = "blocked.example";

/// A connection over TLS.
pub(crate) type Secure = StreamOwned<ClientConnection, TcpStream>;

/// Pebble, a name server for it, and a log.
pub(crate) struct Rig {
    pub(crate) network: Network,
    pub(crate) log: Option<Daemon>,
    /// Where the log serves, before and after restarts.
    pub(crate) address: SocketAddr,
    pub(crate) internal: String,
    pebble: Option<PeerDaemon>,
    program: PathBuf,
    directory: SocketAddr,
    management: SocketAddr,
    names: SocketAddr,
    _name_server: PeerDaemon,
}

impl Rig {
    /// Everything but pebble and the log; `None`, said aloud, where pebble is missing. Certificates
    /// are valid for so many seconds.
    pub(crate) fn new(validity_s: u64) -> Option<Self> {
        let (program, name_server) = (peer("pebble")?, peer("pebble-challtestsrv")?);
        let mut network = Network::start(0, 0);
        network.log.take().unwrap().stop();
        let sandbox = &network.sandbox;
        let [address, directory, management, names, control] = [(); 5].map(|()| free_address());
        write_certificate(sandbox, &[directory, management]);
        sandbox.write("pebble.json", pebble_config(validity_s, address, directory, management));
        let own = [
            ("-dnsserver", names.to_string()),
            ("-management", control.to_string()),
            ("-defaultIPv4", address.ip().to_string()),
        ];
        let own = own.iter().flat_map(|(flag, value)| [*flag, value]);
        let off = ["-defaultIPv6", "-http01", "-https01", "-doh", "-tlsalpn01"];
        let args: Vec<&str> = own.chain(off.into_iter().flat_map(|flag| [flag, ""])).collect();
        let name_server = PeerDaemon::start(peer_command(sandbox, &name_server, &args), names);
        sandbox.key("k");
        Some(Self {
            network,
            log: None,
            address,
            internal: String::new(),
            pebble: None,
            program,
            directory,
            management,
            names,
            _name_server: name_server,
        })
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.network.sandbox
    }

    /// Starts pebble, without memory of an earlier one, so that it refuses so many requests in a
    /// hundred for their nonce.
    pub(crate) fn start_pebble(&mut self, bad_nonces: u8) {
        let names = self.names.to_string();
        let args = ["-config", "pebble.json", "-dnsserver", &names];
        let mut command = peer_command(self.sandbox(), &self.program, &args);
        command.env("PEBBLE_VA_NOSLEEP", "1");
        command.env("PEBBLE_WFE_NONCEREJECT", bad_nonces.to_string());
        self.pebble = Some(PeerDaemon::start(command, self.directory));
    }

    pub(crate) fn kill_pebble(&mut self) {
        self.pebble.take().unwrap().kill();
    }

    /// Writes the log's configuration, for a certificate of these names.
    pub(crate) fn configure(&self, names: &[&str]) {
        let (address, directory) = (self.address, self.directory);
        let config = format!(
            "data-dir = \"log\"\nkey-file = \"log-key\"\nexternal-endpoint = \"{address}\"\n\
             internal-endpoint = \"127.0.0.1:0\"\n\n[acme]\nnames = {names:?}\ndir = \"acme\"\n\
             agree-to-terms = true\ncontact = \"mailto:operator@example.org\"\n\
             directory-url = \"https://{directory}/dir\"\nca-file = \"web-root.pem\"\n\n[primary]\n\
             policy-file = \"log-policy\"\nreplication = \"none\"\n"
        );
        self.sandbox().write("config.toml", config);
    }

    pub(crate) fn start_log(&mut self) {
        let args = ["log", "primary", "--config", "config.toml"];
        let mut log = self.network.sandbox.daemon(&args);
        assert_eq!(log.url, format!("https://{}", self.address));
        self.internal = log.internal_url();
        let key = self.sandbox().key_hex("log-key");
        self.sandbox().write("policy", format!("log {key} {}\nquorum none\n", log.url));
        self.log = Some(log);
    }

    pub(crate) fn stop_log(&mut self) {
        self.log.take().unwrap().stop();
    }

    /// What the log has said so far, and says until this is in a line.
    #[track_caller]
    pub(crate) fn until_said(&mut self, part: &str) {
        let log = self.log.as_mut().unwrap();
        if !log.said.contains(part) {
            log.until_said(part);
        }
    }

    /// The page behind this path of the internal endpoint.
    pub(crate) fn page(&self, path: &str) -> String {
        http(&self.internal, "GET", path, b"").1
    }

    /// A metric's value.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let page = self.page("/metrics");
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in {page}")).parse().unwrap()
    }

    #[track_caller]
    pub(crate) fn until(&self, what: &str, reached: impl Fn(&Self) -> bool) {
        until(LIMIT, what, || reached(self));
    }

    /// Waits for the first certificate.
    #[track_caller]
    pub(crate) fn until_ready(&self) {
        self.until("it is ready", |rig| http(&rig.internal, "GET", "/readyz", b"").0 == 200);
    }

    /// The root that pebble signs under, as its clients know it.
    pub(crate) fn root(&self) -> Client {
        let web = Client::new(self.sandbox().read("web-root.pem").as_bytes());
        let mut stream = web.connect(self.management, &self.management.ip().to_string()).unwrap();
        let answer = get(&mut stream, "/roots/0").unwrap();
        let start = answer.find("-----BEGIN").unwrap_or_else(|| panic!("{answer}"));
        self.sandbox().write("root.pem", &answer[start..]);
        Client::new(&answer.as_bytes()[start..])
    }

    /// Submits as somebody who trusts pebble's root.
    pub(crate) fn submit(&self, name: &str) -> Outcome {
        self.sandbox().write(name, name);
        let args = ["submit", "-p", "policy", "-k", "k", "--timeout", "20s", name];
        let mut command = self.sandbox().command(&args);
        command.env("SSL_CERT_FILE", self.sandbox().path("root.pem"));
        run_command(command, b"")
    }
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn until(limit: Duration, what: &str, reached: impl Fn() -> bool) {
    let until = Instant::now() + limit;
    while !reached() {
        assert!(Instant::now() < until, "not reached: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Writes a root, and a certificate for pebble's own web servers.
fn write_certificate(sandbox: &Sandbox, servers: &[SocketAddr]) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    sandbox.write("web-root.pem", params.self_signed(&key).unwrap().pem());
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let names: Vec<_> = servers.iter().map(|server| server.ip().to_string()).collect();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    sandbox.write("web.pem", certificate.pem());
    sandbox.write("web-key.pem", key.serialize_pem());
}

fn pebble_config(
    validity_s: u64,
    log: SocketAddr,
    directory: SocketAddr,
    management: SocketAddr,
) -> String {
    let port = log.port();
    format!(
        r#"{{"pebble": {{
            "listenAddress": "{directory}", "managementListenAddress": "{management}",
            "certificate": "web.pem", "privateKey": "web-key.pem",
            "httpPort": {port}, "tlsPort": {port},
            "domainBlocklist": ["{BLOCKED}"], "keyAlgorithm": "ecdsa",
            "retryAfter": {{"authz": 1, "order": 1}},
            "profiles": {{"default": {{"description": "short", "validityPeriod": {validity_s}}}}}
        }}}}"#
    )
}

/// Somebody who trusts one root.
#[derive(Clone)]
pub(crate) struct Client {
    config: Arc<ClientConfig>,
}

impl Client {
    fn new(root: &[u8]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { config: Arc::new(config) }
    }

    /// A connection to a server of this name, after its certificate was checked.
    pub(crate) fn connect(&self, to: SocketAddr, name: &str) -> std::io::Result<Secure> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let session = ClientConnection::new(self.config.clone(), name);
        let socket = TcpStream::connect(to)?;
        socket.set_read_timeout(Some(LIMIT))?;
        let mut stream = StreamOwned::new(session.map_err(std::io::Error::other)?, socket);
        stream.conn.complete_io(&mut stream.sock)?;
        Ok(stream)
    }
}

/// One request over a connection that ends with it.
pub(crate) fn get(stream: &mut Secure, path: &str) -> std::io::Result<String> {
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// One request over a connection that goes on; the status line of the answer, which is short.
pub(crate) fn get_and_stay(stream: &mut Secure, path: &str) -> std::io::Result<String> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    let ended = |answer: &[u8]| {
        let text = String::from_utf8_lossy(answer);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
        (body.len() >= length.parse::<usize>().ok()?).then_some(())
    };
    while ended(&answer).is_none() {
        let mut piece = [0; 4096];
        match stream.read(&mut piece)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => answer.extend_from_slice(&piece[..count]),
        }
    }
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// The certificate that the server showed.
pub(crate) fn shown(stream: &Secure) -> CertificateDer<'static> {
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}
